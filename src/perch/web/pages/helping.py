"""Help: what Perch promises, what its words mean, what a post costs, the keys, how to connect X."""

from dataclasses import dataclass
from datetime import date

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from perch.budget.prices import price_of_post
from perch.settings import Settings
from perch.web import states
from perch.web.deps import Composition, Framed, Signed
from perch.web.rendering import page
from perch.web.states import State

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Meaning:
    """A state and what it says."""

    state: State
    meaning: str


@dataclass(frozen=True, slots=True)
class KeyPress:
    """A key and what it does."""

    press: str
    does: str


@dataclass(frozen=True, slots=True)
class HelpView:
    """The page."""

    states: tuple[Meaning, ...]
    prices: str
    keys: tuple[KeyPress, ...]
    callback_url: str
    is_live: bool


_KEYS = (
    KeyPress("N", "write a post"),
    KeyPress("Q", "go to the queue"),
    KeyPress("A", "go to the accounts"),
    KeyPress("?", "open this page"),
    KeyPress("Ctrl Enter", "post now, in the composer (⌘ Enter on a Mac)"),
)


@router.get("/help")
async def show(request: Request, perch: Composition, _who: Signed, frame: Framed) -> Response:
    """The page."""
    return page(request, "help.html", frame, _view(perch.settings, perch.clock.now().date()))


def _view(settings: Settings, today: date) -> HelpView:
    return HelpView(
        states=tuple(Meaning(state, meaning) for state, meaning in states.MEANINGS),
        prices=_prices(settings, today),
        keys=_KEYS,
        callback_url=settings.callback_url,
        is_live=settings.is_live,
    )


def _prices(settings: Settings, today: date) -> str:
    plain = price_of_post(has_url=False, at=today, plan=settings.x_plan)
    if not plain.micros:
        return f"posts are {plain.why}."
    linked = price_of_post(has_url=True, at=today, plan=settings.x_plan)
    return f"{plain.show()} for a post, {linked.show()} when it holds a link."

"""The queue: what went out and what will, by day. Strangers find the way in here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from perch.accounts import queries as accounts
from perch.accounts.health import AccountView, Health
from perch.accounts.next_path import safe_next
from perch.budget.prices import Price
from perch.people.roles import Action, may
from perch.people.sessions import Visitor
from perch.posts import queries
from perch.posts.queries import Listed
from perch.posts.retrying import PauseReason
from perch.web import states
from perch.web.deps import Composition, Framed, Perhaps
from perch.web.errors import NoSuchPage
from perch.web.frame import Frame
from perch.web.pages import ways
from perch.web.pages.ways import Way
from perch.web.rendering import page
from perch.web.states import State
from perch.web.times import Wall, machine, wall
from perch.wiring import Perch

router = APIRouter()
_ON_A_PAGE = 50
_TO_COME = 100
_SHOWN_CHARACTERS = 280


@dataclass(frozen=True, slots=True)
class Row:
    """One post. ``aside`` says what the text alone does not: more cards, what it waits for."""

    href: str
    at: str
    time: str
    state: State
    text: str
    aside: str
    handle: str
    price: str


@dataclass(frozen=True, slots=True)
class Day:
    """The posts of one day."""

    label: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """What is to come, or what is behind, day by day."""

    title: str
    note: str
    days: tuple[Day, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that needs a person."""

    sentence: str
    fix: str


@dataclass(frozen=True, slots=True)
class QueueView:
    """The page of somebody who is signed in."""

    can_write: bool
    has_accounts: bool
    notices: tuple[Notice, ...]
    zone: str
    parts: tuple[Part, ...]
    older_href: str


@dataclass(frozen=True, slots=True)
class SampleEvent:
    """A line of the receipt that strangers are shown."""

    time: str
    words: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class WelcomeView:
    """The page of somebody who is not."""

    ways: tuple[Way, ...]
    is_sandbox: bool
    sample: tuple[SampleEvent, ...]


_SAMPLE = (
    SampleEvent("08:59:58", "queued by you, $0.200"),
    SampleEvent("09:00:00", "armed: 78 characters, 1 link, $0.200 reserved"),
    SampleEvent("09:00:00", "sent"),
    SampleEvent("09:00:01", "X answered 201: live", "good"),
    SampleEvent("09:00:01", "recorded, $0.200 spent"),
)


@router.get("/")
async def show(
    request: Request, perch: Composition, who: Perhaps, frame: Framed, before: str = ""
) -> Response:
    """The queue, or the welcome."""
    if who is None:
        return _welcome(request, perch, frame)
    now = perch.clock.now()
    async with perch.db.read() as session:
        held = await accounts.accounts_of(session, who.workspace_id, now)
        below = await _below(session, who, before)
        is_top = below is None
        to_come = await queries.unfinished(session, who.workspace_id, limit=_TO_COME + 1) if is_top else []
        behind = await queries.finished(session, who.workspace_id, limit=_ON_A_PAGE + 1, before=below)
        waiting = await queries.waiting(session, who.workspace_id)
    return page(request, "queue.html", frame, _view(who, held, to_come, behind, waiting, now))


async def _below(session: AsyncSession, who: Visitor, before: str) -> int | None:
    if not before:
        return None
    post = await queries.post_by_public_id(session, who.workspace_id, before)
    if post is None:
        raise NoSuchPage("The list does not go on there.", fix="Begin at its top.")
    return post.id


def _welcome(request: Request, perch: Perch, frame: Frame) -> Response:
    next_path = safe_next(request.query_params.get("next"))
    invitation = request.query_params.get("invitation", "")
    view = WelcomeView(ways.to_sign_in(perch.settings, next_path, invitation), frame.sandbox_in_use, _SAMPLE)
    return page(request, "welcome.html", frame, view)


def _view(
    who: Visitor,
    held: Sequence[AccountView],
    to_come: Sequence[Listed],
    behind: Sequence[Listed],
    waiting: Mapping[int, int],
    now: datetime,
) -> QueueView:
    clock = wall(held[0].zone if held else None, now)
    shown = behind[:_ON_A_PAGE]
    return QueueView(
        can_write=may(who.role, Action.PUBLISH),
        has_accounts=any(account.is_connected for account in held),
        notices=_notices(held, waiting),
        zone=clock.name,
        parts=tuple(part for part in _parts(to_come, shown, clock, now) if part.days),
        older_href=f"/?before={shown[-1].post.public_id}" if len(behind) > len(shown) else "",
    )


def _parts(
    to_come: Sequence[Listed], behind: Sequence[Listed], clock: Wall, now: datetime
) -> tuple[Part, Part]:
    first = f"The first {_TO_COME}." if len(to_come) > _TO_COME else ""
    latest_first = sorted(behind, key=_when, reverse=True)
    return (
        Part("To come", first, _days(to_come[:_TO_COME], clock, now)),
        Part("So far", "Latest first.", _days(latest_first, clock, now)),
    )


def _days(in_order: Sequence[Listed], clock: Wall, now: datetime) -> tuple[Day, ...]:
    grouped = groupby(in_order, key=lambda one: clock.day(_when(one)))
    return tuple(Day(label, tuple(_row(one, clock, now) for one in found)) for label, found in grouped)


def _row(listed: Listed, clock: Wall, now: datetime) -> Row:
    post = listed.post
    text = listed.first.text[:_SHOWN_CHARACTERS]
    return Row(
        href=f"/posts/{post.public_id}",
        at=machine(_when(listed)),
        time=clock.minute(_when(listed)),
        state=states.of_post(listed.standing, now),
        text=text or "Without words",
        aside=_aside(listed, clock, now),
        handle=listed.account.username,
        price=Price(post.price_micros).show(),
    )


def _aside(listed: Listed, clock: Wall, now: datetime) -> str:
    parts = [f"and {listed.cards - 1} more"] if listed.cards > 1 else []
    until, due_at = listed.standing.rests_until, listed.post.due_at
    if until and due_at and due_at <= now < until and not listed.standing.paused_reason:
        parts.append(f"X’s rate limit: waits until {clock.moment(until)}")
    return " · ".join(parts)


def _when(listed: Listed) -> datetime:
    return listed.post.due_at or listed.post.created_at


def _notices(held: Sequence[AccountView], waiting: Mapping[int, int]) -> tuple[Notice, ...]:
    return tuple(
        Notice(
            f"@{account.username} needs a new sign-in{_at_risk(waiting.get(account.id, 0))}.",
            "Open Accounts and sign in again; what waits goes out after that.",
        )
        for account in held
        # Once a post has met it, the notice above every page says so.
        if account.health is Health.RECONNECT and account.paused_reason != PauseReason.LOGIN
    )


def _at_risk(count: int) -> str:
    if not count:
        return ""
    return ": 1 post waits for it" if count == 1 else f": {count} posts wait for it"

"""The composer: write, add pictures, see count and price, post now or later. Works as a plain form too."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog
from fastapi import APIRouter
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from perch.accounts import queries as accounts
from perch.accounts.health import AccountView
from perch.db.failures import is_away
from perch.errors import PerchError
from perch.people.roles import Action, require
from perch.people.sessions import Visitor
from perch.posts import receipts, scheduling, slots
from perch.posts.drafting import Author, Draft
from perch.posts.dues import AtWall, NextFreeSlot, When
from perch.posts.errors import KeyReused, PostNotFound
from perch.posts.models import AuthorKind, Post
from perch.posts.repeats import Key
from perch.posts.scheduling import Checked
from perch.web import forms
from perch.web.deps import Composition, Framed, Signed
from perch.web.errors import NoDatabase
from perch.web.forms import Form
from perch.web.frame import Frame
from perch.web.pages import faces, library, sheet
from perch.web.pages.faces import Face
from perch.web.pages.sheet import Placed, Problem, Sheet
from perch.web.rendering import page
from perch.web.times import wall
from perch.wiring import Perch

log = structlog.get_logger(__name__)
router = APIRouter()
_KEY_HOLDS = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Desk:
    """The accounts to choose from and the one that is chosen; never empty."""

    connected: Sequence[AccountView]
    chosen: AccountView

    def faces(self, perch: Perch) -> tuple[Face, ...]:
        return tuple(faces.of_view(account, perch.settings) for account in self.connected)


@router.get("/compose")
async def begin(
    request: Request, perch: Composition, who: Signed, frame: Framed, account: str = "", again: str = ""
) -> Response:
    """An empty sheet, or one with the words and pictures of an earlier post."""
    require(who.role, Action.PUBLISH)
    sent = Sheet(account, "", _new_key())
    if again:
        async with perch.db.read() as session:
            sent = sheet.again(await receipts.read(session, who.workspace_id, again), sent.key)
    return await _answer(request, perch, who, frame, sent)


@router.post("/compose/check")
async def check(request: Request, perch: Composition, who: Signed, frame: Framed) -> Response:
    """Count, price, findings and preview of what is being written."""
    sent = sheet.read(await forms.read(request))
    return await _answer(request, perch, who, frame, sent, template="checked.html")


@router.post("/compose")
async def post_now(request: Request, perch: Composition, who: Signed, frame: Framed) -> Response:
    """Send it, or show the sheet again with everything that was on it and the reason."""
    require(who.role, Action.PUBLISH)
    form = await forms.read(request)
    sent = sheet.read(form)
    try:
        sent = await _with_files(perch, who, form, sent)
        if form.text("do") in {"post", "slot"}:
            post = await _accepted(perch, who, sent, _when(perch, form, sent))
            return RedirectResponse(f"/posts/{post.public_id}", status_code=303)
    except _NotTaken as failure:
        return await _answer(request, perch, who, frame, failure.sheet, error=failure.error)
    except KeyReused:
        return await _answer(request, perch, who, frame, replace(sent, key=_new_key()), error=_SENT_BEFORE)
    except PerchError as error:
        return await _answer(request, perch, who, frame, sent, error=error)
    except SQLAlchemyError as error:
        if not is_away(error):
            raise
        log.exception("database_refused", method=request.method, path=request.url.path)
        return await _answer(request, perch, who, frame, sent, error=NoDatabase.after(error))
    return await _answer(request, perch, who, frame, sent)


class _NotTaken(Exception):
    """A file was refused; the files before it are on the sheet."""

    def __init__(self, sent: Sheet, error: PerchError) -> None:
        super().__init__(error.sentence)
        self.sheet = sent
        self.error = error


_SENT_BEFORE = KeyReused(
    "This form has already sent another post, so nothing was sent now.",
    fix="If this is a new post, press the button again.",
)


async def _with_files(perch: Perch, who: Visitor, form: Form, sent: Sheet) -> Sheet:
    """The sheet with the files that came in the form itself, as browsers without scripts send them."""
    for place in range(sheet.SLOTS):
        file = form.file(f"file_{place}")
        if file is None:
            continue
        try:
            asset = await library.take(perch, who, file)
        except PerchError as error:
            raise _NotTaken(sent, error) from error
        placed = list(sent.placed)
        placed[place] = Placed(asset.public_id, placed[place].alt_text)
        sent = replace(sent, placed=tuple(placed))
    return sent


def _when(perch: Perch, form: Form, sent: Sheet) -> When:
    if form.text("do") == "slot":
        return NextFreeSlot()
    return AtWall(forms.wall_time(sent.at)) if sent.at else perch.clock.now()


async def _accepted(perch: Perch, who: Visitor, sent: Sheet, when: When) -> Post:
    forms.refuse_unkeepable(sent.text + "".join(place.alt_text for place in sent.placed))
    async with perch.db.write() as session:
        checked = await _checked(session, perch, who, sent, await _desk(session, perch, who, sent))
        key = Key(
            owner=f"person:{who.person_public_id}",
            value=sent.key or _new_key(),
            body=f"{checked.account.public_id} {checked.draft.content_hash()} {sent.at}",
            lifetime=_KEY_HOLDS,
        )
        return await scheduling.accept(session, perch.clock, perch.engine, checked, when, key=key)


async def _answer(
    request: Request,
    perch: Perch,
    who: Visitor,
    frame: Frame,
    sent: Sheet,
    *,
    template: str = "compose.html",
    error: PerchError | None = None,
) -> Response:
    """The sheet as a page, or the pieces of it that change while somebody writes."""
    async with perch.db.read() as session:
        desk = await _desk_or_none(session, perch, who, sent)
        if desk is None:
            return page(request, "compose.html", frame, sheet.without_accounts())
        sent, checked = await _checked_as_far_as_possible(session, perch, who, sent, desk)
        has_slots = bool(await slots.of_account(session, desk.chosen.id))
    now = perch.clock.now()
    timing = sheet.timing_of(sent.at, wall(desk.chosen.zone, now), now, has_slots=has_slots)
    problem = Problem(error.sentence, error.fix or "") if error else None
    view = sheet.view_of(
        sent, checked, desk.faces(perch), faces.of_view(desk.chosen, perch.settings), problem, timing
    )
    return page(request, template, frame, view, status=error.status if error else 200)


async def _checked_as_far_as_possible(
    session: AsyncSession, perch: Perch, who: Visitor, sent: Sheet, desk: _Desk
) -> tuple[Sheet, Checked]:
    """A file that has left the library, or never was in it, is taken off the sheet."""
    try:
        return sent, await _checked(session, perch, who, sent, desk)
    except PostNotFound:
        bare = replace(sent, placed=tuple(replace(place, asset_id="") for place in sent.placed))
        return bare, await _checked(session, perch, who, bare, desk)


async def _checked(session: AsyncSession, perch: Perch, who: Visitor, sent: Sheet, desk: _Desk) -> Checked:
    account = await accounts.account_with_id(session, desk.chosen.id)
    app = await accounts.app_with_id(session, account.app_id)
    return await scheduling.check(session, perch.clock, _draft(who, sent, desk), app.plan)


def _draft(who: Visitor, sent: Sheet, desk: _Desk) -> Draft:
    author = Author(AuthorKind.PERSON, who.person_public_id, who.name)
    return sent.draft(who.workspace_id, desk.chosen.id, author)


async def _desk(session: AsyncSession, perch: Perch, who: Visitor, sent: Sheet) -> _Desk:
    desk = await _desk_or_none(session, perch, who, sent)
    if desk is None or (sent.account_id and desk.chosen.public_id != sent.account_id):
        raise PostNotFound("This account is not connected here.", fix="Choose another account.")
    return desk


async def _desk_or_none(session: AsyncSession, perch: Perch, who: Visitor, sent: Sheet) -> _Desk | None:
    held = await accounts.accounts_of(session, who.workspace_id, perch.clock.now())
    connected = [account for account in held if account.is_connected]
    if not connected:
        return None
    chosen = [account for account in connected if account.public_id == sent.account_id]
    return _Desk(connected, (chosen or connected)[0])


def _new_key() -> str:
    return secrets.token_urlsafe(16)

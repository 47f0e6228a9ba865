"""The X accounts of the workspace: what each may do, how its sign-in is, connecting and disconnecting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from perch.accounts import disconnecting, preferring, queries
from perch.accounts.health import AccountView, Health
from perch.accounts.models import MissedPolicy
from perch.people.errors import NotHere
from perch.people.roles import Action, may, require
from perch.people.sessions import Visitor
from perch.posts import queries as posts
from perch.posts import slots
from perch.posts.retrying import PauseReason
from perch.settings import Settings
from perch.web import forms
from perch.web.deps import Composition, Framed, Signed
from perch.web.pages import faces, ways
from perch.web.pages.faces import Face
from perch.web.pages.ways import Way
from perch.web.rendering import page
from perch.web.states import State
from perch.web.times import in_words, wall
from perch.wiring import Perch

router = APIRouter()
_MAY = {
    "tweet.read": "read posts",
    "users.read": "see who you are",
    "tweet.write": "publish posts",
    "media.write": "upload pictures and videos",
    "offline.access": "stay signed in",
}
_HEALTH = {
    Health.GOOD: State("live", "signed in"),
    Health.UNCERTAIN: State("checking", "checking"),
    Health.EXPIRING: State("needs-you", "sign in again soon"),
    Health.RECONNECT: State("needs-you", "sign in again"),
    Health.DISCONNECTED: State("ended", "disconnected"),
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with an account, and what to do."""

    sentence: str
    fix: str


@dataclass(frozen=True, slots=True)
class Row:
    """One account."""

    face: Face
    health: State
    is_connected: bool
    trouble: Trouble | None
    may: str
    missing: str
    sending: str
    token: str
    zone: str
    slots: str
    asks_when_late: bool
    reconnect_href: str


@dataclass(frozen=True, slots=True)
class AccountsView:
    """The page."""

    accounts: tuple[Row, ...]
    can_connect: bool
    can_schedule: bool
    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class DisconnectView:
    """The question before an account is disconnected."""

    account: Face
    waiting: str


@router.get("/accounts")
async def show(request: Request, perch: Composition, who: Signed, frame: Framed) -> Response:
    """All accounts."""
    now = perch.clock.now()
    async with perch.db.read() as session:
        held = await queries.accounts_of(session, who.workspace_id, now)
        places = {account.id: slots.show(await slots.of_account(session, account.id)) for account in held}
    return page(request, "accounts.html", frame, _view(who, held, places, perch.settings, now))


@router.post("/accounts/{public_id}/times")
async def set_times(public_id: str, request: Request, perch: Composition, who: Signed) -> Response:
    """Its weekly slots, the zone of its wall clock, and what becomes of late posts."""
    require(who.role, Action.PUBLISH)
    form = await forms.read(request)
    places = slots.parse(form.text("slots"))
    held = await _held(perch, who, public_id)
    async with perch.db.write() as session:
        account = await queries.account_with_id(session, held.id)
        late = MissedPolicy.ASK if form.text("late") == MissedPolicy.ASK else MissedPolicy.SEND
        await preferring.prefer(session, account, zone_name=form.text("zone").strip(), missed=late)
        await slots.replace(session, account.id, places)
    return RedirectResponse("/accounts", status_code=303)


@router.get("/accounts/{public_id}/disconnect")
async def ask(public_id: str, request: Request, perch: Composition, who: Signed, frame: Framed) -> Response:
    """What disconnecting would do."""
    require(who.role, Action.CONNECT)
    account = await _held(perch, who, public_id)
    async with perch.db.read() as session:
        waiting = await posts.waiting(session, who.workspace_id)
    view = DisconnectView(faces.of_view(account, perch.settings), _waiting(waiting.get(account.id, 0)))
    return page(request, "disconnect.html", frame, view)


@router.post("/accounts/{public_id}/disconnect")
async def disconnect(public_id: str, perch: Composition, who: Signed) -> Response:
    """Wipe its tokens here and revoke them on X."""
    require(who.role, Action.CONNECT)
    await _held(perch, who, public_id)
    await disconnecting.disconnect(
        perch.db.write, perch.clock, perch.sealer, perch.clients, who.workspace_id, public_id
    )
    return RedirectResponse("/accounts", status_code=303)


async def _held(perch: Perch, who: Visitor, public_id: str) -> AccountView:
    async with perch.db.read() as session:
        held = await queries.accounts_of(session, who.workspace_id, perch.clock.now())
    for account in held:
        if account.public_id == public_id:
            return account
    raise NotHere("There is no such account here.", fix="Look at the list of accounts.")


def _view(
    who: Visitor,
    held: Sequence[AccountView],
    places: Mapping[int, str],
    settings: Settings,
    now: datetime,
) -> AccountsView:
    return AccountsView(
        accounts=tuple(_row(account, places[account.id], settings, now) for account in held),
        can_connect=may(who.role, Action.CONNECT),
        can_schedule=may(who.role, Action.PUBLISH),
        ways=ways.to_connect(settings),
    )


_STANDSTILL = {
    PauseReason.CREDITS: "paused: the X app may not spend",
    PauseReason.LOGIN: "paused: it has to sign in again",
    PauseReason.APP: "paused: X refuses the X app",
    PauseReason.ACCOUNT: "paused: X has locked or suspended it",
}


def _sending(account: AccountView, now: datetime) -> str:
    """Why nothing goes out from it just now; empty while everything does."""
    if account.paused_reason:
        return _STANDSTILL.get(PauseReason(account.paused_reason), "paused")
    if account.rests_until and account.rests_until > now:
        clock = wall(account.zone, now)
        return f"X’s rate limit: waits until {clock.moment(account.rests_until)}"
    return ""


def _row(account: AccountView, slots_in_words: str, settings: Settings, now: datetime) -> Row:
    return Row(
        face=faces.of_view(account, settings),
        health=_HEALTH[account.health],
        is_connected=account.health is not Health.DISCONNECTED,
        trouble=_trouble(account),
        may=_in_words(account.scope),
        missing=_in_words(account.missing_scopes),
        sending=_sending(account, now),
        token=_token(account, now),
        zone=account.zone,
        slots=slots_in_words,
        asks_when_late=account.missed_policy == MissedPolicy.ASK,
        reconnect_href=ways.to_reconnect(account.public_id, account.app_kind),
    )


def _trouble(account: AccountView) -> Trouble | None:
    if account.health is Health.RECONNECT:
        return Trouble(
            f"X has ended this sign-in, so nothing can be sent from @{account.username}.",
            "Sign in again; what waits goes out after that.",
        )
    if account.health is Health.EXPIRING:
        return Trouble(
            f"X has not renewed this sign-in for five months and forgets it after six: @{account.username}.",
            "Sign in again before that; nothing that waits is lost.",
        )
    if account.warnings:
        return Trouble(" ".join(account.warnings), "Sign in again and allow everything X asks about.")
    return None


def _token(account: AccountView, now: datetime) -> str:
    if account.expires_at is None:
        return "none: Perch holds nothing of this account's"
    left = (account.expires_at - now).total_seconds()
    if "offline.access" in account.scope:
        return (
            f"renewed by itself; the present one is good for {in_words(left)}"
            if left > 0
            else "renewed when needed"
        )
    return f"ends in {in_words(left)}" if left > 0 else "has ended"


def _in_words(scopes: Sequence[str]) -> str:
    return ", ".join(_MAY.get(scope, scope) for scope in scopes)


def _waiting(count: int) -> str:
    if not count:
        return "No post is waiting to be sent from it."
    posts_wait = "1 post waits" if count == 1 else f"{count} posts wait"
    return f"{posts_wait} to be sent from it: they stay here, paused, until it is connected again."

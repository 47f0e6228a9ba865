"""A client and a good access token for an account: used while fresh, renewed once when not."""

from dataclasses import dataclass, field
from typing import assert_never

from perch.accounts import queries
from perch.accounts.clients import XClients
from perch.accounts.errors import AppBroken, ReconnectNeeded, XUnavailable
from perch.accounts.freshness import GiveUp, Hold, Renew, Standing, Use, Wait, judge
from perch.accounts.grants import open_access
from perch.accounts.models import RefreshState
from perch.accounts.refreshing import Held, refresh
from perch.clock import Clock
from perch.db import Database
from perch.people.errors import NotHere
from perch.seal import SealBroken, Sealer
from perch.x.client import XClient
from perch.x.errors import AppMisconfigured, XError
from perch.x.wire import Bearer

_LOOK_EVERY = 0.05  # seconds, while another task or process refreshes


@dataclass(frozen=True, slots=True)
class Ready:
    """The way to X for one account: send operations through ``client`` with ``bearer``."""

    client: XClient
    bearer: Bearer = field(repr=False)
    account_public_id: str
    x_user_id: str
    username: str


async def client_for(db: Database, clock: Clock, sealer: Sealer, clients: XClients, account_id: int) -> Ready:
    """A token good for a call, renewed first when it is about to expire.

    However many ask at once in however many processes, X sees one refresh. Raises ReconnectNeeded,
    AppBroken, XUnavailable, NotHere.
    """
    return await _ready(db, clock, sealer, clients, account_id, refused=None)


async def refresh_after_401(
    db: Database, clock: Clock, sealer: Sealer, clients: XClients, account_id: int, refused: Bearer
) -> Ready:
    """Another token than the one X refused: a sibling's, or a renewed one. Raises as ``client_for``."""
    return await _ready(db, clock, sealer, clients, account_id, refused=refused)


async def _ready(
    db: Database, clock: Clock, sealer: Sealer, clients: XClients, account_id: int, refused: Bearer | None
) -> Ready:
    failed: XError | None = None
    while True:
        held = await _read(db, account_id)
        auth = _open(sealer, held)
        match judge(_standing(held, is_refused=auth == refused), clock.now()):
            case Use():
                account = held.account
                return Ready(
                    clients.for_app(held.app), auth, account.public_id, account.x_user_id, account.username
                )
            case Renew():
                failed = await clients.finish(_refresh(db, clock, sealer, clients, held))
            case Wait():
                await clock.sleep(_LOOK_EVERY)
            case Hold():
                raise _failure(failed)
            case GiveUp(why=why):
                raise ReconnectNeeded(held.account.username, why) from failed
            case never:
                assert_never(never)


async def _read(db: Database, account_id: int) -> Held:
    async with db.read() as session:
        found = await queries.tokens_of(session, account_id)
    if found is None:
        raise NotHere("There is no such account.")
    account, app, grant = found
    if grant is None:
        raise ReconnectNeeded(account.username, "it was disconnected")
    return Held(account, app, grant)


def _open(sealer: Sealer, held: Held) -> Bearer:
    grant, account = held.grant, held.account
    try:
        return open_access(sealer, grant.public_id, account.public_id, grant.access_token_sealed)
    except SealBroken as error:
        raise ReconnectNeeded(account.username, "its stored login cannot be opened") from error


async def _refresh(
    db: Database, clock: Clock, sealer: Sealer, clients: XClients, held: Held
) -> XError | None:
    try:
        return await refresh(db, clock, sealer, clients, held)
    except SealBroken as error:
        raise ReconnectNeeded(held.account.username, "its stored login cannot be opened") from error


def _standing(held: Held, *, is_refused: bool) -> Standing:
    grant = held.grant
    return Standing(
        state=RefreshState(grant.refresh_state),
        refreshable=grant.refresh_token_sealed is not None,
        expires_at=grant.expires_at,
        rotated_at=grant.rotated_at,
        until=grant.refresh_until,
        refused=is_refused,
    )


def _failure(failed: XError | None) -> XError:
    match failed:
        case None:
            return XUnavailable(
                "X's login service gave no answer a moment ago.", fix="Try again in a minute."
            )
        case AppMisconfigured():
            return AppBroken.because(failed)
        case _:
            return XUnavailable.because(failed)

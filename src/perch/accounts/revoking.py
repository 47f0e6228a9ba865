"""Tokens that shall be worthless on X: queued with what ended them, tried until X has confirmed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts import queries
from perch.accounts.apps import credentials
from perch.accounts.clients import XClients
from perch.accounts.models import Revocation, XApp
from perch.clock import Clock
from perch.db import Transactions, new_public_id
from perch.jobs import Committer
from perch.seal import Place, SealBroken, Sealer
from perch.x.errors import GrantLost, XError
from perch.x.oauth2 import RevokeToken

log = structlog.get_logger(__name__)
REFRESH, ACCESS = "refresh_token", "access_token"
_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=6)
_GIVEN_UP_AFTER = timedelta(days=7)
_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Worthless:
    """A token to end, and what kind it is (RFC 7009 section 2.1)."""

    token: str = field(repr=False)
    hint: str


@dataclass(frozen=True, slots=True)
class Orphan:
    """A pair that came when its account had been disconnected, as rows of the queue."""

    account_id: int
    rows: Sequence[dict[str, object]] = field(repr=False)


def rows(
    sealer: Sealer, now: datetime, app_id: int, account: str, tokens: Sequence[Worthless]
) -> list[dict[str, object]]:
    """What the queue keeps of these tokens; ``account`` is a public id. Refresh tokens come first."""
    return [
        _row(sealer, now, app_id, account, token)
        for token in sorted(tokens, key=lambda token: token.hint != REFRESH)
    ]


async def queue_orphans(session: AsyncSession, orphans: Sequence[Orphan]) -> list[bool]:
    """A step: queues what belongs to accounts that are disconnected.

    After a new consent there is nothing to do: it has ended the older grant, and must not be ended too.
    """
    ended = await queries.without_grant(session, [orphan.account_id for orphan in orphans])
    await queries.queue_revocations(
        session, [row for orphan in orphans if orphan.account_id in ended for row in orphan.rows]
    )
    return [orphan.account_id in ended for orphan in orphans]


async def queue_orphan(
    committer: Committer, sealer: Sealer, now: datetime, app_id: int, account: tuple[int, str], refresh: str
) -> None:
    """A refresh token that was won for an account, given by both its ids, which may be gone meanwhile."""
    account_id, public_id = account
    waiting = rows(sealer, now, app_id, public_id, [Worthless(refresh, REFRESH)])
    await committer.commit(queue_orphans, Orphan(account_id, waiting))


async def attempt(
    transactions: Transactions, clock: Clock, sealer: Sealer, clients: XClients, account: str
) -> bool:
    """Try an account's queue now; True when X has confirmed all of it."""
    async with transactions() as session:
        waiting = await queries.revocations_of(session, account)
    confirmed = [await _revoke(transactions, clock, sealer, clients, *one) for one in waiting]
    return bool(confirmed) and all(confirmed)


async def sweep(transactions: Transactions, clock: Clock, sealer: Sealer, clients: XClients) -> None:
    """Try again what X has not confirmed yet."""
    async with transactions() as session:
        waiting = await queries.revocations_due(session, clock.now(), _AT_ONCE)
    for one in waiting:
        await _revoke(transactions, clock, sealer, clients, *one)


async def _revoke(
    transactions: Transactions,
    clock: Clock,
    sealer: Sealer,
    clients: XClients,
    revocation: Revocation,
    app: XApp,
) -> bool:
    """Whether X has confirmed it. One that cannot be opened any more is given up."""
    failed = await _send(sealer, clients, revocation, app)
    async with transactions() as session:
        if failed is None:
            await queries.drop_revocation(session, revocation.id)
            return True
        log.warning("token_not_revoked", account=revocation.account_public_id, error=failed)
        now = clock.now()
        if failed == SealBroken.code or now - revocation.created_at > _GIVEN_UP_AFTER:
            await queries.drop_revocation(session, revocation.id)
            log.error("token_revocation_given_up", account=revocation.account_public_id)
        else:
            await queries.put_off_revocation(session, revocation.id, now + _wait(revocation.tries))
    return False


async def _send(sealer: Sealer, clients: XClients, revocation: Revocation, app: XApp) -> str | None:
    """The code of what went wrong."""
    try:
        token = sealer.open(
            revocation.token_sealed, place(revocation.public_id, revocation.account_public_id)
        )
        asking = RevokeToken(credentials(sealer, app), token, revocation.hint)
        await clients.for_app(app).send(asking, deadline=clients.deadline)
    except GrantLost:
        return None  # X no longer knows it: nothing is left to end
    except (XError, SealBroken) as error:
        return error.code
    return None


def _wait(tries: int) -> timedelta:
    return min(_FIRST_WAIT * (1 << min(tries, 20)), _LONGEST_WAIT)


def _row(sealer: Sealer, now: datetime, app_id: int, account: str, token: Worthless) -> dict[str, object]:
    public_id = new_public_id()
    return {
        "public_id": public_id, "app_id": app_id, "account_public_id": account,
        "token_sealed": sealer.seal(token.token, place(public_id, account)), "hint": token.hint,
        "tries": 0, "try_at": now + _FIRST_WAIT, "created_at": now,
    }  # fmt: skip


def place(revocation: str, account: str) -> Place:
    """Where a waiting token is sealed to."""
    return Place(table="revocation", column="token_sealed", row=revocation, owner=account)

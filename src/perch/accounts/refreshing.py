"""One refresh of one grant: claimed, sent, sealed and committed before anybody uses the new pair.

X takes a refresh token once (RFC 9700 section 4.14.2), so across all processes one refresh of a grant may
be in flight. An answer that got lost leaves the grant ``unknown``; only X's own 400 makes it ``dead``.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import DBAPIError

from perch.accounts import queries
from perch.accounts.apps import credentials
from perch.accounts.clients import XClients
from perch.accounts.freshness import is_uncertain
from perch.accounts.grants import SealedPair, open_refresh, seal_pair
from perch.accounts.models import Grant, RefreshState, XAccount, XApp
from perch.clock import Clock
from perch.db import Database
from perch.seal import Sealer
from perch.x.errors import GrantLost, RateLimited, Unconfirmed, XError
from perch.x.oauth2 import RefreshGrant, TokenPair

log = structlog.get_logger(__name__)
_LEASE_DEADLINES = 1.5
"""A claim outlives its request's deadline by enough to seal and store the pair."""
_HOLD_DEADLINES = 1.0
"""The pause after a refresh without an answer, so that nobody hammers a struggling X."""


@dataclass(frozen=True, slots=True)
class Held:
    """An account's tokens as one read found them."""

    account: XAccount
    app: XApp
    grant: Grant


async def refresh(db: Database, clock: Clock, sealer: Sealer, clients: XClients, held: Held) -> XError | None:
    """Renew the pair unless somebody else is at it; X's error when there is no new pair.

    Whatever comes of it is in the row: read that again. Raises SealBroken, sending nothing.
    """
    asking = _asking(sealer, held)
    owner = secrets.token_hex(8)
    async with db.write() as session:
        until = clock.now() + timedelta(seconds=_LEASE_DEADLINES * clients.deadline)
        if not await queries.claim_refresh(session, held.grant, owner, until):
            return None
    try:
        reply = await clients.for_app(held.app).send(asking, deadline=clients.deadline)
    except XError as error:
        hold_until = clock.now() + timedelta(seconds=_HOLD_DEADLINES * clients.deadline)
        await _settle(db, held, owner, error, hold_until)
        return error
    await _store(db, clock, sealer, held, reply.result)
    return None


def _asking(sealer: Sealer, held: Held) -> RefreshGrant:
    sealed = held.grant.refresh_token_sealed
    assert sealed is not None, "a grant without a refresh token is never renewed"
    token = open_refresh(sealer, held.grant.public_id, held.account.public_id, sealed)
    return RefreshGrant(credentials(sealer, held.app), token)


async def _settle(db: Database, held: Held, owner: str, error: XError, hold_until: datetime) -> None:
    state, hold_until = _after(error, RefreshState(held.grant.refresh_state), hold_until)
    async with db.write() as session:
        await queries.settle_refresh(session, held.grant, owner, state, hold_until)
    log.warning("grant_not_renewed", account=held.account.public_id, state=state.value, error=error.code)


def _after(error: XError, before: RefreshState, hold_until: datetime) -> tuple[RefreshState, datetime]:
    """The grant's state, and until when nobody asks again."""
    match error:
        case GrantLost():
            return RefreshState.DEAD, hold_until
        case Unconfirmed():
            return RefreshState.UNKNOWN, hold_until
        case RateLimited(resets_at=resets_at) if resets_at is not None:
            hold_until = max(resets_at, hold_until)
    # X has not looked at this refresh token, but an earlier answer may still be the lost one.
    return RefreshState.UNKNOWN if is_uncertain(before) else RefreshState.IDLE, hold_until


async def _store(db: Database, clock: Clock, sealer: Sealer, held: Held, pair: TokenPair) -> None:
    grant = held.grant
    sealed = seal_pair(
        sealer, grant.public_id, held.account.public_id, pair, clock.now(), keep=grant.refresh_token_sealed
    )
    scope = " ".join(pair.scope) or grant.scope
    for wait in (0.1, 0.5, 2.0):
        try:
            await _commit(db, held, scope, sealed)
        except DBAPIError as error:
            # Nobody else knows this pair: a database that is busy or full for a moment must not cost it.
            # Only the error's kind is logged, since its text quotes the statement with what it stores.
            log.warning("pair_not_stored", account=held.account.public_id, error=type(error.orig).__name__)
            await clock.sleep(wait)
        else:
            return
    await _commit(db, held, scope, sealed)


async def _commit(db: Database, held: Held, scope: str, sealed: SealedPair) -> None:
    async with db.write() as session:
        stored = await queries.store_pair(session, held.grant, scope, sealed)
    log.info("grant_renewed" if stored else "grant_replaced_meanwhile", account=held.account.public_id)

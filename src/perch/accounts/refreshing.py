"""One refresh of one grant: claimed, sent, sealed and committed before anybody uses the new pair.

X takes a refresh token once (RFC 9700 section 4.14.2), so across all processes one refresh of a grant may
be in flight. An answer that got lost leaves the grant ``unknown``; only X's own 400 makes it ``dead``.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, repeat

import structlog

from perch.accounts import revoking, steps
from perch.accounts.apps import credentials
from perch.accounts.clients import XClients
from perch.accounts.freshness import is_uncertain
from perch.accounts.grants import Held, open_access, open_refresh, seal_pair
from perch.accounts.models import RefreshState
from perch.clock import Clock
from perch.jobs import Committer
from perch.seal import Sealer
from perch.x.client import XClient
from perch.x.errors import GrantLost, RateLimited, Unconfirmed, XError
from perch.x.oauth2 import Client, RefreshGrant, RevokeToken, TokenPair

log = structlog.get_logger(__name__)
_LEASE_DEADLINES = 1.5
"""A claim outlives its request's deadline by enough to seal and store the pair."""
_PATIENCE_DEADLINES = 0.5
"""A request that was not begun by then is not begun any more: the claim would end before its answer."""
_REVOKE_DEADLINES = 0.3
_HOLD_DEADLINES = 1.0
"""The pause after a refresh without an answer, so that nobody hammers a struggling X."""
_STORING_WAITS = (0.1, 0.5, 2.0)
_STORING_TRIES = 120


class _Overslept(Exception):
    """The process was stopped between its claim and the socket; nothing was written."""


@dataclass(frozen=True, slots=True)
class Refresher:
    """Renews grants. ``revokes_first`` gives X the old access token back before it asks for a new one."""

    clock: Clock
    sealer: Sealer
    clients: XClients
    committer: Committer
    revokes_first: bool = False
    _under_way: dict[str, asyncio.Task[XError | None]] = field(default_factory=dict)

    async def refresh(self, held: Held, *, refused: bool = False) -> XError | None:
        """Renew the pair, or wait for whoever is at it here; X's error when there is no new pair.

        Whatever comes of it is in the row: read that again. Raises SealBroken and AppAbsent, sending nothing.
        """
        under_way = self._under_way.get(held.grant)
        if under_way is None:
            under_way = asyncio.create_task(self._refresh(held, refused))
            self._under_way[held.grant] = under_way
            under_way.add_done_callback(lambda _task: self._under_way.pop(held.grant))
        return await self.clients.finish(under_way)

    async def _refresh(self, held: Held, refused: bool) -> XError | None:
        asking = self._asking(held)
        client = self.clients.for_app(held.app)
        began = self.clock.elapsed()
        claim = steps.ClaimRefresh(held, self._in_deadlines(_LEASE_DEADLINES))
        owner = await self.committer.commit(steps.claim_refresh, claim)
        if owner is None:
            return None
        if self.revokes_first and not refused:
            await self._revoke_access(client, asking.client, held)
        try:
            pair = await self._ask(client, asking, began)
        except _Overslept:
            await self._settle(held, owner, RefreshState(held.state), None)
            return None
        except XError as error:
            await self._failed(held, owner, error)
            return error
        await self._store(held, pair, refused=refused)
        return None

    def _asking(self, held: Held) -> RefreshGrant:
        sealed = held.refresh_token_sealed
        assert sealed is not None, "a grant without a refresh token is never renewed"
        token = open_refresh(self.sealer, held.grant, held.account, sealed)
        return RefreshGrant(credentials(self.sealer, held.app), token)

    async def _ask(self, client: XClient, asking: RefreshGrant, began: float) -> TokenPair:
        patience = _PATIENCE_DEADLINES * self.clients.deadline

        def in_time() -> None:
            if self.clock.elapsed() - began > patience:
                raise _Overslept

        reply = await client.send(asking, deadline=self.clients.deadline, before_write=in_time)
        return reply.result

    async def _revoke_access(self, client: XClient, app: Client, held: Held) -> None:
        """Best effort, of a token that still works: one that has expired is worthless already."""
        if held.expires_at <= self.clock.now():
            return
        access = open_access(self.sealer, held.grant, held.account, held.access_token_sealed).token
        deadline = _REVOKE_DEADLINES * self.clients.deadline
        try:
            await client.send(RevokeToken(app, access, "access_token"), deadline=deadline)
        except XError as error:
            log.warning("access_token_not_revoked", account=held.account, error=error.code)
        else:
            log.info("access_token_revoked_before_refresh", account=held.account)

    async def _failed(self, held: Held, owner: str, error: XError) -> None:
        state, hold_until = _after(error, RefreshState(held.state), self._in_deadlines(_HOLD_DEADLINES))
        await self._settle(held, owner, state, hold_until)
        log.warning("grant_not_renewed", account=held.account, state=state.value, error=error.code)

    async def _settle(self, held: Held, owner: str, state: RefreshState, hold_until: datetime | None) -> None:
        settling = steps.SettleRefresh(held, owner, state, hold_until)
        await self.committer.commit(steps.settle_refresh, settling)

    def _in_deadlines(self, deadlines: float) -> datetime:
        return self.clock.now() + timedelta(seconds=deadlines * self.clients.deadline)

    async def _store(self, held: Held, pair: TokenPair, *, refused: bool) -> None:
        """Nobody else knows this pair: a database that is busy, full or away for minutes must not cost it."""
        sealed = seal_pair(
            self.sealer, held.grant, held.account, pair, self.clock.now(), keep=held.refresh_token_sealed
        )
        storing = steps.StorePair(held, " ".join(pair.scope) or held.scope, sealed, keeps_refusals=refused)
        for wait in _waits():
            try:
                stored = await self.committer.commit(steps.store_pair, storing)
            except Exception as error:
                if wait is None:
                    raise
                # Only the error's kind is logged, since its text may quote what was to be stored.
                log.warning("pair_not_stored", account=held.account, error=type(error).__name__)
                await self.clock.sleep(wait)
            else:
                break
        log.info("grant_renewed" if stored else "grant_replaced_meanwhile", account=held.account)
        if not stored and pair.refresh_token:
            await revoking.queue_orphan(
                self.committer, self.sealer, self.clock.now(), held.app.id,
                (held.account_id, held.account), pair.refresh_token,
            )  # fmt: skip


def _waits() -> Iterator[float | None]:
    """Some minutes of tries; None is the last one."""
    longest = _STORING_WAITS[-1]
    return chain(_STORING_WAITS, repeat(longest, _STORING_TRIES), (None,))


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

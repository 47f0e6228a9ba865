"""Jobs of this room: what logins need now and then, beside whatever else the process does."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts import queries, revoking
from perch.accounts.tokens import Keyring

log = structlog.get_logger(__name__)
AHEAD = timedelta(hours=2)
"""Logins that somebody needs within this time are renewed before they are needed."""
IDLE = timedelta(days=60)
"""X forgets a refresh token after about half a year without use, so an idle one is renewed meanwhile."""
_IDLE_AT_ONCE = 50

Needed = Callable[[AsyncSession, datetime], Awaitable[Sequence[int]]]
"""The accounts that have something to send by then, the earliest first."""


@dataclass(slots=True)
class Upkeep:
    """Renews ahead, keeps idle logins alive, and ends what shall be worthless on X.

    Every ``every`` seconds, beside the sweeps: an X that answers slowly holds nobody up.
    """

    keyring: Keyring
    needed: Needed
    every: float
    is_stopping: Callable[[], bool] = lambda: False
    _next: float = 0.0
    _turn: asyncio.Task[None] | None = field(default=None)

    async def sweep(self) -> None:
        """Begin a turn when it is time for one and the last one has ended."""
        elapsed = self.keyring.refresher.clock.elapsed()
        if elapsed < self._next or (self._turn is not None and not self._turn.done()):
            return
        self._next = elapsed + self.every
        self._turn = asyncio.create_task(self.keyring.refresher.clients.finish(self.turn()))
        self._turn.add_done_callback(_report)

    async def turn(self) -> None:
        """All three, once."""
        refresher, db = self.keyring.refresher, self.keyring.db
        now = refresher.clock.now()
        async with db.read() as session:
            needed = await self.needed(session, now + AHEAD)
            idle = await queries.idle_grants(session, now - IDLE, now, _IDLE_AT_ONCE)
        await self.keyring.renew_ahead([*needed, *idle], self.is_stopping)
        await revoking.sweep(db.write, refresher.clock, refresher.sealer, refresher.clients)


def _report(turn: asyncio.Task[None]) -> None:
    if not turn.cancelled() and (error := turn.exception()) is not None:
        log.error("upkeep_failed", exc_info=error)

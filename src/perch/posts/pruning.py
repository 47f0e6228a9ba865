"""Rows that nobody will ask for again go, once a day."""

from dataclasses import dataclass, field

from perch.clock import Clock
from perch.db import Database
from perch.posts import repeats

_EVERY = 86400.0
_SOON = 60.0
"""Seconds after the start, when there is more urgent work."""


@dataclass
class Pruning:
    """Turns with the sweeps, and does something in one of them a day."""

    db: Database
    clock: Clock
    _next_at: float | None = field(default=None, init=False)

    async def sweep(self) -> None:
        now = self.clock.elapsed()
        if self._next_at is None:
            self._next_at = now + _SOON
        if now >= self._next_at:
            self._next_at = now + _EVERY
            async with self.db.write() as session:
                await repeats.forget_expired(session, self.clock.now())

"""Telling everybody that nothing is sent because the clock jumped."""

from dataclasses import dataclass, field

from perch.clock import Clock
from perch.db import Database
from perch.jobs.clocks import ClockGuard
from perch.notices.telling import News, mended, tell

_KIND = "clock"


@dataclass
class ClockNews:
    """Turns the guard's clock with the engine, and tells what it finds."""

    db: Database
    clock: Clock
    guard: ClockGuard
    host: str
    _is_told: bool | None = field(default=None, init=False)

    async def tick(self) -> None:
        await self.guard.tick()
        is_held = self.guard.held_since is not None
        if is_held == self._is_told:
            return
        async with self.db.write() as session:
            if is_held:
                await tell(session, [self._news()], self.clock.now())
            else:
                await mended(session, [self._cause], self.clock.now())
        self._is_told = is_held

    @property
    def _cause(self) -> str:
        return f"{_KIND}:{self.host}"

    def _news(self) -> News:
        return News(
            cause=self._cause,
            kind=_KIND,
            sentence=f"The clock of {self.host} jumped, so it sends nothing until it agrees with X's clock.",
            fix="Set the clock, best by NTP. Sending goes on by itself.",
        )

"""Whether the wall clock can be believed.

A wall clock that is set forward by a month makes a month of posts due at once. The elapsed clock cannot be
set, so two readings of both tell a jump from time that passed; after one, nothing is sent until the clocks
agree again and X's own time is near.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from perch.clock import Clock

log = structlog.get_logger(__name__)
_STEADY_TICKS = 2
_AT_ONCE = 0.05
_SLACK = timedelta(seconds=5)
"""A Date header has whole seconds and comes late by the length of a call."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One reading of both clocks."""

    wall: datetime
    elapsed: float


def jumped(before: Tick, after: Tick) -> timedelta:
    """By how much the wall clock moved beyond the time that passed; negative when it was set back."""
    return after.wall - before.wall - timedelta(seconds=after.elapsed - before.elapsed)


def agree(ours: datetime, theirs: datetime | None, tolerance: timedelta) -> bool:
    """Whether X's time is near; a time that nobody told is not."""
    return theirs is not None and abs(ours - theirs) <= tolerance + _SLACK


class ClockGuard:
    """Holds dispatch from a jump of the wall clock until it can be believed again.

    ``their_time`` asks X what time it is, and answers None when X says nothing.
    """

    def __init__(
        self, clock: Clock, most: float, their_time: Callable[[], Awaitable[datetime | None]]
    ) -> None:
        self._clock = clock
        self._most = timedelta(seconds=most)
        self._their_time = their_time
        self._last = self._read()
        self._steady = 0
        self._jumped_at: float | None = None
        self.held_since: datetime | None = None

    def may_dispatch(self) -> bool:
        """Read both clocks, here and now: a jump must not be overtaken by what it makes due."""
        before, self._last = self._last, self._read()
        jump = jumped(before, self._last)
        if abs(jump) > self._most:
            self._steady = 0
            self._jumped_at = self._last.elapsed
            if self.held_since is None:
                self.held_since = self._last.wall
                log.error("clock_jumped", seconds=round(jump.total_seconds()))
        return self.held_since is None

    def is_right(self, seconds: float, theirs: datetime | None) -> bool:
        """Whether what was written down that long ago by this clock can be reckoned with today.

        ``theirs`` is X's time of this moment: a clock that has been wrong all the while never jumps.
        """
        if not self.may_dispatch() or not agree(self._last.wall, theirs, self._most):
            return False
        return self._jumped_at is None or self._last.elapsed - self._jumped_at >= seconds

    async def tick(self) -> None:
        """One turn, with each sweep: a held clock is believed when it runs steadily and X agrees."""
        if self.may_dispatch():
            return
        self._steady += 1
        if self._steady <= _STEADY_TICKS:
            return
        if agree(self._clock.now(), await self._their_time(), self._most) and self._steady:
            self.held_since = None
            log.warning("clock_believed_again")

    def _read(self) -> Tick:
        while True:
            before, wall, after = self._clock.elapsed(), self._clock.now(), self._clock.elapsed()
            if after - before < _AT_ONCE:  # who was stopped between two readings would see a jump
                return Tick(wall, after)

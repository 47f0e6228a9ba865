"""Time: the only file that asks the operating system for it."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the rooms know of time. Tests move a clock of their own by hand."""

    def now(self) -> datetime:
        """The wall clock, aware and in UTC."""
        ...

    def elapsed(self) -> float:
        """Seconds since an arbitrary start; goes on while the machine sleeps, never jumps."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def elapsed(self) -> float:
        # CLOCK_BOOTTIME counts suspended time too, so a lid that was closed cannot hide a passed deadline.
        clock_id = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
        return time.clock_gettime(clock_id)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

"""Time: the only file that asks the operating system for it, and the rules of the world's zones.

The zones are those of the ``tzdata`` package and not the machine's own: all machines of a Perch agree.
"""

import asyncio
import re
import time
from datetime import UTC, datetime
from functools import cache
from importlib import metadata, resources
from typing import Protocol
from zoneinfo import ZoneInfo

from perch.errors import PerchError

_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*", re.ASCII)


class UnknownZone(PerchError):
    """No IANA time zone has this name."""

    code = "unknown_zone"
    status = 422


def zone(name: str) -> ZoneInfo:
    """The zone of this IANA name, which may come from anywhere. Raises UnknownZone."""
    found = _zone(name) if _ZONE.fullmatch(name) else None
    if found is None:
        raise UnknownZone(
            f"There is no time zone {name[:60]!r}.", fix="Write it as IANA does, such as Europe/Berlin."
        )
    return found


def zone_rules() -> str:
    """Which edition of the world's rules is installed."""
    return metadata.version("tzdata")


@cache
def _zone(name: str) -> ZoneInfo | None:
    # Zones from files of our own choice are not in zoneinfo's cache, and must be equal to themselves.
    path = resources.files("tzdata") / "zoneinfo" / name
    try:
        with path.open("rb") as file:
            return ZoneInfo.from_file(file, key=name)
    except (OSError, ValueError):
        return None


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

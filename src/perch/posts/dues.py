"""When a post is to be due, as somebody says it, and the instant that follows."""

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import ceil, floor
from typing import assert_never

from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts.models import XAccount
from perch.clock import Clock
from perch.posts import slots
from perch.posts.errors import WrongTime
from perch.posts.walls import Wall

LONGEST_JITTER = timedelta(hours=2)
_LATE = timedelta(minutes=1)  # a request that took a moment to arrive still means now
_HORIZON = timedelta(days=731)


@dataclass(frozen=True, slots=True)
class AtWall:
    """A reading of the wall clock in a zone; without one, in the account's."""

    local: datetime
    zone: str | None = None
    fold: int = 0


@dataclass(frozen=True, slots=True)
class NextFreeSlot:
    """The account's next slot that no post has."""


When = datetime | AtWall | NextFreeSlot
"""An instant stays that instant; a reading follows the rules of its zone."""


@dataclass(frozen=True, slots=True)
class Due:
    """The instant, the reading that it stands for, and how far it was moved by chance.

    ``wall`` is None for an instant that was named as such.
    """

    at: datetime
    wall: Wall | None = None
    jitter_s: int = 0

    @property
    def shift(self) -> str | None:
        """A sentence when the clock skips the reading, None when it does not."""
        if self.wall is None or not self.wall.skipped:
            return None
        moved = self.wall.local + self.wall.skipped
        return (
            f"The clocks in {self.wall.zone} are put forward over {self.wall.local:%H:%M} on that day,"
            f" so it is due at {moved:%H:%M}."
        )


async def resolve(session: AsyncSession, clock: Clock, account: XAccount, when: When) -> Due:
    """When that is. Raises WrongTime, NoFreeSlot and UnknownZone."""
    now = clock.now()
    match when:
        case NextFreeSlot():
            wall = await slots.next_free(session, account, now)
        case AtWall(local=local, zone=zone, fold=fold):
            wall = _readable(Wall(local, zone or account.zone, fold))
        case datetime():
            return Due(_within_reach(when, now))
        case _:
            assert_never(when)
    return Due(_within_reach(wall.at, now), wall)


def jittered(due: Due, zone: str, most: timedelta, seed: str, now: datetime) -> Due:
    """Moved by whole seconds to either side, always the same for a seed; never into another local day."""
    reach = int(min(most, LONGEST_JITTER).total_seconds())
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8])
    wanted = number % (2 * reach + 1) - reach
    first, last = _day(due.at, zone)
    earliest = ceil((max(first, now) - due.at).total_seconds())
    latest = floor((last - due.at).total_seconds())
    seconds = max(min(wanted, latest), min(earliest, 0))
    return replace(due, at=due.at + timedelta(seconds=seconds), jitter_s=seconds)


def _day(at: datetime, zone: str) -> tuple[datetime, datetime]:
    """The first and the last second of the local day around an instant."""
    midnight = Wall.read(at, zone).local.replace(hour=0, minute=0, second=0)
    first = Wall(midnight, zone).at
    return first, Wall(midnight + timedelta(days=1), zone).at - timedelta(seconds=1)


def _readable(wall: Wall) -> Wall:
    """Years that a zone cannot be asked about are out of reach anyway."""
    if not 2000 <= wall.local.year <= 9000:
        raise WrongTime("That is no time that a post can be due at.", fix="Check the year.")
    return wall


def _within_reach(at: datetime, now: datetime) -> datetime:
    if at < now - _LATE:
        raise WrongTime("That time has passed.", fix="Name a later one, or “now”.")
    require_soon(at, now)
    return max(at.astimezone(UTC), now)


def require_soon(at: datetime, now: datetime) -> None:
    """Raises WrongTime for what nobody can plan for."""
    if at > now + _HORIZON:
        raise WrongTime("That is more than two years away.", fix="Name an earlier time.", rule="X012")

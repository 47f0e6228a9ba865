"""Readings of a wall clock and the instants they mean. Pure.

A reading that a clock skips (it is put forward) means the instant as far after the skip as the reading lies
in it: 02:30 becomes 03:30, never earlier. One that comes twice (it is put back) means the first, unless the
second is asked for with ``fold`` 1.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from perch.clock import zone


@dataclass(frozen=True, slots=True)
class Wall:
    """What the clock on a wall in ``zone`` shows. ``local`` has no zone of its own, and no seconds' parts."""

    local: datetime
    zone: str
    fold: int = 0

    @classmethod
    def read(cls, at: datetime, zone_name: str) -> "Wall":
        """What the clock shows at an instant."""
        shown = at.astimezone(zone(zone_name))
        return cls(shown.replace(tzinfo=None, fold=0, microsecond=0), zone_name, shown.fold)

    @property
    def at(self) -> datetime:
        """The instant, in UTC. Raises UnknownZone."""
        asked = self._in_zone(self.fold)
        return asked if self._shown(asked) == self.local else self._in_zone(0)

    @property
    def skipped(self) -> timedelta:
        """By how much the reading moved, because the clock skips it; usually not at all."""
        return self._shown(self.at) - self.local

    @property
    def iso(self) -> str:
        """As it is kept: ``2026-12-01T09:00:00``."""
        return self.local.isoformat(timespec="seconds")

    def _in_zone(self, fold: int) -> datetime:
        return self.local.replace(tzinfo=zone(self.zone), fold=fold).astimezone(UTC)

    def _shown(self, at: datetime) -> datetime:
        return at.astimezone(zone(self.zone)).replace(tzinfo=None, fold=0)


def kept(local: str, zone_name: str, fold: int) -> Wall:
    """A reading as a row keeps it."""
    return Wall(datetime.fromisoformat(local), zone_name, fold)

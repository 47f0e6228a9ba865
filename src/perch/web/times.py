"""Instants as people read them, in the zone where they live. Pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from perch.clock import UnknownZone, zone


@dataclass(frozen=True, slots=True)
class Wall:
    """A wall clock: turns instants into local words."""

    zone: ZoneInfo
    today: date

    def day(self, at: datetime) -> str:
        """``Mon 23 Nov``, with a word for today and the year when it is another one."""
        local = at.astimezone(self.zone).date()
        label = f"{local:%a} {local.day} {local:%b}"
        if local.year != self.today.year:
            label = f"{label} {local.year}"
        return f"Today, {label}" if local == self.today else label

    def minute(self, at: datetime) -> str:
        return f"{at.astimezone(self.zone):%H:%M}"

    def second(self, at: datetime) -> str:
        return f"{at.astimezone(self.zone):%H:%M:%S}"

    def moment(self, at: datetime) -> str:
        """The second, and the day too when it is another one."""
        is_today = at.astimezone(self.zone).date() == self.today
        return self.second(at) if is_today else f"{self.second(at)} on {self.day(at)}"

    def reading(self, at: datetime) -> str:
        """For ``<input type=datetime-local>``."""
        return f"{at.astimezone(self.zone):%Y-%m-%dT%H:%M}"

    @property
    def name(self) -> str:
        return self.zone.key


def wall(zone_name: str | None, now: datetime) -> Wall:
    """The clock of a zone; UTC where the zone is unknown."""
    found = known_zone(zone_name)
    return Wall(found, now.astimezone(found).date())


def known_zone(name: str | None) -> ZoneInfo:
    """The zone of this IANA name, else UTC. The name may come from anywhere."""
    try:
        return zone(name or "UTC")
    except UnknownZone:
        return zone("UTC")


def machine(at: datetime) -> str:
    """For ``<time datetime>``."""
    return at.astimezone(UTC).isoformat(timespec="seconds")


def in_words(seconds: float) -> str:
    """A span, rounded to what matters: ``40 s``, ``5 min``, ``2 h``, ``3 days``."""
    for size, word in ((86_400, "day"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            count = round(seconds / size)
            return f"{count} {word}s" if word == "day" and count != 1 else f"{count} {word}"
    return f"{max(0, round(seconds))} s"

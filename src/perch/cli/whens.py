"""When, as people type it: ``now``, ``next``, an ISO time, ``tomorrow 9am``, ``fri 17:30``. Pure."""

import re
from datetime import UTC, datetime, timedelta

from perch.clock import zone
from perch.posts.dues import AtWall, NextFreeSlot, When
from perch.posts.errors import WrongTime
from perch.posts.slots import DAYS

_TIME = re.compile(r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?\s*(?P<half>am|pm)?", re.ASCII)
_EXAMPLE = "Write it like 2026-12-01T09:00, 2026-12-01T09:00+01:00, “tomorrow 9am”, “now” or “next”."


def when(said: str | None, now: datetime, zone_name: str) -> When:
    """What it means; times without an offset are those of the account's zone. Raises WrongTime."""
    match "now" if said is None else said.strip().lower():
        case "now":
            return now
        case "next" | "next-free-slot":
            return NextFreeSlot()
        case words:
            return _iso(words) or _in_words(words, now.astimezone(zone(zone_name)))


def _iso(said: str) -> When | None:
    try:
        found = datetime.fromisoformat(said.upper())
        return found.astimezone(UTC) if found.tzinfo else AtWall(found)
    except (ValueError, OverflowError):
        return None


def _in_words(said: str, here: datetime) -> AtWall:
    """A day and a time. A weekday is the next one that is not today."""
    word, _, clock = said.partition(" ")
    days = {"today": 0, "tomorrow": 1}
    days |= {name: (number - here.weekday() - 1) % 7 + 1 for number, name in enumerate(DAYS)}
    time = _TIME.fullmatch(clock.strip().removeprefix("at "))
    day = days.get(word if word in days else word[:3] if word.endswith("day") else "")
    if day is None or time is None:
        raise WrongTime(f"{said[:40]!r} is not a time.", fix=_EXAMPLE)
    midnight = here.replace(tzinfo=None, fold=0, hour=0, minute=0, second=0, microsecond=0)
    return AtWall(midnight + timedelta(days=day, minutes=_minute(time, said)))


def _minute(time: "re.Match[str]", said: str) -> int:
    hour, minute, half = int(time["hour"]), int(time["minute"] or 0), time["half"]
    is_clear = time["minute"] is not None or half is not None
    if not is_clear or hour > (12 if half else 23) or minute > 59 or (half and not hour):
        raise WrongTime(f"{said[:40]!r} is not a time.", fix=_EXAMPLE)
    return ((hour % 12 + (12 if half == "pm" else 0)) if half else hour) * 60 + minute

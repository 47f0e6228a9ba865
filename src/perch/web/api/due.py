"""When a post is due, as a machine says it; pure."""

import re
from datetime import UTC, datetime

from perch.posts.dues import AtWall, NextFreeSlot, When
from perch.posts.errors import WrongTime
from perch.web.json_bodies import JsonBody

_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(?P<offset>[Zz]|[+-]\d\d:\d\d)?", re.ASCII
)
_EXAMPLE = "Write it like 2026-12-01T09:00:00+01:00, or “now”, or “next-free-slot”."
_WALL_EXAMPLE = "Write it like {“local”: “2026-12-01T09:00”, “zone”: “Europe/Berlin”}."


class LocalTime(JsonBody):
    """What a wall clock shows. Without a zone, in the account's; fold 1 is the second of two equal hours."""

    local: str
    zone: str | None = None
    fold: int = 0


def when(said: str | LocalTime | None, now: datetime) -> When | None:
    """What it means; None for a draft. Instants are RFC 3339. Raises WrongTime."""
    match said:
        case None:
            return None
        case LocalTime():
            return AtWall(_local(said.local), said.zone, 1 if said.fold else 0)
        case "now":
            return now
        case "next-free-slot":
            return NextFreeSlot()
        case _:
            return instant(said, "scheduled_at")


def _local(said: str) -> datetime:
    match = _INSTANT.fullmatch(said)
    if match is None or match["offset"] is not None:
        raise WrongTime("“local” is not a time without an offset.", fix=_WALL_EXAMPLE)
    return _existing(said, _WALL_EXAMPLE).replace(microsecond=0)


def instant(said: str, field: str) -> datetime:
    """An instant of RFC 3339. Raises WrongTime, naming the field."""
    match = _INSTANT.fullmatch(said)
    if match is None:
        raise WrongTime(f"{field} is not an instant that can be read.", fix=_EXAMPLE)
    if match["offset"] is None:
        raise WrongTime(
            f"{field} names no offset from UTC, so it could mean many instants.",
            fix=f"{_EXAMPLE} Or name the zone: {_WALL_EXAMPLE.removeprefix('Write it like ')}",
        )
    return _existing(said, _EXAMPLE)


def _existing(said: str, example: str) -> datetime:
    try:
        found = datetime.fromisoformat(said.upper())
        return found.astimezone(UTC) if found.tzinfo else found
    except (ValueError, OverflowError):
        raise WrongTime(f"{said[:40]} is no date and time that exists.", fix=example) from None

"""When a post is due, as a machine says it; pure."""

import re
from datetime import UTC, datetime, timedelta

from perch.errors import PerchError

NOW = "now"
NEXT_FREE_SLOT = "next-free-slot"
_LATE = timedelta(minutes=1)  # a request that took a moment to arrive still means now
_FARTHEST = timedelta(days=3660)
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(?P<offset>[Zz]|[+-]\d\d:\d\d)?", re.ASCII
)
_EXAMPLE = "Write it like 2026-12-01T09:00:00+01:00, or “now”."


class WrongTime(PerchError):
    """Not an instant that a post can be due at."""

    code = "wrong_time"
    status = 422


class NotYet(PerchError):
    """A part of the contract that this version does not do."""

    code = "not_yet"
    status = 422


def due_at(said: str | None, now: datetime) -> datetime | None:
    """The instant, in UTC; None for a draft. RFC 3339. Raises WrongTime and NotYet."""
    if said is None:
        return None
    if said == NOW:
        return now
    if said == NEXT_FREE_SLOT:
        raise NotYet("This Perch has no slots yet.", fix="Name an instant in scheduled_at, or “now”.")
    return _within_reach(_instant(said), now)


def _instant(said: str) -> datetime:
    match = _INSTANT.fullmatch(said)
    if match is None:
        raise WrongTime("scheduled_at is not an instant that can be read.", fix=_EXAMPLE)
    if match["offset"] is None:
        raise WrongTime(
            "scheduled_at names no offset from UTC, so it could mean many instants.", fix=_EXAMPLE
        )
    try:
        return datetime.fromisoformat(said.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise WrongTime("scheduled_at is no date and time that exists.", fix=_EXAMPLE) from None


def _within_reach(at: datetime, now: datetime) -> datetime:
    if at < now - _LATE:
        raise WrongTime("scheduled_at has passed.", fix="Name a later instant, or “now”.")
    if at > now + _FARTHEST:
        raise WrongTime("scheduled_at is more than ten years away.", fix="Name an earlier instant.")
    return max(at, now)

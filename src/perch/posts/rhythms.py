"""The rule of a recurring post: cron, or words that mean one, read on the wall clock of a zone. Pure.

Every reading that the rule names comes once: one that the clock skips moves forward, and of one that comes
twice the first counts. Two readings that mean the same instant are one occurrence.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice

from cronsim import CronSim, CronSimError

from perch.errors import PerchError
from perch.posts.slots import day_spans
from perch.posts.walls import Wall

_WORDS = re.compile(r"(?P<days>daily|weekdays|weekly on [a-z,]+|[a-z,-]+) (?:at )?(?P<times>[\d:,]+)")
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)
_EXAMPLE = "Write it like “daily 09:00”, “mon,thu 17:30”, or as cron: “30 17 * * 1,4”."
_LONGEST = 100


class WrongRule(PerchError):
    """Words that name no times that come again."""

    code = "wrong_rule"
    status = 422


def compiled(said: str) -> str:
    """The rule as cron with five fields. Raises WrongRule."""
    words = " ".join(said.lower().split())
    match = _WORDS.fullmatch(words)
    rule = _from_words(match) if match else " ".join(said.upper().split())
    if len(rule) > _LONGEST or len(rule.split()) != 5 or _begin(rule, datetime(2026, 1, 1)) is None:  # noqa: DTZ001 - a wall's reading
        raise WrongRule(f"{said[:40]!r} is no rule that can be read.", fix=_EXAMPLE)
    return rule


def readings(rule: str, zone: str, after: Wall | None, since: datetime) -> Iterator[Wall]:
    """What the clock in ``zone`` shows each time: later than the reading ``after``, not before ``since``.

    Ends when the rule names no more times.
    """
    begin = after.local if after else Wall.read(since, zone).local - timedelta(days=1)
    last = after.at if after else None
    for local in CronSim(rule, begin):
        wall = Wall(local, zone)
        if wall.at >= since and (last is None or wall.at > last):
            last = wall.at
            yield wall


def shortest_gap(
    rule: str, zone: str, since: datetime, turns: int, until: datetime | None = None
) -> timedelta | None:
    """The shortest time after which the same one of ``turns`` texts would come again, of the next hundred."""
    coming = islice(readings(rule, zone, None, since), 100 + turns)
    instants = [wall.at for wall in coming if until is None or wall.at <= until]
    gaps = [later - earlier for earlier, later in zip(instants, instants[turns:], strict=False)]
    return min(gaps, default=None)


def _from_words(match: "re.Match[str]") -> str:
    days = match["days"].removeprefix("weekly on ")
    on = {"daily": "*", "weekdays": "1-5"}.get(days) or ",".join(_cron_days(days))
    times = [_TIME.fullmatch(time) for time in match["times"].split(",")]
    clocks = [(int(time[1]), int(time[2])) for time in times if time]
    minutes, hours = {minute for _, minute in clocks}, sorted({hour for hour, _ in clocks})
    if len(clocks) != len(times) or not on:
        return ""
    if len(minutes) > 1:
        raise WrongRule(
            "The times of one rule have the same minutes, such as 09:00,17:00.",
            fix="Make a recurring post for each of the others.",
        )
    return f"{minutes.pop()} {','.join(map(str, hours))} * * {on}"


def _cron_days(said: str) -> Iterator[str]:
    """None for words that name no days. Cron counts from Sunday, and Sunday is 7 too."""
    with suppress(ValueError):
        for begin, end in [*day_spans(said)]:
            spans = [(begin, end)] if begin <= end else [(begin, 6), (0, end)]
            yield from (f"{one + 1}-{last + 1}" if one < last else str(one + 1) for one, last in spans)


def _begin(rule: str, at: datetime) -> datetime | None:
    try:
        return next(CronSim(rule, at))
    except (CronSimError, StopIteration):
        return None

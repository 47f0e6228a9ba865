"""Weekly slots of an account, by the wall of its zone: which there are, and the next one that is free."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts.models import XAccount
from perch.errors import PerchError
from perch.posts import queries
from perch.posts.errors import NoFreeSlot
from perch.posts.models import Slot
from perch.posts.walls import Wall

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MOST_SLOTS = 7 * 48
_AHEAD = timedelta(minutes=1)
"""A slot that is this close is over: there would be no time left to think again."""
_WEEKS = 104
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


class WrongSlots(PerchError):
    """Words that name no weekly slots."""

    code = "wrong_slots"
    status = 422


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A weekly place. Monday is 0; ``minute`` counts from midnight."""

    weekday: int
    minute: int

    @property
    def time(self) -> str:
        return f"{self.minute // 60:02}:{self.minute % 60:02}"


def parse(said: str) -> tuple[Place, ...]:
    """Places of words such as ``mon-fri 09:00,17:30; sat 10:00``; none for no words. Raises WrongSlots."""
    found = {place for part in said.lower().split(";") if part.strip() for place in _part(part)}
    if len(found) > MOST_SLOTS:
        raise WrongSlots(f"An account may have {MOST_SLOTS} slots a week.", fix="Leave some out.")
    return tuple(sorted(found))


def show(places: Iterable[Place]) -> str:
    """Words that ``parse`` reads as these places: days with the same times together."""
    times: dict[int, list[str]] = {}
    for place in sorted(places):
        times.setdefault(place.weekday, []).append(place.time)
    days: dict[str, list[int]] = {}
    for weekday, at in times.items():
        days.setdefault(",".join(at), []).append(weekday)
    return "; ".join(f"{_runs(weekdays)} {at}" for at, weekdays in days.items())


def upcoming(places: Sequence[Place], zone: str, after: datetime) -> Iterator[Wall]:
    """The readings of the next two years at which a slot lies, by instant, each instant once."""
    today = Wall.read(after, zone).local.replace(hour=0, minute=0, second=0)
    last = after
    for day in range(-1, 7 * _WEEKS):
        date = today + timedelta(days=day)
        here = [
            Wall(date + timedelta(minutes=one.minute), zone)
            for one in places
            if one.weekday == date.weekday()
        ]
        for wall in sorted(here, key=lambda wall: wall.at):
            if wall.at > last:
                last = wall.at
                yield wall


async def next_free(session: AsyncSession, account: XAccount, now: datetime) -> Wall:
    """The next slot without a post. Held until the transaction ends: two who ask get two slots.

    Raises NoFreeSlot.
    """
    await session.execute(
        select(XAccount.id).where(XAccount.id == account.id).with_for_update(key_share=True)
    )
    places = await of_account(session, account.id)
    if not places:
        raise NoFreeSlot(
            f"@{account.username} has no slots.",
            fix="Give it some with perch slots or under Accounts, or name an instant.",
        )
    taken = await queries.due_instants(session, account.id, now)
    for wall in upcoming(places, account.zone, now + _AHEAD):
        if wall.at not in taken:
            return wall
    raise NoFreeSlot(
        f"Every slot of @{account.username} in the next two years is taken.", fix="Name an instant."
    )


async def of_account(session: AsyncSession, account_id: int) -> tuple[Place, ...]:
    """The account's places, Monday first."""
    found = await session.execute(
        select(Slot.weekday, Slot.minute)
        .where(Slot.account_id == account_id)
        .order_by(Slot.weekday, Slot.minute)
    )
    return tuple(Place(weekday, minute) for weekday, minute in found)


async def replace(session: AsyncSession, account_id: int, places: Iterable[Place]) -> None:
    """Give the account these places instead of those it had. Posts that have a slot keep their time."""
    await session.execute(
        select(XAccount.id).where(XAccount.id == account_id).with_for_update(key_share=True)
    )
    await session.execute(delete(Slot).where(Slot.account_id == account_id))
    rows = [
        {"account_id": account_id, "weekday": place.weekday, "minute": place.minute} for place in set(places)
    ]
    if rows:
        await session.execute(insert(Slot), rows)


def _part(part: str) -> Iterator[Place]:
    days, _, times = part.strip().partition(" ")
    for weekday in _weekdays(days):
        for time in times.split(","):
            match = _TIME.fullmatch(time.strip())
            if match is None:
                raise _unreadable(part)
            yield Place(weekday, int(match[1]) * 60 + int(match[2]))


def _weekdays(said: str) -> Iterator[int]:
    try:
        spans = [(0, 6)] if said == "daily" else [*day_spans(said)]
    except ValueError:
        raise _unreadable(said) from None
    for begin, end in spans:
        yield from range(begin, end + 1) if begin <= end else (*range(begin, 7), *range(end + 1))


def day_spans(said: str) -> Iterator[tuple[int, int]]:
    """First and last day of each part of ``mon,wed-fri``; ``sat-mon`` leads over Sunday.

    Raises ValueError for other words.
    """
    for part in said.split(","):
        first, dash, last = part.partition("-")
        begin = _weekday(first)
        yield begin, _weekday(last) if dash else begin


def _weekday(said: str) -> int:
    return (_NAMES if len(said) > len(DAYS[0]) else DAYS).index(said)


def _runs(weekdays: Sequence[int]) -> str:
    runs: list[list[int]] = []
    for weekday in weekdays:
        if runs and runs[-1][-1] == weekday - 1:
            runs[-1].append(weekday)
        else:
            runs.append([weekday])
    return ",".join(DAYS[run[0]] if len(run) == 1 else f"{DAYS[run[0]]}-{DAYS[run[-1]]}" for run in runs)


def _unreadable(said: str) -> WrongSlots:
    return WrongSlots(
        f"{said.strip()[:40]!r} names no slots.", fix="Write them like “mon-fri 09:00,17:30; sat 10:00”."
    )

"""The lane of an account: whoever holds it is the only one that sends for it, until the lease ends.

Each taking raises the fence, so that a holder who overslept the lease can be told from the present one.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, true
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts import queries
from perch.clock import Clock
from perch.jobs import Committer

log = structlog.get_logger(__name__)
_ANY = true()
_NO_MOMENT: Mapping[str, object] = {}


@dataclass(frozen=True, slots=True)
class Hold:
    """A lane in somebody's hand: only the newest fence of an account counts."""

    account_id: int
    fence: int


@dataclass(frozen=True, slots=True)
class Taking:
    """Take a lane that is free or abandoned."""

    account_id: int
    worker: str
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Renewal:
    """Keep a lane for another lease."""

    hold: Hold
    until: datetime


async def take(
    session: AsyncSession,
    takings: Sequence[Taking],
    wanted: ColumnElement[bool] = _ANY,
    moment: Mapping[str, object] = _NO_MOMENT,
) -> list[Hold | None]:
    """The lanes taken; None where somebody holds it, or ``wanted`` is not true of the account.

    ``moment`` holds what ``wanted`` is to be asked with.
    """
    first = takings[0]
    fences = await queries.take_lanes(
        session,
        [taking.account_id for taking in takings],
        wanted,
        moment,
        worker=first.worker,
        now=first.at,
        until=max(taking.until for taking in takings),
    )
    # Two of one batch may want the same lane: the first one gets it.
    won = [(taking.account_id, fences.pop(taking.account_id, None)) for taking in takings]
    return [None if fence is None else Hold(account_id, fence) for account_id, fence in won]


async def renew(session: AsyncSession, renewals: Sequence[Renewal]) -> list[None]:
    """Lanes that have passed to another holder stay theirs."""
    await queries.renew_lanes(session, [(one.hold.account_id, one.hold.fence, one.until) for one in renewals])
    return [None] * len(renewals)


async def drop(session: AsyncSession, holds: Sequence[Hold]) -> list[None]:
    """Give lanes back; nothing happens to one that has passed to another holder."""
    await queries.drop_lanes(session, [(hold.account_id, hold.fence) for hold in holds])
    return [None] * len(holds)


async def take_lane(
    session: AsyncSession, clock: Clock, account_id: int, worker: str, lease: timedelta
) -> int | None:
    """The fence of a lane that was free or abandoned, None while somebody holds it."""
    now = clock.now()
    [hold] = await take(session, [Taking(account_id, worker, now, now + lease)])
    return None if hold is None else hold.fence


async def renew_lane(
    session: AsyncSession, clock: Clock, account_id: int, fence: int, lease: timedelta
) -> bool:
    """Whether the lane is still the holder's, for another lease from now."""
    return await queries.renew_lane(session, account_id, fence, clock.now() + lease)


async def drop_lane(session: AsyncSession, account_id: int, fence: int) -> None:
    """Give the lane back; nothing happens when it has passed to another holder."""
    await drop(session, [Hold(account_id, fence)])


async def void_lanes(session: AsyncSession) -> None:
    """Free every lane: for a start-up that knows itself to be the only process."""
    await queries.void_lanes(session)


class Keeper:
    """Renews every lane that this process works in: an upload may take longer than a lease."""

    def __init__(self, committer: Committer, clock: Clock, lease: float) -> None:
        self._committer = committer
        self._clock = clock
        self._lease = lease
        self._kept: dict[int, Hold] = {}
        self._renewing: asyncio.Task[None] | None = None

    @contextmanager
    def keeping(self, hold: Hold) -> Iterator[None]:
        """Hold on to a lane that was taken just now."""
        self._kept[hold.account_id] = hold
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._renew_forever())
        try:
            yield
        finally:
            del self._kept[hold.account_id]
            if not self._kept:
                self._renewing.cancel()
                self._renewing = None

    async def _renew_forever(self) -> None:
        while True:
            await self._clock.sleep(self._lease / 3)
            until = self._clock.now() + timedelta(seconds=self._lease)
            try:
                await asyncio.gather(
                    *(self._committer.hand_in(renew, Renewal(hold, until)) for hold in self._kept.values())
                )
            except (SQLAlchemyError, OSError):
                # A database that is away for a moment must not cost the lanes: the next turn comes in time.
                log.exception("lanes_not_renewed", lanes=len(self._kept))

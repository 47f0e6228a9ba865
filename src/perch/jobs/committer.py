"""One committer a process: steps that wait at the same moment share one durable transaction.

A commit costs an fsync however much is in it. Lanes hand a step and a row to the committer and wait;
it runs every waiting row of a step in one set-based call, commits once, and wakes them all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from perch.db import Transactions
from perch.db.failures import is_away, is_conflict

Row = TypeVar("Row")
Outcome = TypeVar("Outcome")
Step = Callable[[AsyncSession, Sequence[Row]], Awaitable[Sequence[Outcome]]]
"""Runs on all waiting rows at once; answers one outcome a row, in the same order."""

_Waiting = tuple[Step[Any, Any], Any, asyncio.Future[Any]]
log = structlog.get_logger(__name__)
_MOST_ROWS = 1000  # a statement takes 32,766 parameters on either database
_CONFLICTS = 5


class Committer:
    """Collects rows while a transaction runs, and runs what has gathered in the next one.

    Steps of one transaction run in the order in which they came, and those named in ``last`` after all
    others: they see what was handed in beside them.
    """

    def __init__(self, transactions: Transactions, last: Sequence[Step[Any, Any]] = ()) -> None:
        self._transactions = transactions
        self._last = tuple(last)
        self._waiting: list[_Waiting] = []
        self._running: asyncio.Task[None] | None = None

    async def commit(self, step: Step[Row, Outcome], row: Row) -> Outcome:
        """The step's outcome for this row, once it is durable. Raises what the step raised for it."""
        return await self.hand_in(step, row)

    def hand_in(self, step: Step[Row, Outcome], row: Row) -> asyncio.Future[Outcome]:
        """As ``commit``, for a lane that hands in several rows at once: they share a transaction.

        A row that was handed in stays so: nobody's cancelling undoes what others wait for.
        """
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((step, row, future))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return future

    async def settle(self) -> None:
        """Wait until everything handed in so far is durable."""
        while self._running is not None and not self._running.done():
            await self._running

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_MOST_ROWS], self._waiting[_MOST_ROWS:]
            await self._settle(batch)

    async def _settle(self, batch: Sequence[_Waiting]) -> None:
        try:
            outcomes = await self._together(batch)
        except Exception as error:
            if len(batch) == 1 or is_away(error):
                _fail(batch, error)
                return
            # One row that the database refuses must not fail those that happened to wait beside it.
            log.warning("batch_failed", rows=len(batch), exc_info=True)
            half = len(batch) // 2
            await self._settle(batch[:half])
            await self._settle(batch[half:])
        else:
            _tell(batch, outcomes)

    async def _together(self, batch: Sequence[_Waiting]) -> list[Any]:
        for _ in range(_CONFLICTS):
            try:
                return await self._once(batch)
            except Exception as error:
                if not is_conflict(error):
                    raise
                log.info("batch_collided", rows=len(batch))
        return await self._once(batch)

    async def _once(self, batch: Sequence[_Waiting]) -> list[Any]:
        outcomes: dict[int, Any] = {}
        async with self._transactions() as session:
            for step, places in self._by_step(batch).items():
                found = await step(session, [batch[place][1] for place in places])
                outcomes.update(zip(places, found, strict=True))
        return [outcomes[place] for place in range(len(batch))]

    def _by_step(self, batch: Sequence[_Waiting]) -> dict[Step[Any, Any], list[int]]:
        places: dict[Step[Any, Any], list[int]] = {}
        for place, (step, _, _) in enumerate(batch):
            places.setdefault(step, []).append(place)
        return {step: places[step] for step in sorted(places, key=lambda step: step in self._last)}


def _tell(batch: Sequence[_Waiting], outcomes: Sequence[Any]) -> None:
    for (_, _, future), outcome in zip(batch, outcomes, strict=True):
        if not future.done():
            future.set_result(outcome)


def _fail(batch: Sequence[_Waiting], error: Exception) -> None:
    # What a row raised belongs to the lane that waits for it.
    for _, _, future in batch:
        if not future.done():
            future.set_exception(error)

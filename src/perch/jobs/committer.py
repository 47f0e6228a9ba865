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

Row = TypeVar("Row")
Outcome = TypeVar("Outcome")
Step = Callable[[AsyncSession, Sequence[Row]], Awaitable[Sequence[Outcome]]]
"""Runs on all waiting rows at once; answers one outcome a row, in the same order."""

_Waiting = tuple[Step[Any, Any], Any, asyncio.Future[Any]]
log = structlog.get_logger(__name__)


class Committer:
    """Collects rows while a transaction runs, and runs what has gathered in the next one."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._waiting: list[_Waiting] = []
        self._running: asyncio.Task[None] | None = None

    async def commit(self, step: Step[Row, Outcome], row: Row) -> Outcome:
        """The step's outcome for this row, once it is durable. Raises what the step raised for it."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((step, row, future))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        # A lane that is cancelled must not undo the rows of the others.
        return await asyncio.shield(future)

    async def settle(self) -> None:
        """Wait until everything handed in so far is durable."""
        while self._running is not None and not self._running.done():
            await self._running

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                outcomes = await self._together(batch)
            except Exception:
                log.warning("batch_failed", rows=len(batch), exc_info=True)
                await self._one_by_one(batch)
            else:
                _tell(batch, outcomes)

    async def _together(self, batch: Sequence[_Waiting]) -> list[Any]:
        outcomes: dict[int, Any] = {}
        async with self._transactions() as session:
            for step, places in _by_step(batch).items():
                found = await step(session, [batch[place][1] for place in places])
                outcomes.update(zip(places, found, strict=True))
        return [outcomes[place] for place in range(len(batch))]

    async def _one_by_one(self, batch: Sequence[_Waiting]) -> None:
        # One row that the database refuses must not fail the rows that happened to wait beside it.
        for waiting in batch:
            try:
                outcomes = await self._together([waiting])
            except Exception as error:  # noqa: BLE001 - belongs to the lane that waits for this row
                if not waiting[2].done():
                    waiting[2].set_exception(error)
            else:
                _tell([waiting], outcomes)


def _by_step(batch: Sequence[_Waiting]) -> dict[Step[Any, Any], list[int]]:
    places: dict[Step[Any, Any], list[int]] = {}
    for place, (step, _, _) in enumerate(batch):
        places.setdefault(step, []).append(place)
    return places


def _tell(batch: Sequence[_Waiting], outcomes: Sequence[Any]) -> None:
    for (_, _, future), outcome in zip(batch, outcomes, strict=True):
        if not future.done():
            future.set_result(outcome)

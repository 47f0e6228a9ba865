"""PgQueuer behind two verbs: register a handler, wake it.

A hint carries a key and nothing else. Losing, repeating or delaying one changes nothing but the moment:
the rows are the truth, and a sweep derives the hints again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog
from pgqueuer import Job, PgQueuer
from pgqueuer.adapters.inmemory import InMemoryDriver, InMemoryQueries
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from perch.clock import Clock

Handler = Callable[[str], Awaitable[None]]
Sweep = Callable[[], Awaitable[None]]

log = structlog.get_logger(__name__)
_BATCH = 50


class Engine:
    """The hints of one process and the loop that follows them."""

    def __init__(
        self,
        clock: Clock,
        sweep_every: float,
        hint_ahead: float = 60.0,
        elsewhere: Callable[[], object] | None = None,
    ) -> None:
        """``elsewhere`` tells the process that follows hints to look, where that is not this one."""
        self._clock = clock
        self._elsewhere = elsewhere
        self._sweep_every = sweep_every
        self._hint_ahead = timedelta(seconds=hint_ahead)
        driver = InMemoryDriver()
        self._hints = InMemoryQueries(driver)
        self._queue = PgQueuer(driver, queries=self._hints)
        self._sweeps: list[Sweep] = []
        self._running: set[asyncio.Task[None]] = set()
        self._asked = asyncio.Event()
        self.beat_at: datetime | None = None

    def handle(self, entrypoint: str, handler: Handler) -> None:
        """Call the handler with a hint's key. What it raises is logged; the sweep hints again."""

        async def follow(job: Job) -> None:
            try:
                await handler((job.payload or b"").decode())
            except Exception:
                log.exception("job_failed", entrypoint=entrypoint)

        self._queue.entrypoint(entrypoint)(follow)

    def each_sweep(self, sweep: Sweep) -> None:
        """Call this at the start and then every few seconds: it re-derives lost hints from the rows."""
        self._sweeps.append(sweep)

    def wake(self, session: AsyncSession, entrypoint: str, key: str, at: datetime) -> None:
        """Hint once the session's transaction has committed; never when it rolls back."""

        @event.listens_for(session.sync_session, "after_commit", once=True)
        def committed(_session: Session) -> None:
            self._later(self.hint(entrypoint, key, at))

    async def hint(self, entrypoint: str, key: str, at: datetime) -> None:
        """Queue a hint now; one for a far instant is left to the sweeps: a full calendar is rows only."""
        wait = max(timedelta(), at - self._clock.now())
        if wait > self._hint_ahead:
            return
        if self._elsewhere is not None:
            await asyncio.to_thread(self._elsewhere)
            return
        await self._hints.enqueue(entrypoint, key.encode(), execute_after=wait)

    def ask_for_sweep(self) -> None:
        """Somebody outside wrote rows: look now instead of at the next turn."""
        self._asked.set()

    async def run(self) -> None:
        """Follow hints and sweep until ``stop``; returns when the running handlers have ended."""
        sweeping = asyncio.create_task(self._sweep_forever())
        try:
            await self._queue.run(
                dequeue_timeout=timedelta(seconds=30),
                batch_size=_BATCH,
                log_aggregation_interval=timedelta(),
            )
        finally:
            sweeping.cancel()
            await asyncio.gather(sweeping, return_exceptions=True)

    @property
    def is_stopping(self) -> bool:
        return self._queue.shutdown.is_set()

    def stop(self) -> None:
        self._queue.shutdown.set()

    async def sweep(self) -> None:
        """One turn of every sweep."""
        for sweep in self._sweeps:
            try:
                await sweep()
            except Exception:
                log.exception("sweep_failed")
        # PgQueuer keeps a line for every step of every hint; our rows tell the story, and memory is finite.
        await self._hints.clear_queue_log()
        self.beat_at = self._clock.now()

    async def _sweep_forever(self) -> None:
        while True:
            await self.sweep()
            try:
                await asyncio.wait_for(self._asked.wait(), timeout=self._sweep_every)
            except TimeoutError:
                continue
            finally:
                self._asked.clear()

    def _later(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

"""PgQueuer behind two verbs: register a handler, wake it.

A hint carries a key and nothing else. Losing, repeating or delaying one changes nothing but the moment:
the rows are the truth, and a sweep derives the hints again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from perch.clock import Clock
from perch.jobs.hints import Hint, Hints, HintsLost, InMemoryHints

T = TypeVar("T")
Handler = Callable[[str], Awaitable[None]]
Sweep = Callable[[], Awaitable[None]]

log = structlog.get_logger(__name__)
_BACKOFF = (0.1, 0.5, 1.0, 2.0, 5.0)


class Engine:
    """The hints of one process, the loop that follows them, and the sweeps."""

    def __init__(
        self,
        clock: Clock,
        sweep_every: float,
        hint_ahead: float = 60.0,
        hints: Hints | None = None,
        may_work: Callable[[], bool] = lambda: True,
    ) -> None:
        """While ``may_work`` says no, hints are dropped and no sweep runs: the rows lose nothing by it."""
        self._clock = clock
        self._may_work = may_work
        self._sweep_every = sweep_every
        self._hint_ahead = timedelta(seconds=hint_ahead)
        self._hints = hints or InMemoryHints()
        self._handlers: dict[str, Handler] = {}
        self._ticks: list[Sweep] = []
        self._sweeps: list[Sweep] = []
        self._working: set[asyncio.Task[None]] = set()
        self._asked = asyncio.Event()
        self._stopping = asyncio.Event()
        self.beat_at: datetime | None = None

    def handle(self, entrypoint: str, handler: Handler) -> None:
        """Call the handler with a hint's key. What it raises is logged; the sweep hints again."""
        self._handlers[entrypoint] = handler

    def each_sweep(self, sweep: Sweep) -> None:
        """Call this at the start and then every few seconds: it re-derives lost hints from the rows."""
        self._sweeps.append(sweep)

    def each_tick(self, tick: Sweep) -> None:
        """Call this before the sweeps, and also while no work may be done."""
        self._ticks.append(tick)

    def wake(self, session: AsyncSession, entrypoint: str, key: str, at: datetime) -> None:
        """Hint with the session's transaction: in it on PostgreSQL, right after it in memory."""
        for hint in self._near(entrypoint, [(key, at)]):
            self._hints.join(session, hint)

    async def hint(self, entrypoint: str, key: str, at: datetime) -> None:
        """Queue a hint now; one for a far instant is left to the sweeps: a full calendar is rows only."""
        await self.hint_all(entrypoint, [(key, at)])

    async def hint_all(self, entrypoint: str, moments: Iterable[tuple[str, datetime]]) -> None:
        """Queue many hints at once, each a key and its instant."""
        if hints := self._near(entrypoint, moments):
            await self._hints.put(hints)

    def begin_at(self, entrypoint: str, key: str, at: datetime) -> None:
        """Work here at that instant: for what this process found itself, and every other one finds too."""
        wait = (at - self._clock.now()).total_seconds()
        if wait > 0:
            # It asks the clock again: timers run by another one, and a moment too early nothing is due.
            asyncio.get_running_loop().call_later(wait, self.begin_at, entrypoint, key, at)
        elif not self.is_stopping:
            self._begin(entrypoint, key)

    def _near(self, entrypoint: str, moments: Iterable[tuple[str, datetime]]) -> list[Hint]:
        now = self._clock.now()
        waits = ((key, max(timedelta(), at - now)) for key, at in moments)
        return [Hint(entrypoint, key, wait) for key, wait in waits if wait <= self._hint_ahead]

    def ask_for_sweep(self) -> None:
        """Somebody outside wrote rows: look now instead of at the next turn."""
        self._asked.set()

    async def run(self) -> None:
        """Follow hints and sweep until ``stop``; returns when the running handlers have ended."""
        sweeping = asyncio.create_task(self._sweep_forever())
        try:
            await self._follow()
        finally:
            sweeping.cancel()
            await asyncio.gather(sweeping, return_exceptions=True)
            await asyncio.gather(*self._working, return_exceptions=True)

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def stop(self) -> None:
        self._stopping.set()

    async def unless_stopping(self, work: Coroutine[Any, Any, T], refusal: type[Exception]) -> T:
        """What the work answers. It is cut short, and the refusal raised, when the engine is to stop."""
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise refusal
            return working.result()
        finally:
            working.cancel()
            stopping.cancel()
            await asyncio.gather(working, stopping, return_exceptions=True)

    async def sweep(self) -> None:
        """One turn of every sweep."""
        for tick in self._ticks:
            await self._turn(tick)
        for sweep in self._sweeps:
            if self._may_work():
                await self._turn(sweep)
        # PgQueuer keeps a line for every step of every hint; our rows tell the story, and space is finite.
        await self._turn(self._hints.prune)
        self.beat_at = self._clock.now()

    async def _turn(self, sweep: Sweep) -> None:
        try:
            await sweep()
        except Exception:
            log.exception("sweep_failed")

    async def _follow(self) -> None:
        """A queue that is away is asked again and again; the sweeps do not wait for it."""
        tries = 0
        while not self.is_stopping:
            begun = self._clock.elapsed()
            try:
                await self._hints.follow(tuple(self._handlers), self._begin, self._stopping)
            except HintsLost as error:
                tries = 0 if self._clock.elapsed() - begun > _BACKOFF[-1] else tries + 1
                log.warning("hints_lost", tries=tries, cause=repr(error.__cause__))
                await self._pause(_BACKOFF[min(tries, len(_BACKOFF) - 1)])

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    def _begin(self, entrypoint: str, key: str) -> None:
        if not self._may_work():
            return
        task = asyncio.create_task(self._work(entrypoint, key), name=f"{entrypoint}:{key}")
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _work(self, entrypoint: str, key: str) -> None:
        try:
            await self._handlers[entrypoint](key)
        except Exception:
            log.exception("job_failed", entrypoint=entrypoint)

    async def _sweep_forever(self) -> None:
        while True:
            await self.sweep()
            try:
                await asyncio.wait_for(self._asked.wait(), timeout=self._sweep_every)
            except TimeoutError:
                continue
            finally:
                self._asked.clear()

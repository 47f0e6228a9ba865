"""Where hints wait: in memory, in PostgreSQL, or with another process. All three may lose them.

A hint says "look at this key at about this moment" and nothing else.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from pgqueuer import Job, PgQueuer
from pgqueuer.adapters.inmemory import InMemoryDriver, InMemoryQueries
from pgqueuer.ports.repository import QueueRepositoryPort
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

Heard = Callable[[str, str], None]
"""Takes entrypoint and key of a hint whose moment has come. It only begins the work."""

BATCH = 50
_GATHERED = "perch_hints"


@dataclass(frozen=True, slots=True)
class Hint:
    """Look at ``key`` after ``wait``."""

    entrypoint: str
    key: str
    wait: timedelta


class Hints(Protocol):
    """A place where hints wait."""

    def join(self, session: AsyncSession, hint: Hint) -> None:
        """Keep it when the session's transaction commits, and never when it rolls back."""
        ...

    async def put(self, hints: Sequence[Hint]) -> None:
        """Keep them now."""
        ...

    async def follow(self, entrypoints: Iterable[str], heard: Heard, stop: asyncio.Event) -> None:
        """Tell each hint when its moment has come, until ``stop``. Raises HintsLost."""
        ...

    async def prune(self) -> None:
        """Forget what is kept of hints that were followed."""
        ...


class HintsLost(Exception):
    """The place where hints wait cannot be reached; rows and sweeps go on without it."""


class _AfterCommit:
    """Keeps hints once their transaction is durable."""

    def __init__(self) -> None:
        self._later: set[asyncio.Task[None]] = set()

    def join(self, session: AsyncSession, hint: Hint) -> None:
        gather(session, hint, "after_commit", self._put_later)

    async def put(self, hints: Sequence[Hint]) -> None:
        raise NotImplementedError

    def _put_later(self, _session: Session, hints: Sequence[Hint]) -> None:
        task = asyncio.ensure_future(self.put(hints))
        self._later.add(task)
        task.add_done_callback(self._later.discard)


class InMemoryHints(_AfterCommit):
    """For the one process that dispatches from a SQLite file."""

    def __init__(self) -> None:
        super().__init__()
        self._driver = InMemoryDriver()
        self._queries = InMemoryQueries(self._driver)

    async def put(self, hints: Sequence[Hint]) -> None:
        await enqueue(self._queries, hints)

    async def follow(self, entrypoints: Iterable[str], heard: Heard, stop: asyncio.Event) -> None:
        queue = PgQueuer(self._driver, queries=self._queries)
        await listen(queue, entrypoints, heard, stop, look_every=timedelta(seconds=30))

    async def prune(self) -> None:
        await self._queries.clear_queue_log()


class HintsElsewhere(_AfterCommit):
    """For a process that follows no hints: whoever does is told to look at the rows."""

    def __init__(self, tell: Callable[[], object]) -> None:
        super().__init__()
        self._tell = tell

    async def put(self, hints: Sequence[Hint]) -> None:
        await asyncio.to_thread(self._tell)

    async def follow(self, entrypoints: Iterable[str], heard: Heard, stop: asyncio.Event) -> None:
        await stop.wait()

    async def prune(self) -> None:
        """Nothing is kept here."""


def gather(
    session: AsyncSession, hint: Hint, moment: str, keep: Callable[[Session, Sequence[Hint]], None]
) -> None:
    """Collect a transaction's hints and keep them together at its moment of commit."""
    gathered: list[Hint] | None = session.sync_session.info.get(_GATHERED)
    if gathered is not None:
        gathered.append(hint)
        return
    session.sync_session.info[_GATHERED] = gathered = [hint]

    @event.listens_for(session.sync_session, moment, once=True)
    def committing(inner: Session) -> None:
        keep(inner, inner.info.pop(_GATHERED))


async def enqueue(queries: QueueRepositoryPort, hints: Sequence[Hint]) -> None:
    """All of them in one statement; without a dedupe key, since a twin that is picked would swallow them."""
    if hints:
        await queries.enqueue(
            [hint.entrypoint for hint in hints],
            [hint.key.encode() for hint in hints],
            [0] * len(hints),
            [hint.wait for hint in hints],
        )


async def listen(
    queue: PgQueuer,
    entrypoints: Iterable[str],
    heard: Heard,
    stop: asyncio.Event,
    *,
    look_every: timedelta,
) -> None:
    """Follow one queue. Its jobs end at once: the work is done beside it, as hints need no promises."""
    for entrypoint in entrypoints:
        queue.entrypoint(entrypoint)(_telling(entrypoint, heard))
    queue.shutdown = queue.qm.shutdown = stop
    # Its schedules would wake an idle machine every second, and nothing here has one.
    await queue.qm.run(
        dequeue_timeout=look_every,
        batch_size=BATCH,
        log_aggregation_interval=timedelta(),
        shutdown_on_listener_failure=True,
    )


def _telling(entrypoint: str, heard: Heard) -> Callable[[Job], Awaitable[None]]:
    async def tell(job: Job) -> None:
        heard(entrypoint, (job.payload or b"").decode())

    return tell

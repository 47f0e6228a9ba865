"""Hints in PostgreSQL, for any number of processes: PgQueuer's tables, in a schema of their own.

The tables are unlogged. After a crash of the database they are empty, which loses nothing but hints.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.adapters.persistence import qb
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.errors import FailingListenerError
from pgqueuer.ports.driver import Driver, NotifyCallback
from pgqueuer.types import Channel
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import Session

from perch.jobs.hints import Heard, Hint, HintsLost, enqueue, gather, listen

_CHANNEL = Channel("perch_jobs")
_SETTINGS = DBSettings(
    prefix="", db_schema="perch_jobs", channel=_CHANNEL, function="fn_changed", trigger="tg_changed",
    queue_table="hint", queue_table_log="hint_log", statistics_table="hint_statistics",
    schedules_table="hint_schedule", queue_status_type="hint_status", durability=Durability.volatile,
)  # fmt: skip
_LOOK_EVERY = timedelta(seconds=10)
_NOT_FOR_ASYNCPG = {"prepared_statement_cache_size", "prepared_statement_name_func"}
AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    FailingListenerError,
)
"""What a server that is stopped, starting, full or out of reach is noticed by."""


class PostgresHints:
    """Hints that join the caller's transaction, and are followed over connections of their own."""

    def __init__(self, url: URL) -> None:
        self._options = _options(url)
        self._queries: Queries | None = None

    def join(self, session: AsyncSession, hint: Hint) -> None:
        gather(session, hint, "before_commit", _keep)

    async def put(self, hints: Sequence[Hint]) -> None:
        if self._queries is None:
            return  # between two connections; the sweep that found these finds them again
        with suppress(*AWAY):
            await enqueue(self._queries, hints)

    async def follow(self, entrypoints: Iterable[str], heard: Heard, stop: asyncio.Event) -> None:
        try:
            async with asyncpg.create_pool(**self._options, min_size=2, max_size=4) as pool:
                await self._follow(_Driver(pool), entrypoints, heard, stop)
        except AWAY as error:
            raise HintsLost from error
        finally:
            self._queries = None

    async def _follow(
        self, driver: "_Driver", entrypoints: Iterable[str], heard: Heard, stop: asyncio.Event
    ) -> None:
        self._queries = _queries(driver)
        queue = PgQueuer(driver, _CHANNEL, queries=self._queries)
        ending = asyncio.Event()
        following = asyncio.create_task(
            listen(queue, entrypoints, heard, ending, look_every=_LOOK_EVERY), name="hints"
        )
        others = [asyncio.create_task(one.wait()) for one in (stop, driver.lost)]
        try:
            await asyncio.wait({following, *others}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ending.set()
            for other in others:
                other.cancel()
            await following
        if driver.lost.is_set() and not stop.is_set():
            raise HintsLost

    async def prune(self) -> None:
        if self._queries is not None:
            with suppress(*AWAY):
                # By entrypoint it deletes; without, it would truncate, and wait for everybody else.
                await self._queries.driver.execute(f"DELETE FROM {_SETTINGS.qualified.queue_table_log}")  # noqa: S608


async def install(connection: AsyncConnection) -> None:
    """Make the tables in the connection's transaction, or make them anew for another PgQueuer."""
    driver = AsyncpgDriver(await _driver_connection(connection))
    queries = _queries(driver)
    if await queries.schema_is_installed():
        if not (await queries.plan_upgrade()).statements:
            return
        await queries.uninstall()
    await queries.install()


class _Driver(AsyncpgPoolDriver):
    """Says when the connection that listens was lost: nothing else would, for a while."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        super().__init__(pool)
        self.lost = asyncio.Event()

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        await super().add_listener(channel, callback)
        if self._listener_connection is not None:
            self._listener_connection.add_termination_listener(lambda _connection: self.lost.set())


def _keep(session: Session, hints: Sequence[Hint]) -> None:
    """Write a transaction's hints into it, as its last statement."""
    session.flush()
    connection = session.connection().connection.dbapi_connection
    assert connection is not None
    connection.run_async(lambda driver: enqueue(_queries(AsyncpgDriver(driver)), hints))


async def _driver_connection(connection: AsyncConnection) -> Any:
    return (await connection.get_raw_connection()).driver_connection


def _queries(driver: Driver) -> Queries:
    return Queries(
        driver,
        qb.QueryBuilderEnvironment(_SETTINGS),
        qb.QueryQueueBuilder(_SETTINGS),
        qb.QuerySchedulerBuilder(_SETTINGS),
    )


def _options(url: URL) -> dict[str, Any]:
    """The same server in asyncpg's own words."""
    _, options = url.get_dialect()().create_connect_args(url)
    return {name: value for name, value in options.items() if name not in _NOT_FOR_ASYNCPG}

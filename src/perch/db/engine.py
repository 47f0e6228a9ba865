"""Connections and transactions, the same for SQLite and PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import Connection, event, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from perch.db import near

Transactions = Callable[[], AbstractAsyncContextManager[AsyncSession]]
"""Opens one transaction that commits when its block ends; for use cases that commit between steps."""


class Database:
    """One database: ``read`` and ``write`` open the only two kinds of transaction there are."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._engine = _sqlite_engine(url) if self.is_sqlite else _postgres_engine(url)
        writing = self._engine.execution_options(perch_begin="IMMEDIATE")
        brief = self._engine.execution_options(perch_begin="IMMEDIATE", perch_near=True)
        self._reads = async_sessionmaker(self._engine, expire_on_commit=False)
        self._writes = async_sessionmaker(writing, expire_on_commit=False)
        self._brief_writes = async_sessionmaker(brief, expire_on_commit=False)
        # SQLite has one writer at a time: queueing here is fair and quick, its busy handler is neither.
        self._turn: asyncio.Lock | nullcontext[None] = asyncio.Lock() if self.is_sqlite else nullcontext()

    @property
    def engine(self) -> AsyncEngine:
        return self._engine

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A snapshot to read from; nothing is kept."""
        async with self._reads() as session:
            yield session

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """Like ``read``, and every statement in it sees the same moment, on PostgreSQL too."""
        async with self.read() as session:
            if not self.is_sqlite:
                await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """One durable transaction: committed when the block ends, rolled back when it raises."""
        async with self._turn, self._writes.begin() as session:
            yield session

    @asynccontextmanager
    async def write_briefly(self) -> AsyncIterator[AsyncSession]:
        """As ``write``, for statements of a few milliseconds at most: on SQLite everybody waits for them."""
        async with self._turn, self._brief_writes.begin() as session:
            yield session

    async def close(self) -> None:
        await self._engine.dispose()


def _engine(url: str, **options: Any) -> AsyncEngine:
    # An error quotes what its statement was given: words and secrets of people that belong into no log.
    return create_async_engine(url, hide_parameters=True, **options)


def _postgres_engine(url: str) -> AsyncEngine:
    engine = _engine(url, pool_size=10)
    event.listen(engine.sync_engine, "do_connect", _connect_postgres)
    event.listen(engine.sync_engine, "connect", _prepare_postgres)
    return engine


def _connect_postgres(dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
    """A server that cannot be reached fails like one that does not answer, in the words of SQLAlchemy."""
    try:
        return dialect.connect(*arguments, **options)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise dialect.loaded_dbapi.OperationalError(str(error) or type(error).__name__) from error


def _prepare_postgres(connection: Any, _record: Any) -> None:
    """A commit that a crash takes back would be a post that went out and is not known of."""
    cursor = connection.cursor()
    cursor.execute(
        "SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') = 'off'"
    )
    cursor.close()
    connection.commit()  # the driver has begun a transaction; whoever rolls it back would undo the setting


def _sqlite_engine(url: str) -> AsyncEngine:
    path = make_url(url).database
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = _engine(url)
    event.listen(engine.sync_engine, "do_connect", _connect_sqlite)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _connect_sqlite(dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
    return near.connect(dialect, arguments, options)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late and is never IMMEDIATE
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    driver = connection.connection.dbapi_connection
    assert isinstance(driver, near.NearConnection)
    driver.is_near = False  # to begin may mean to wait for another process
    connection.exec_driver_sql(f"BEGIN {options.get('perch_begin', '')}".rstrip())
    driver.is_near = options.get("perch_near", False)

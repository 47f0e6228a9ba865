"""SQLite for asyncio without the trips: a statement goes to the connection's thread once, or not at all.

The driver makes four trips for each statement, and on each of them a thread waits for its turn at the
interpreter. A brief statement is over before the first of them would be.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
)
from sqlalchemy.util.concurrency import await_


class _Cursor(AsyncAdapt_aiosqlite_cursor):
    """Runs a statement and fetches all its rows in one go, where its connection says."""

    __slots__ = ()
    _awaitable_cursor_close = False
    _adapt_connection: "NearConnection"

    def _make_new_cursor(self, connection: Any) -> Any:
        return connection._conn.cursor()

    def _aenter_cursor(self, cursor: Any) -> Any:
        return cursor

    def execute(self, operation: Any, parameters: Any = None) -> Any:
        self._fetch(self._cursor.execute, operation, parameters or ())

    def executemany(self, operation: Any, seq_of_parameters: Any) -> Any:
        self._fetch(self._cursor.executemany, operation, seq_of_parameters)

    def _fetch(self, run: Callable[[Any, Any], Any], operation: Any, parameters: Any) -> None:
        self._rows = deque(self._adapt_connection.call(partial(_fetched, run, operation, parameters)))


class NearConnection(AsyncAdapt_aiosqlite_connection):
    """While ``is_near``, statements run where they are asked for, and only BEGIN and COMMIT in the thread.

    For transactions of brief statements: BEGIN may wait for another process, COMMIT waits for the disk.
    """

    __slots__ = ("is_near",)
    _cursor_cls = _Cursor

    def __init__(self, dbapi: Any, connection: Any) -> None:
        super().__init__(dbapi, connection)
        self.is_near = False

    def call(self, function: Callable[[], Any]) -> Any:
        """What the function answers, here or in the thread."""
        try:
            return await_(_here(function) if self.is_near else self._connection._execute(function))
        except Exception as error:  # noqa: BLE001 - the dialect translates it and raises
            self._handle_exception(error)

    def rollback(self) -> None:
        # The pool asks for it after each commit too.
        raw = self._connection._connection
        if raw is not None and raw.in_transaction:
            super().rollback()


def connect(dialect: Any, arguments: Any, options: Any) -> NearConnection:
    """A connection of the dialect of aiosqlite."""
    adapted = dialect.connect(*arguments, **options)
    return NearConnection(adapted.dbapi, adapted._connection)


async def _here(function: Callable[[], Any]) -> Any:
    """At once: awaited all the same, since SQLAlchemy insists on a driver that is."""
    return function()


def _fetched(run: Callable[[Any, Any], Any], operation: Any, parameters: Any) -> Any:
    cursor = run(operation, parameters)
    return cursor.fetchall() if cursor.description else ()

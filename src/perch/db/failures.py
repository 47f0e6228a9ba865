"""Whose fault a failed transaction is: a neighbour's, the database's, or one of its own rows'."""

import sqlite3

from sqlalchemy import exc

_CONFLICTS = {"40001", "40P01"}  # serialization failure, deadlock
_AWAY = ("08", "53", "57")  # connections, resources, operator: PostgreSQL's classes of SQLSTATE


def is_conflict(error: Exception) -> bool:
    """Whether two transactions stood in each other's way: the same one may win when it is run again."""
    return _sqlstate(error) in _CONFLICTS


def is_away(error: Exception) -> bool:
    """Whether the database itself could not do it, whatever the rows were: gone, locked, or full."""
    if isinstance(error, OSError | exc.OperationalError | exc.InterfaceError | exc.TimeoutError):
        return True
    return isinstance(error, exc.DBAPIError) and (
        error.connection_invalidated or _sqlstate(error).startswith(_AWAY)
    )


def is_damaged(error: Exception) -> bool:
    """Whether the file is no database, or is none any more. SQLite has no narrower class for it."""
    return type(error) is exc.DatabaseError and isinstance(error.orig, sqlite3.DatabaseError)


def _sqlstate(error: Exception) -> str:
    return getattr(error.orig, "sqlstate", None) or "" if isinstance(error, exc.DBAPIError) else ""

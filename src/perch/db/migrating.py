"""Bringing a database to this version of the code, and refusing one that is newer."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from perch.db.engine import Database
from perch.errors import PerchError

_ADVISORY_LOCK = 0x5045524348  # "PERCH": two processes that start together migrate one after the other


class NewerDatabase(PerchError):
    """The database was migrated by a later version of Perch."""

    code = "newer_database"


class DatabaseUnusable(PerchError):
    """The database does not answer, or does not let Perch in."""

    code = "database_unusable"
    status = 503


async def migrate(
    database: Database,
    metadata: MetaData,
    *,
    to: str = "head",
    also: Callable[[AsyncConnection], Awaitable[None]] | None = None,
) -> None:
    """Apply what is missing, and what ``also`` does, in one transaction.

    Raises NewerDatabase and DatabaseUnusable.
    """
    await version(database)  # a server that does not answer is told apart from a migration that fails

    def run(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        config = config_for(connection, metadata)
        _refuse_newer(connection, config)
        command.upgrade(config, to)

    async with _altering(database) as connection:
        await connection.run_sync(run)
        if also is not None:
            await also(connection)


@asynccontextmanager
async def _altering(database: Database) -> AsyncIterator[AsyncConnection]:
    """One transaction in which tables may be made anew.

    SQLite alters a table by copying it, and dropping the old one would delete, by cascade, what refers to it:
    foreign keys are not followed meanwhile, and checked before anything is kept.
    """
    async with database.engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        if database.is_sqlite and driver:
            await driver.execute("PRAGMA foreign_keys=OFF")
        try:
            async with connection.begin():
                yield connection
                if database.is_sqlite:
                    await connection.run_sync(_refuse_orphans)
        finally:
            if database.is_sqlite and driver:
                await driver.execute("PRAGMA foreign_keys=ON")


def _refuse_orphans(connection: Connection) -> None:
    orphans = connection.execute(text("PRAGMA foreign_key_check")).all()
    if orphans:
        raise DatabaseUnusable(
            f"{len(orphans)} rows of the database refer to rows that are gone, so it was left as it was.",
            fix="Restore the last backup.",
        )


async def unmigrate(database: Database, metadata: MetaData, *, to: str) -> None:
    """Go back to an earlier version; what only later versions know is lost."""
    async with _altering(database) as connection:
        await connection.run_sync(lambda inner: command.downgrade(config_for(inner, metadata), to))


async def version(database: Database) -> str | None:
    """The version a database is at, or None for an empty one. Raises DatabaseUnusable."""
    with _named(database):
        async with database.engine.connect() as connection:
            return await connection.run_sync(_version)


async def require_known(database: Database) -> None:
    """Raises NewerDatabase when a later Perch has been at work, and DatabaseUnusable."""
    with _named(database):
        async with database.engine.connect() as connection:
            await connection.run_sync(lambda inner: _refuse_newer(inner, config_for(inner, MetaData())))


def head() -> str | None:
    """The version this code wants; None while there are no migrations at all."""
    return ScriptDirectory.from_config(config_for(None, MetaData())).get_current_head()


@contextmanager
def _named(database: Database) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error, DBAPIError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        words = (str(cause) or type(cause).__name__).splitlines()[0]
        where = database.url.render_as_string(hide_password=True)
        raise DatabaseUnusable(
            f"The database {where} cannot be used: {words}.",
            fix="Check that it runs and that PERCH_DATABASE_URL is right; a broken file needs its backup.",
        ) from error


def _version(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def config_for(connection: Connection | None, metadata: MetaData) -> Config:
    """Alembic's configuration for an open connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    config.attributes["metadata"] = metadata
    return config


def _refuse_newer(connection: Connection, config: Config) -> None:
    current = _version(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise NewerDatabase(
            f"The database is at version {current}, which this Perch does not know.",
            fix="Start the newer Perch, or restore the backup that was made before it.",
        )

"""Brief transactions on SQLite: the same rows, errors and durability, without a trip for each statement."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from perch.db import Database


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(f"sqlite+aiosqlite:///{tmp_path}/rows.db")
    async with opened.write() as session:
        await session.execute(text("CREATE TABLE row (n INTEGER NOT NULL UNIQUE)"))
    yield opened
    await opened.close()


async def kept(db: Database) -> list[int]:
    async with db.read() as session:
        return list(await session.scalars(text("SELECT n FROM row ORDER BY n")))


async def write_twice(db: Database) -> None:
    async with db.write_briefly() as session:
        await session.execute(text("INSERT INTO row VALUES (1)"))
        await session.execute(text("INSERT INTO row VALUES (1)"))


async def test_a_brief_transaction_keeps_what_it_wrote_and_answers_with_rows(db):
    async with db.write_briefly() as session:
        rows = await session.execute(text("INSERT INTO row VALUES (1), (2) RETURNING n"))
        assert list(rows.scalars()) == [1, 2]
        await session.execute(text("INSERT INTO row VALUES (:n)"), [{"n": 3}, {"n": 4}])
    assert await kept(db) == [1, 2, 3, 4]


async def test_a_brief_transaction_that_is_refused_keeps_nothing_and_the_next_one_works(db):
    with pytest.raises(IntegrityError):
        await write_twice(db)
    async with db.write_briefly() as session:
        await session.execute(text("INSERT INTO row VALUES (2)"))
    assert await kept(db) == [2]


async def test_the_loop_turns_while_a_brief_transaction_waits_for_another_process(db):
    other = sqlite3.connect(db.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def write_briefly() -> None:
        async with db.write_briefly() as session:
            await session.execute(text("INSERT INTO row VALUES (1)"))

    writing = asyncio.create_task(write_briefly())
    for _ in range(3):
        await kept(db)
    assert not writing.done()
    other.execute("COMMIT")
    other.close()
    await writing
    assert await kept(db) == [1]


async def test_a_connection_that_was_brief_is_used_by_others_as_before(db):
    async with db.write_briefly() as session:
        driver = (await session.connection()).sync_connection.connection.dbapi_connection
        assert driver.is_near
    async with db.read() as session:
        await session.execute(text("SELECT 1"))
        assert not (await session.connection()).sync_connection.connection.dbapi_connection.is_near

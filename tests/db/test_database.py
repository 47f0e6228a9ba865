"""Connections and transactions: what SQLite is told, who waits for whom, how instants are kept."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, Table, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError

from perch.db import Database, UtcDateTime, new_public_id
from perch.db.failures import is_away

INSTANTS = Table("instants", MetaData(), Column("id", Integer, primary_key=True), Column("at", UtcDateTime()))
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
AWARE = st.datetimes(datetime(1971, 1, 2), datetime(2999, 1, 1), timezones=ZONES)  # noqa: DTZ001 - bounds are naive


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(f"sqlite+aiosqlite:///{tmp_path}/perch.db")
    yield opened
    await opened.close()


async def pragma(db: Database, name: str) -> object:
    async with db.write() as session:
        return await session.scalar(text(f"PRAGMA {name}"))


@pytest.mark.parametrize(
    ("name", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 10_000)],
)
async def test_every_sqlite_connection_is_durable_and_strict(db, name, value):
    assert await pragma(db, name) == value


@pytest.mark.postgres
@pytest.mark.xdist_group("postgres")
async def test_a_commit_is_durable_on_a_server_that_leaves_commits_to_luck(empty_postgres):
    plain = await asyncpg.connect(empty_postgres.replace("+asyncpg", ""))
    assert await plain.fetchval("SHOW synchronous_commit") == "off"
    await plain.close()
    db = Database(empty_postgres)
    for _ in range(2):
        async with db.read() as session:
            assert await session.scalar(text("SHOW synchronous_commit")) == "on"
    await db.close()


async def test_a_writer_holds_the_file_from_its_first_moment(db, tmp_path):
    other = sqlite3.connect(tmp_path / "perch.db", timeout=0, isolation_level=None)
    async with db.write() as session:
        await session.execute(text("SELECT 1"))
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
    other.execute("BEGIN IMMEDIATE")
    other.close()


async def test_a_reader_stops_no_writer_and_keeps_its_snapshot(db, tmp_path):
    async with db.write() as session:
        await session.execute(text("CREATE TABLE word (said TEXT)"))
    async with db.read() as reading:
        assert (await reading.scalars(text("SELECT said FROM word"))).all() == []
        async with db.write() as session:
            await session.execute(text("INSERT INTO word VALUES ('now')"))
        assert (await reading.scalars(text("SELECT said FROM word"))).all() == []
    async with db.read() as reading:
        assert (await reading.scalars(text("SELECT said FROM word"))).all() == ["now"]


async def test_writers_of_one_process_take_turns(db):
    async with db.write() as session:
        await session.execute(text("CREATE TABLE tally (n INTEGER)"))
        await session.execute(text("INSERT INTO tally VALUES (0)"))

    async def add_one() -> None:
        async with db.write() as session:
            n = await session.scalar(text("SELECT n FROM tally"))
            await session.execute(text("UPDATE tally SET n = :n"), {"n": n + 1})

    await asyncio.gather(*(add_one() for _ in range(40)))
    assert await pragma(db, "user_version") == 0
    async with db.read() as session:
        assert await session.scalar(text("SELECT n FROM tally")) == 40


async def insert_and_fail(db):
    async with db.write() as session:
        await session.execute(text("INSERT INTO word VALUES ('no')"))
        await session.execute(text("INSERT INTO word VALUES (NULL)"))


async def test_what_raises_is_not_kept(db):
    async with db.write() as session:
        await session.execute(text("CREATE TABLE word (said TEXT NOT NULL)"))
    with pytest.raises(IntegrityError):
        await insert_and_fail(db)
    async with db.read() as session:
        assert await session.scalar(text("SELECT count(*) FROM word")) == 0


async def test_reading_keeps_nothing(db):
    async with db.write() as session:
        await session.execute(text("CREATE TABLE word (said TEXT)"))
    async with db.read() as session:
        await session.execute(text("INSERT INTO word VALUES ('no')"))
    async with db.read() as session:
        assert await session.scalar(text("SELECT count(*) FROM word")) == 0


async def test_a_row_without_its_parent_is_refused(db):
    async with db.write() as session:
        await session.execute(text("CREATE TABLE nest (id INTEGER PRIMARY KEY)"))
        await session.execute(text("CREATE TABLE bird (nest INTEGER REFERENCES nest (id))"))
    async with db.write() as session:
        with pytest.raises(IntegrityError):
            await session.execute(text("INSERT INTO bird VALUES (7)"))


async def test_the_file_s_folder_is_made(tmp_path):
    db = Database(f"sqlite+aiosqlite:///{tmp_path}/deep/down/perch.db")
    assert await pragma(db, "journal_mode") == "wal"
    await db.close()


@given(AWARE)
def test_an_instant_comes_back_as_the_same_instant_in_utc(at):
    for dialect in (sqlite.dialect(), postgresql.dialect()):
        kept = UtcDateTime().process_bind_param(at, dialect)
        back = UtcDateTime().process_result_value(kept, dialect)
        assert back == at
        assert back.utcoffset() == timedelta()


@given(AWARE, AWARE)
def test_sqlite_s_text_sorts_as_time_does(one, other):
    def kept(at: datetime) -> str:
        bound = UtcDateTime().process_bind_param(at, sqlite.dialect())
        return f"{bound:%Y-%m-%d %H:%M:%S.%f}"

    assert (kept(one) < kept(other)) == (one < other)


async def test_a_naive_instant_is_refused_instead_of_guessed(db):
    async with db.write() as session:
        await session.run_sync(lambda inner: INSTANTS.create(inner.connection()))
        with pytest.raises(StatementError, match="an instant needs a time zone"):
            await session.execute(insert(INSTANTS).values(at=datetime(2026, 11, 20)))  # noqa: DTZ001


async def test_nothing_stays_nothing(db):
    async with db.write() as session:
        await session.run_sync(lambda inner: INSTANTS.create(inner.connection()))
        await session.execute(insert(INSTANTS).values(at=None))
        await session.execute(insert(INSTANTS).values(at=datetime(2026, 11, 20, 9, tzinfo=UTC)))
        kept = (await session.scalars(select(INSTANTS.c.at).order_by(INSTANTS.c.id))).all()
    assert kept == [None, datetime(2026, 11, 20, 9, tzinfo=UTC)]


def test_public_ids_do_not_repeat_and_hold_no_look_alikes():
    made = {new_public_id() for _ in range(5_000)}
    assert len(made) == 5_000
    assert all(len(one) == 16 for one in made)
    assert not set("".join(made)) & set("01ilo")


async def test_an_error_does_not_quote_what_its_statement_was_given(db):
    async with db.write() as session:
        await session.execute(text("CREATE TABLE secret (word TEXT UNIQUE)"))
        await session.execute(text("INSERT INTO secret VALUES (:word)"), {"word": "xyzzy-4711"})
    with pytest.raises(IntegrityError) as failure:
        async with db.write() as session:
            await session.execute(text("INSERT INTO secret VALUES (:word)"), {"word": "xyzzy-4711"})
    assert "xyzzy-4711" not in str(failure.value)


async def test_a_server_that_cannot_be_reached_fails_like_one_that_does_not_answer(tmp_path: Path) -> None:
    gone = Database(f"postgresql+asyncpg://perch@/perch?host={tmp_path}")
    with pytest.raises(OperationalError) as error:
        async with gone.read() as session:
            await session.execute(text("SELECT 1"))
    assert is_away(error.value)
    assert not error.value.connection_invalidated
    await gone.close()

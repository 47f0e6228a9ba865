"""Hints in PostgreSQL: one with the transaction, heard by some process, lost without harm."""

import asyncio
import time
from datetime import timedelta

import pytest
from sqlalchemy import text

from perch.clock import SystemClock
from perch.db import Database
from perch.db.migrating import migrate
from perch.jobs import Engine
from perch.jobs.on_postgres import PostgresHints, install
from perch.wiring import METADATA

pytestmark = [pytest.mark.postgres, pytest.mark.xdist_group("postgres")]
NONE = timedelta()


@pytest.fixture
async def db(postgres_url):
    opened = Database(postgres_url)
    await migrate(opened, METADATA, also=install)
    yield opened
    await opened.close()


@pytest.fixture
async def start(db):
    """Starts another engine on the database; answers it and what its handler hears."""
    running = []

    def begin(sweep_every=0.2):
        engine, heard = Engine(SystemClock(), sweep_every, hints=PostgresHints(db.url)), []

        async def hear(key):
            heard.append(key)

        engine.handle("listen", hear)
        running.append((engine, asyncio.create_task(engine.run())))
        return engine, heard

    yield begin
    for engine, _ in running:
        engine.stop()
    await asyncio.wait_for(asyncio.gather(*(task for _, task in running)), 20)


async def until(look, seconds=20.0):
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.01)


async def count(db, table):
    async with db.read() as session:
        return await session.scalar(text(f"SELECT count(*) FROM perch_jobs.{table}"))


def now():
    return SystemClock().now()


async def test_a_hint_is_a_row_of_the_callers_transaction(db):
    engine = Engine(SystemClock(), 60, hints=PostgresHints(db.url))
    async with db.write() as session:
        for key in "abc":
            engine.wake(session, "listen", key, now())
        assert await count(db, "hint") == 0
    assert await count(db, "hint") == 3


async def fail_after_waking(db, engine):
    async with db.write() as session:
        engine.wake(session, "listen", "never", now())
        await session.execute(text("no such statement"))


async def test_a_transaction_that_is_rolled_back_leaves_no_hint(db):
    with pytest.raises(Exception, match="syntax"):
        await fail_after_waking(db, Engine(SystemClock(), 60, hints=PostgresHints(db.url)))
    assert await count(db, "hint") == 0


async def test_another_process_hears_at_once_what_one_committed(db, start):
    _, heard = start(sweep_every=60)
    web = Engine(SystemClock(), 60, hints=PostgresHints(db.url))
    await asyncio.sleep(0.5)
    async with db.write() as session:
        web.wake(session, "listen", "ключ", now())
    await until(lambda: heard == ["ключ"])


async def test_of_two_workers_one_hears(db, start):
    (one, first), (_, second) = start(), start()
    await until(lambda: one._hints._queries)
    await one.hint_all("listen", [(str(number), now()) for number in range(200)])
    await until(lambda: len(first) + len(second) == 200)
    await asyncio.sleep(0.2)
    assert sorted([*first, *second]) == sorted(map(str, range(200)))


async def test_a_hint_for_later_waits_and_one_for_a_far_day_is_not_kept(db, start):
    engine, heard = start()
    await until(lambda: engine._hints._queries)
    begun = time.monotonic()
    await engine.hint("listen", "later", now() + timedelta(seconds=0.5))
    await engine.hint("listen", "far", now() + timedelta(days=1))
    await until(lambda: heard == ["later"])
    assert time.monotonic() - begun > 0.45
    assert await count(db, "hint WHERE execute_after > now() + interval '1 hour'") == 0


async def test_what_was_followed_leaves_nothing_behind(db, start):
    engine, heard = start()
    await until(lambda: engine._hints._queries)
    await engine.hint_all("listen", [(str(number), now()) for number in range(60)])
    await until(lambda: len(heard) == 60)
    for _ in range(200):
        if not await count(db, "hint") and not await count(db, "hint_log"):
            break
        await asyncio.sleep(0.05)
    assert (await count(db, "hint"), await count(db, "hint_log")) == (0, 0)


async def test_tables_emptied_under_a_worker_hurt_nothing(db, start):
    engine, heard = start()
    await until(lambda: engine._hints._queries)
    await engine.hint("listen", "lost", now() + timedelta(seconds=30))
    async with db.write() as session:
        await session.execute(text("TRUNCATE perch_jobs.hint, perch_jobs.hint_log"))
    await engine.hint("listen", "next", now())
    await until(lambda: heard == ["next"])


async def test_a_connection_that_is_lost_is_made_again(db, start):
    engine, heard = start()
    await until(lambda: engine._hints._queries)
    async with db.write() as session:
        await session.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                 " AND datname = current_database()")
        )  # fmt: skip
    await until(lambda: engine._hints._queries is None)
    await until(lambda: engine._hints._queries)
    await engine.hint("listen", "back", now())
    await until(lambda: "back" in heard)


async def test_the_tables_are_made_once_and_anew_for_another_edition(db):
    await migrate(db, METADATA, also=install)
    async with db.write() as session:
        await session.execute(text("ALTER TABLE perch_jobs.hint DROP COLUMN headers"))
    await migrate(db, METADATA, also=install)
    async with db.write() as session:
        Engine(SystemClock(), 60, hints=PostgresHints(db.url)).wake(session, "listen", "a", now())
    assert await count(db, "hint") == 1

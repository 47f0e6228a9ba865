"""The committer: what waits together is durable together, and nobody's mistake is another's."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from perch.db import Database
from perch.jobs import Committer


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(f"sqlite+aiosqlite:///{tmp_path}/rows.db")
    async with opened.write() as session:
        await session.execute(text("CREATE TABLE row (n INTEGER NOT NULL)"))
    yield opened
    await opened.close()


@pytest.fixture
def commits(db: Database) -> list[int]:
    """Grows by one with every commit."""
    seen: list[int] = []
    event.listen(db.engine.sync_engine, "commit", lambda _connection: seen.append(1))
    return seen


async def write(session: AsyncSession, rows: Sequence[int | None]) -> list[str]:
    await session.execute(text("INSERT INTO row VALUES (:n)"), [{"n": n} for n in rows])
    return [f"wrote {n}" for n in rows]


async def shout(session: AsyncSession, rows: Sequence[str]) -> list[str]:
    return [row.upper() for row in rows]


async def kept(db: Database) -> list[int]:
    async with db.read() as session:
        return list((await session.scalars(text("SELECT n FROM row ORDER BY n"))).all())


async def test_each_row_gets_its_own_outcome_once_it_is_durable(db):
    committer = Committer(db.write)
    assert await committer.commit(write, 7) == "wrote 7"
    assert await kept(db) == [7]


async def test_rows_that_wait_together_share_one_transaction(db, commits):
    committer = Committer(db.write)
    outcomes = await asyncio.gather(*(committer.commit(write, n) for n in range(100)))
    assert outcomes == [f"wrote {n}" for n in range(100)]
    assert await kept(db) == list(range(100))
    assert len(commits) == 1


async def test_what_comes_while_a_batch_runs_goes_into_the_next(db, commits):
    committer = Committer(db.write)
    first = asyncio.create_task(committer.commit(write, 0))
    while not committer._running:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    rest = [committer.commit(write, n) for n in range(1, 50)]
    await asyncio.gather(first, *rest)
    assert len(commits) == 2
    assert len(await kept(db)) == 50


async def test_different_steps_share_a_transaction_too(db, commits):
    committer = Committer(db.write)
    outcomes = await asyncio.gather(
        committer.commit(write, 1), committer.commit(shout, "two"), committer.commit(write, 2)
    )
    assert list(outcomes) == ["wrote 1", "TWO", "wrote 2"]
    assert len(commits) == 1


async def test_a_row_the_database_refuses_fails_alone(db):
    committer = Committer(db.write)
    outcomes = await asyncio.gather(
        *(committer.commit(write, n) for n in (1, None, 3)), return_exceptions=True
    )
    assert outcomes[::2] == ["wrote 1", "wrote 3"]
    assert isinstance(outcomes[1], IntegrityError)
    assert await kept(db) == [1, 3]
    assert await committer.commit(write, 4) == "wrote 4"


async def test_a_lane_that_is_cancelled_undoes_nobody_s_row(db):
    committer = Committer(db.write)
    tasks = [asyncio.create_task(committer.commit(write, n)) for n in range(10)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(outcomes[3], asyncio.CancelledError)
    await committer.settle()
    assert await kept(db) == list(range(10))


async def test_settling_waits_for_what_was_handed_in(db):
    committer = Committer(db.write)
    await committer.settle()
    task = asyncio.create_task(committer.commit(write, 1))
    await asyncio.sleep(0)
    await committer.settle()
    assert await kept(db) == [1]
    await task


async def test_rows_handed_in_together_share_a_transaction_and_the_last_step_sees_the_others(db, commits):
    async def count(session: AsyncSession, rows: Sequence[str]) -> list[int]:
        return [await session.scalar(text("SELECT count(*) FROM row")) or 0 for _ in rows]

    committer = Committer(db.write, last=(count,))
    counted, written = committer.hand_in(count, "now"), committer.hand_in(write, 1)
    assert await counted == 1
    assert await written == "wrote 1"
    assert len(commits) == 1


class Deadlock(Exception):
    """As PostgreSQL says it."""

    sqlstate = "40P01"


async def test_transactions_that_collided_are_run_again_together(db, commits):
    collisions = [DBAPIError("a statement", None, Deadlock()) for _ in range(3)]

    async def collide(session: AsyncSession, rows: Sequence[int]) -> list[str]:
        if collisions:
            raise collisions.pop()
        return await write(session, rows)

    committer = Committer(db.write)
    outcomes = await asyncio.gather(*(committer.commit(collide, n) for n in range(4)))
    assert outcomes == [f"wrote {n}" for n in range(4)]
    assert len(commits) == 1


async def test_a_database_that_is_away_fails_all_at_once(db):
    tries = []

    async def away(session: AsyncSession, rows: Sequence[int]) -> list[str]:
        tries.append(len(rows))
        raise ConnectionRefusedError

    committer = Committer(db.write)
    outcomes = await asyncio.gather(*(committer.commit(away, n) for n in range(9)), return_exceptions=True)
    assert all(isinstance(outcome, ConnectionRefusedError) for outcome in outcomes)
    assert tries == [9]


async def test_a_few_bad_rows_among_many_are_found_by_halving(db, commits):
    committer = Committer(db.write)
    rows = [None if n in (70, 71, 200) else n for n in range(256)]
    outcomes = await asyncio.gather(*(committer.commit(write, n) for n in rows), return_exceptions=True)
    assert [n for n, one in enumerate(outcomes) if isinstance(one, IntegrityError)] == [70, 71, 200]
    assert len(await kept(db)) == 253
    assert len(commits) < 30

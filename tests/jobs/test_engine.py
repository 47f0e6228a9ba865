"""The engine: hints follow commits, sweeps bring lost ones back, and no handler's mistake stops it."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from perch.clock import SystemClock
from perch.db import Database
from perch.jobs import Engine, Pace
from perch.jobs.hints import InMemoryHints


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(f"sqlite+aiosqlite:///{tmp_path}/rows.db")
    yield opened
    await opened.close()


@pytest.fixture
async def bench() -> AsyncIterator[SimpleNamespace]:
    """An engine, what its handler was called with, and a way to start it; stopped afterwards."""
    engine, heard, tasks = Engine(SystemClock(), sweep_every=0.05), [], []

    async def hear(key: str) -> None:
        heard.append(key)

    engine.handle("listen", hear)

    def start() -> "asyncio.Task[None]":
        tasks.append(asyncio.create_task(engine.run()))
        return tasks[-1]

    yield SimpleNamespace(engine=engine, heard=heard, start=start, now=engine._clock.now)
    engine.stop()
    await asyncio.wait_for(asyncio.gather(*tasks), 10)


async def until(look, seconds=10.0):
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.005)


async def test_a_hint_reaches_its_handler_with_its_key(bench):
    bench.start()
    await bench.engine.hint("listen", "ключ", bench.now())
    await until(lambda: bench.heard == ["ключ"])


async def test_a_wake_waits_for_the_commit(bench, db):
    bench.start()
    async with db.write() as session:
        bench.engine.wake(session, "listen", "after", bench.now())
        await session.execute(text("SELECT 1"))
        await asyncio.sleep(0.1)
        assert bench.heard == []
    await until(lambda: bench.heard == ["after"])


async def fail_after_waking(bench, db):
    async with db.write() as session:
        bench.engine.wake(session, "listen", "never", bench.now())
        await session.execute(text("no such statement"))


async def test_a_transaction_that_is_rolled_back_wakes_nobody(bench, db):
    bench.start()
    with pytest.raises(Exception, match=r"no such statement|syntax"):
        await fail_after_waking(bench, db)
    await bench.engine.hint("listen", "later", bench.now())
    await until(lambda: bench.heard)
    await asyncio.sleep(0.1)
    assert bench.heard == ["later"]


async def test_several_wakes_of_one_transaction_all_come(bench, db):
    bench.start()
    async with db.write() as session:
        for key in "abc":
            bench.engine.wake(session, "listen", key, bench.now())
        await session.execute(text("SELECT 1"))
    await until(lambda: sorted(bench.heard) == ["a", "b", "c"])


async def test_a_hint_for_later_waits_for_its_moment(bench):
    bench.start()
    begun = time.monotonic()
    await bench.engine.hint("listen", "later", bench.now() + timedelta(seconds=0.4))
    await until(lambda: bench.heard)
    assert time.monotonic() - begun > 0.35


async def test_a_hint_for_a_far_day_is_left_to_the_sweeps(bench):
    for day in range(1, 100):
        await bench.engine.hint("listen", "far", bench.now() + timedelta(days=day))
    await bench.engine.hint("listen", "near", bench.now() + timedelta(seconds=30))
    assert sum(waiting.count for waiting in await queries_of(bench).queue_size()) == 1


async def test_hints_that_were_followed_leave_nothing_behind(bench):
    bench.start()
    for number in range(50):
        await bench.engine.hint("listen", str(number), bench.now())
    await until(lambda: len(bench.heard) == 50)
    for _ in range(100):
        if not await queries_of(bench).queue_log() and not await queries_of(bench).queue_size():
            break
        await asyncio.sleep(0.02)
    assert await queries_of(bench).queue_log() == []
    assert await queries_of(bench).log_statistics(None) == []


def queries_of(bench):
    return bench.engine._hints._queries


async def test_a_handler_that_raises_is_logged_and_the_next_hint_is_followed(bench, caplog):
    async def fail(key: str) -> None:
        raise ValueError(key)

    bench.engine.handle("fail", fail)
    bench.start()
    await bench.engine.hint("fail", "boom", bench.now())
    await bench.engine.hint("listen", "fine", bench.now())
    await until(lambda: bench.heard == ["fine"])
    await until(lambda: "job_failed" in caplog.text)


async def test_the_first_sweep_comes_at_once_and_more_follow(bench):
    turns = []

    async def sweep() -> None:
        turns.append(bench.engine.beat_at)

    bench.engine.each_sweep(sweep)
    bench.start()
    await until(lambda: len(turns) >= 3)
    assert turns[0] is None
    assert turns[2] is not None


async def test_a_sweep_that_raises_is_logged_and_the_others_go_on(bench, caplog):
    turns = []

    async def fail() -> None:
        raise ValueError

    async def sweep() -> None:
        turns.append(1)

    bench.engine.each_sweep(fail)
    bench.engine.each_sweep(sweep)
    bench.start()
    await until(lambda: len(turns) >= 2)
    assert "sweep_failed" in caplog.text


async def test_a_lost_hint_is_brought_back_by_a_sweep(bench):
    rows = {"due"}

    async def sweep() -> None:
        for key in rows - set(bench.heard):
            await bench.engine.hint("listen", key, bench.now())

    bench.engine.each_sweep(sweep)
    bench.start()
    await until(lambda: "due" in bench.heard)
    rows.add("written by somebody else")
    await until(lambda: "written by somebody else" in bench.heard)


async def test_asking_for_a_sweep_does_not_wait_for_its_turn():
    engine, turns = Engine(SystemClock(), sweep_every=60), []

    async def sweep() -> None:
        turns.append(1)

    engine.each_sweep(sweep)
    running = asyncio.create_task(engine.run())
    await until(lambda: len(turns) == 1)
    engine.ask_for_sweep()
    await until(lambda: len(turns) == 2)
    engine.stop()
    await asyncio.wait_for(running, 10)


async def test_stopping_waits_for_the_handler_that_runs(bench):
    ended = []

    async def slow(key: str) -> None:
        await asyncio.sleep(0.3)
        ended.append(key)

    bench.engine.handle("slow", slow)
    running = bench.start()
    await bench.engine.hint("slow", "one", bench.now())
    await asyncio.sleep(0.15)
    assert ended == []
    assert not bench.engine.is_stopping
    bench.engine.stop()
    assert bench.engine.is_stopping
    await asyncio.wait_for(running, 10)
    assert ended == ["one"]


def test_a_quicker_pace_keeps_the_proportions():
    whole, quick = Pace(), Pace().scaled(0.02)
    assert quick.http == pytest.approx(0.6)
    assert quick.lease / quick.http == pytest.approx(whole.lease / whole.http)
    assert whole.scaled(1) == whole


def test_a_lane_outlives_the_call_that_runs_in_it():
    assert Pace().http < Pace().lease


class GivenUp(Exception):
    """The work was cut short."""


async def test_work_that_may_be_cut_short_is_when_the_engine_stops(bench):
    async def quick():
        return "done"

    assert await bench.engine.unless_stopping(quick(), GivenUp) == "done"
    long = asyncio.create_task(bench.engine.unless_stopping(asyncio.sleep(60), GivenUp))
    await asyncio.sleep(0)
    bench.engine.stop()
    with pytest.raises(GivenUp):
        await asyncio.wait_for(long, 5)


async def test_while_no_work_may_be_done_ticks_turn_and_sweeps_and_hints_wait():
    allowed: list[bool] = []
    turns: list[str] = []

    async def tick():
        turns.append("tick")

    async def sweep():
        turns.append("sweep")

    async def hear(key):
        turns.append(key)

    engine = Engine(SystemClock(), sweep_every=0.02, may_work=lambda: bool(allowed))
    engine.handle("listen", hear)
    engine.each_tick(tick)
    engine.each_sweep(sweep)
    running = asyncio.create_task(engine.run())
    await engine.hint("listen", "dropped", SystemClock().now())
    await until(lambda: turns.count("tick") > 3)
    assert set(turns) == {"tick"}
    allowed.append(True)
    await until(lambda: "sweep" in turns)
    assert "dropped" not in turns
    engine.stop()
    await asyncio.wait_for(running, 10)


class Littered(InMemoryHints):
    """Hints whose leavings nobody can clear away."""

    async def prune(self) -> None:
        raise RuntimeError("a table that is not ours any more")


async def test_leavings_of_hints_that_cannot_be_cleared_stop_no_sweep():
    engine, turns = Engine(SystemClock(), sweep_every=0.01, hints=Littered()), []

    async def turn() -> None:
        turns.append(engine.beat_at)

    engine.each_sweep(turn)
    running = asyncio.create_task(engine.run())
    await until(lambda: len(turns) > 2)
    engine.stop()
    await asyncio.wait_for(running, 10)
    assert turns[-1] is not None


async def test_what_a_process_found_itself_it_begins_at_that_instant(bench):
    bench.start()
    begun = bench.now()
    bench.engine.begin_at("listen", "later", begun + timedelta(seconds=0.3))
    bench.engine.begin_at("listen", "overdue", begun - timedelta(seconds=5))
    await until(lambda: bench.heard == ["overdue"])
    await until(lambda: bench.heard == ["overdue", "later"])
    assert bench.now() - begun >= timedelta(seconds=0.3)

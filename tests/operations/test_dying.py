"""A worker that is killed or stopped: what it was at goes on without it, once."""

import asyncio
import signal
import sqlite3
import time

import pytest

PACE = "0.05"  # a lease of two seconds


async def until(look, seconds=40.0):
    """The first true answer."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.02)
    return found


def states(instance):
    with sqlite3.connect(f"file:{instance.data / 'perch.db'}?mode=ro", uri=True) as db:
        return [state for (state,) in db.execute("SELECT state FROM post ORDER BY id")]


async def texts(instance):
    return sorted(entry["text"] for entry in (await instance.x("GET", "ledger"))["posts"])


@pytest.fixture
async def apart(instance):
    """A folder with an account, the sandbox beside it; no worker yet."""
    made = await asyncio.to_thread(instance.run, "migrate")
    assert made.returncode == 0, made.stderr
    instance.begin("sandbox", PERCH_PACE=PACE)
    await until(lambda: "sandbox listens" in instance.log)
    await start(instance)
    await instance.login(PERCH_PACE=PACE)
    await instance.stop(instance.running[-1])
    return instance


async def start(instance):
    said = instance.log.count("sends what is due")
    worker = instance.begin("worker", PERCH_PACE=PACE)
    await until(lambda: instance.log.count("sends what is due") > said)
    return worker


async def freeze(instance, worker):
    """Stop it where it holds no lock on the file: whoever writes posts would wait for it in vain."""
    while True:
        worker.send_signal(signal.SIGSTOP)
        await asyncio.sleep(0.05)
        with sqlite3.connect(instance.data / "perch.db", timeout=0, isolation_level=None) as db:
            try:
                db.execute("BEGIN IMMEDIATE")
                db.execute("ROLLBACK")
            except sqlite3.OperationalError:
                worker.send_signal(signal.SIGCONT)
            else:
                return
        await asyncio.sleep(0.02)


async def write(instance, *said):
    for text in said:
        await asyncio.to_thread(instance.run, "post", text, "--at", "now", "--json", PERCH_PACE=PACE)


async def test_a_worker_stopped_for_longer_than_its_lease_is_dead_when_it_is_woken(apart):
    worker = await start(apart)
    worker.send_signal(signal.SIGSTOP)
    await asyncio.sleep(3)
    assert worker.poll() is None
    worker.send_signal(signal.SIGCONT)
    assert await asyncio.to_thread(worker.wait, 10) == -signal.SIGALRM


async def test_what_a_stopped_worker_was_sending_is_finished_by_another_and_sent_once(apart):
    worker = await start(apart)
    await apart.x(
        "POST", "faults", {"match": {"method": "POST", "path": "/2/tweets"}, "action": "delay", "seconds": 1}
    )
    posting = apart.begin("post", "Stopped on its way", PERCH_PACE=PACE)
    await until(lambda: "publishing" in states(apart))
    worker.send_signal(signal.SIGSTOP)
    await asyncio.sleep(3)
    worker.send_signal(signal.SIGCONT)
    assert await asyncio.to_thread(worker.wait, 10) == -signal.SIGALRM
    await start(apart)
    await until(lambda: states(apart) == ["published"], 60)
    assert await texts(apart) == ["Stopped on its way"]
    await asyncio.to_thread(posting.wait, 60)


async def test_a_worker_that_turns_in_time_lives_on_and_ends_on_a_signal(apart):
    worker = await start(apart)
    await asyncio.sleep(2.5)
    assert worker.poll() is None
    assert await apart.stop(worker) == 0


async def test_work_goes_on_within_two_seconds_of_a_restart_after_a_kill(apart):
    worker = await start(apart)
    await freeze(apart, worker)
    queue = [apart.begin("post", f"Number {number}", PERCH_PACE=PACE) for number in range(3)]
    await until(lambda: len(states(apart)) == 3)
    await apart.stop(worker, signal.SIGKILL)
    await start(apart)
    begun = time.monotonic()
    await until(lambda: states(apart) == ["published"] * 3)
    assert time.monotonic() - begun < 2
    assert await texts(apart) == [f"Number {number}" for number in range(3)]
    for one in queue:
        await asyncio.to_thread(one.wait, 60)

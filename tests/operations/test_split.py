"""Web, worker and sandbox as processes of their own, on one SQLite folder."""

import asyncio
import json
import signal
import sqlite3
import time

import aiohttp
import pytest


async def until(look, seconds=30.0):
    """The first true answer."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.02)
    return found


def published(instance):
    with sqlite3.connect(f"file:{instance.data / 'perch.db'}?mode=ro", uri=True) as db:
        return db.execute("SELECT count(*) FROM post WHERE state = 'published'").fetchone()[0]


@pytest.fixture
async def split(instance):
    """A migrated folder, its sandbox and its web; the worker is for the test to start."""
    made = await asyncio.to_thread(instance.run, "migrate")
    assert made.returncode == 0, made.stderr
    instance.begin("sandbox")
    instance.begin("serve")
    await until(lambda: "The web of Perch is at" in instance.log and "sandbox listens" in instance.log)
    return instance


async def start_worker(instance):
    said = instance.log.count("sends what is due")
    worker = instance.begin("worker")
    await until(lambda: instance.log.count("sends what is due") > said)
    return worker


async def key_of(instance):
    made = await asyncio.to_thread(instance.run, "keys", "create", "t", "--scope", "publish:direct", "--json")
    return json.loads(made.stdout)["key"]


async def post(instance, key, text):
    async with (
        aiohttp.ClientSession() as http,
        http.post(
            f"{instance.url}/api/v1/posts",
            json={"text": text, "scheduled_at": "now"},
            headers={"Authorization": f"Bearer {key}"},
        ) as answer,
    ):
        assert answer.status == 201, await answer.text()


async def test_what_the_web_accepts_the_worker_sends_at_once(split):
    worker = await start_worker(split)
    await split.login()
    await post(split, await key_of(split), "From the web, by the worker")
    begun = time.monotonic()
    await until(lambda: published(split) == 1)
    assert time.monotonic() - begun < 4  # sooner than the next sweep
    assert [entry["text"] for entry in (await split.x("GET", "ledger"))["posts"]] == [
        "From the web, by the worker"
    ]
    assert await split.stop(worker) == 0


async def test_the_worker_owns_the_folder_and_the_web_does_not(split):
    worker = await start_worker(split)
    second = await asyncio.to_thread(split.run, "worker")
    assert (second.returncode, f"process {worker.pid}" in second.stderr) == (1, True)
    await split.stop(worker, signal.SIGKILL)
    again = await start_worker(split)
    assert await split.stop(again) == 0

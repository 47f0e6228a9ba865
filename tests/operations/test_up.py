"""``perch up`` as an operator meets it: real processes, real signals, real folders."""

import asyncio
import json
import signal
import socket
import sqlite3
import stat
import sys
import time
from pathlib import Path

import aiohttp
import psutil
import pytest

POST = {"method": "POST", "path": "/2/tweets"}


def rows(instance, statement):
    with sqlite3.connect(f"file:{instance.data / 'perch.db'}?mode=ro", uri=True) as db:
        return db.execute(statement).fetchall()


async def until(look, seconds=30.0):
    """The first true answer."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.02)
    return found


async def test_it_says_where_it_is_serves_and_ends_in_time_on_a_signal(instance):
    process = await instance.up()
    assert f"Perch is at {instance.url}" in instance.log
    assert f"local X, is at {instance.x_url}" in instance.log
    async with aiohttp.ClientSession() as http, http.get(f"{instance.url}/healthz") as answer:
        assert answer.status == 200
    assert stat.S_IMODE((instance.data / "secret.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((instance.data / "wake.sock").stat().st_mode) == 0o600
    assert stat.S_IMODE(instance.data.stat().st_mode) == 0o700
    sandbox = psutil.Process(process.pid).children()
    begun = time.monotonic()
    assert await instance.stop(process) == 0
    assert time.monotonic() - begun < 10
    assert not [child for child in sandbox if child.is_running()]
    assert not (instance.data / "wake.sock").exists()


async def test_a_second_perch_on_the_folder_names_the_first_and_changes_nothing(instance):
    process = await instance.up()
    with socket.socket() as spare:
        spare.bind(("127.0.0.1", 0))
        other = str(spare.getsockname()[1])
    second = await asyncio.to_thread(instance.run, "up", PERCH_PORT=other)
    assert second.returncode == 1
    assert f"process {process.pid} at {instance.url}" in second.stderr
    assert "Traceback" not in second.stderr
    migrating = await asyncio.to_thread(instance.run, "migrate")
    assert (migrating.returncode, str(process.pid) in migrating.stderr) == (1, True)
    async with aiohttp.ClientSession() as http, http.get(f"{instance.url}/readyz") as answer:
        assert answer.status == 200


async def test_the_sandbox_ends_with_perch_even_when_perch_is_killed(instance):
    process = await instance.up()
    [sandbox] = psutil.Process(process.pid).children()
    await instance.stop(process, signal.SIGKILL)
    gone, _ = await asyncio.to_thread(psutil.wait_procs, [sandbox], 10)
    assert gone
    again = await instance.up()
    assert await instance.stop(again) == 0


async def test_a_sandbox_that_crashes_is_begun_again_with_what_it_remembers(instance):
    process = await instance.up()
    await instance.login()
    [sandbox] = psutil.Process(process.pid).children()
    sandbox.kill()
    await until(
        lambda: [one.pid for one in psutil.Process(process.pid).children()] not in ([], [sandbox.pid])
    )
    posted = await asyncio.to_thread(instance.run, "post", "After the crash", "--json")
    assert json.loads(posted.stdout)["state"] == "published"
    assert await instance.stop(process) == 0


async def test_a_send_in_flight_is_recorded_before_perch_ends(instance):
    process = await instance.up()
    await instance.login()
    await instance.x("POST", "faults", {"match": POST, "action": "delay", "seconds": 1.5})
    posting = instance.begin("post", "On its way")
    await until(lambda: rows(instance, "SELECT 1 FROM attempt WHERE state = 'sending'"))
    assert await instance.stop(process) == 0
    assert rows(instance, "SELECT state FROM post") == [("published",)]
    assert rows(instance, "SELECT state FROM attempt") == [("ok",)]
    assert await asyncio.to_thread(posting.wait, 30) == 0


@pytest.mark.parametrize(
    ("fault", "live"),
    [
        ({"action": "delay", "seconds": 60}, 0),
        ({"action": "slow_drip", "seconds": 60}, 1),
    ],
    ids=["before X did the work", "after X did the work"],
)
async def test_a_worker_killed_while_sending_never_sends_twice(instance, fault, live):
    process = await instance.up()
    await instance.login()
    await instance.x("POST", "faults", {"match": POST, **fault})
    posting = instance.begin("post", "Once at most")
    await until(lambda: rows(instance, "SELECT 1 FROM attempt WHERE state = 'sending'"))
    while len((await instance.x("GET", "ledger"))["posts"]) < live:
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)  # until the sandbox has written its world down
    await instance.stop(process, signal.SIGKILL)
    posting.kill()
    await instance.up()
    settled = "found" if live else "unknown"
    await until(lambda: rows(instance, f"SELECT 1 FROM attempt WHERE state = '{settled}' AND n = 1"))
    assert len(rows(instance, "SELECT state FROM attempt")) == 1
    await asyncio.sleep(0.5)
    ledger = (await instance.x("GET", "ledger"))["posts"]
    assert [entry["text"] for entry in ledger] == ["Once at most"] * live


async def test_a_stopped_perch_keeps_its_posts_and_its_people_until_it_is_back(instance):
    process = await instance.up()
    await instance.login()
    await instance.stop(process)
    queued = await asyncio.to_thread(instance.run, "post", "Later then", "--json")
    told = json.loads(queued.stdout)
    assert (queued.returncode, told["state"]) == (0, "scheduled")
    assert "cannot be reached" in told["why"]
    await instance.up()
    await until(lambda: rows(instance, "SELECT 1 FROM post WHERE state = 'published'"))
    assert len((await instance.x("GET", "ledger"))["posts"]) == 1


async def test_no_token_is_in_the_folder_or_in_the_logs_in_plain(instance, tmp_path):
    """A live app whose X is a sandbox of our own that tells its secrets."""
    secret = "c4n4ry-client-secret"
    x = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "perch.sandbox", "--port", str(instance.x_port), "--reveal"),
        *("--callback", f"{instance.url}/auth/x", "--client-secret", secret),
        stdout=asyncio.subprocess.PIPE,
    )
    assert x.stdout is not None
    await x.stdout.readline()
    live = {
        "PERCH_X_CLIENT_ID": "perch-sandbox:ci", "PERCH_X_CLIENT_SECRET": secret,
        "PERCH_X_API_URL": instance.x_url, "PERCH_LOG_LEVEL": "debug",
        "PERCH_X_AUTHORIZE_URL": f"{instance.x_url}/i/oauth2/authorize",
    }  # fmt: skip
    try:
        process = await instance.up(**live)
        await instance.login("sandbox_ada", **live)
        for fault in ({"action": "status", "status": 401}, {"action": "status", "status": 403}):
            await instance.x("POST", "faults", {"match": POST, **fault})
            await asyncio.to_thread(instance.run, "post", f"After {fault['status']}", **live)
        tokens = (await instance.x("GET", "secrets"))["tokens"]
        assert len(tokens) >= 3  # of two pairs; the refused one's access token is gone
        await instance.stop(process, signal.SIGKILL)
    finally:
        x.terminate()
        await x.communicate()
    kept = [path for path in (*instance.data.rglob("*"), tmp_path / "log") if path.is_file()]
    assert {"perch.db", "perch.db-wal", "log"} <= {path.name for path in kept}
    hits = [
        (path.name, token[:6])
        for path in kept
        for token in (*tokens, secret)
        if token.encode() in Path(path).read_bytes()
    ]
    assert hits == []

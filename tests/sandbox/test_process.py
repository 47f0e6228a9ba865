"""The sandbox as a process of its own."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psutil
import pytest

Launch = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def launch() -> AsyncIterator[Launch]:
    started: list[asyncio.subprocess.Process] = []

    async def begin(*arguments: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "perch.sandbox", *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        return process

    yield begin
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def first_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 30)).decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_where_it_listens_stays_small_and_ends_quickly(
    launch: Launch, tmp_path: Path, number: signal.Signals
) -> None:
    process = await launch("--port", "0", "--data", str(tmp_path / "x.db"))
    said = re.fullmatch(r"The sandbox listens on http://127\.0\.0\.1:(\d+)\n", await first_line(process))
    assert said is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", int(said[1]))
    writer.write(b"GET /_sandbox/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert b"200 OK" in await reader.readline()
    assert psutil.Process(process.pid).memory_info().rss < 60 << 20
    begun = time.monotonic()
    process.send_signal(number)
    _, errors = await process.communicate()
    assert time.monotonic() - begun < 3
    assert (process.returncode, errors) == (0, b"")
    writer.close()


async def test_a_taken_port_ends_with_a_sentence_that_names_it(launch: Launch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = await launch("--port", str(port))
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors.decode() == f"The sandbox cannot listen on 127.0.0.1 port {port}: Address already in use.\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
async def test_it_ends_with_the_process_that_started_it() -> None:
    script = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'perch.sandbox', '--port', '0',"
        " '--with-parent', str(os.getpid())], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    child = psutil.Process(int(await first_line(parent)))
    os.kill(parent.pid, signal.SIGKILL)
    await parent.wait()
    gone, _ = await asyncio.to_thread(psutil.wait_procs, [child], 10)
    assert gone


async def test_it_ends_at_once_when_that_process_is_gone_already(launch: Launch) -> None:
    ended = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await ended.wait()
    process = await launch("--port", "0", "--with-parent", str(ended.pid))
    assert await asyncio.wait_for(process.wait(), 20) == 0


async def test_it_imports_nothing_else_of_perch() -> None:
    script = (
        "import sys, perch.sandbox.__main__\n"
        "print(sorted(m for m in sys.modules if m.startswith(('perch.', 'PIL', 'pydantic', 'sqlalchemy'))"
        " and not m.startswith('perch.sandbox')))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert out.decode().strip() == "[]"

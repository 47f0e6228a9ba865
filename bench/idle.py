"""What a Perch that waits costs: web, worker and sandbox together, beside a bare web server."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import psutil

SECONDS = 20
BARE = """
import uvicorn
from fastapi import FastAPI
uvicorn.run(FastAPI(), port={port}, log_level="error")
"""


def run() -> None:
    """Resident memory in MB, processor time in percent, and the median first byte of the first page in ms."""
    port = _free_port()
    with _started([sys.executable, "-c", BARE.format(port=port)], port) as bare:
        base = _measured(bare, port)
    port = _free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        _started(
            [sys.executable, "-m", "perch", "up"], port, PERCH_PORT=str(port), PERCH_DATA_DIR=folder
        ) as perch,
    ):
        ours = _measured(perch, port)
    for name, unit in (("idle_memory", "MB"), ("idle_cpu", "%"), ("first_page", "ms")):
        value, baseline = ours[name], base[name]
        ratio = round(value / baseline, 2) if baseline else None
        print(json.dumps({"bench": name, "value": value, "unit": unit, "baseline": baseline, "ratio": ratio}))


@contextlib.contextmanager
def _started(command: list[str], port: int, **environment: str) -> Iterator[psutil.Process]:
    quiet = {**os.environ, "PERCH_LOG_LEVEL": "warning", **environment}
    process = subprocess.Popen(command, env=quiet, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        _until_it_answers(port)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def _measured(process: psutil.Process, port: int) -> dict[str, float]:
    pages = sorted(_page(port) for _ in range(21))
    family = [process, *process.children(recursive=True)]
    time.sleep(2)
    before = sum(sum(one.cpu_times()[:2]) for one in family)
    time.sleep(SECONDS)
    used = sum(sum(one.cpu_times()[:2]) for one in family) - before
    memory = sum(one.memory_info().rss for one in family) / 1e6
    return {
        "idle_memory": round(memory, 1),
        "idle_cpu": round(100 * used / SECONDS, 2),
        "first_page": round(1000 * pages[len(pages) // 2], 1),
    }


def _page(port: int) -> float:
    start = time.perf_counter()
    with (
        contextlib.suppress(urllib.error.HTTPError),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer,
    ):
        answer.read()
    return time.perf_counter() - start


def _until_it_answers(port: int) -> None:
    for _ in range(600):
        with (
            contextlib.suppress(OSError),
            contextlib.closing(socket.create_connection(("127.0.0.1", port), 1)),
        ):
            return
        time.sleep(0.1)
    raise TimeoutError(f"nothing answers on port {port}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    run()

"""Perch's whole durable path beside programs that only send, in one run on one sandbox.

Every post is claimed, armed, begun and recorded in a database that flushes each commit to the disk.
"""

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.cluster import Cluster

from bench._world import ACCOUNTS, Measured, Plan, Sandbox, fsync_p50, measure, sandbox, send
from perch.jobs import Pace

POSTS = int(os.environ.get("POSTS", "10000"))
RATE = 5000 / 30
PACE = 1
_TWEEPY = 2000


def run() -> None:
    """Print one JSON line a figure."""
    assert Pace().http == Pace().scaled(PACE).http
    with sandbox() as box:
        burst = [0.0] * POSTS
        bare = send(box, "bare", Plan("bare", burst))
        _report_sender("bare", bare, bare, POSTS)
        _tweepy(box, bare)
        steady = send(box, "bare", Plan("bare-steady", _steady(5000)))
        for name, database, workers in _databases():
            for plan in (
                Plan(f"{name}-burst", burst),
                Plan(f"{name}-steady", _steady(5000)),
                Plan(f"{name}-future", _steady(1000), future=100_000),
            ):
                with _folder() as folder, _database(database) as url:
                    fsync = fsync_p50(folder)
                    ours = asyncio.run(measure(box, plan, folder, url, workers))
                if plan.offsets == burst:
                    _report(
                        plan.name + "_sends",
                        POSTS / ours.seconds,
                        "durable sends/s",
                        POSTS / bare.seconds,
                        fsync,
                    )
                    _report(
                        plan.name + "_cpu", _micros(ours, POSTS), "µs CPU/post", _micros(bare, POSTS), fsync
                    )
                else:
                    _report(plan.name + "_p99", ours.p99, "s late", steady.p99, fsync)


def _databases() -> Iterator[tuple[str, str, int]]:
    wanted = os.environ.get("DB", "sqlite,postgres,postgres2").split(",")
    yield from (
        one
        for one in (("sqlite", "sqlite", 1), ("postgres", "postgres", 1), ("postgres2", "postgres", 2))
        if one[0] in wanted
    )


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="perch-bench-"))
    try:
        yield folder
    finally:
        if "KEEP" not in os.environ:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _database(kind: str) -> Iterator[str | None]:
    if kind == "sqlite":
        yield None
        return
    cluster = Cluster()
    try:
        cluster.make()
        yield cluster.url
    finally:
        cluster.remove()


def _steady(posts: int) -> list[float]:
    return [number / RATE for number in range(posts)]


def _tweepy(box: Sandbox, bare: Measured) -> None:
    try:
        theirs = send(box, "tweepy", Plan("tweepy", [0.0] * _TWEEPY))
    except subprocess.CalledProcessError as error:
        print(json.dumps({"bench": "publishing_tweepy", "skipped": error.stderr.strip().splitlines()[-1]}))
    else:
        _report_sender("tweepy", theirs, bare, _TWEEPY)


def _report_sender(name: str, one: Measured, bare: Measured, posts: int) -> None:
    _report(name + "_sends", posts / one.seconds, "sends/s, nothing kept", POSTS / bare.seconds)
    _report(name + "_cpu", _micros(one, posts), "µs CPU/post", _micros(bare, POSTS))


def _micros(one: Measured, posts: int) -> float:
    return 1e6 * one.cpu / posts


def _report(name: str, value: float, unit: str, baseline: float, fsync_ms: float | None = None) -> None:
    line = {
        "bench": f"publishing_{name}", "value": round(value, 3), "unit": unit,
        "baseline": round(baseline, 3), "ratio": round(value / baseline, 3) if baseline else None,
        "accounts": ACCOUNTS, "pace": PACE,
    }  # fmt: skip
    print(json.dumps(line if fsync_ms is None else {**line, "fsync_p50_ms": fsync_ms}), flush=True)


if __name__ == "__main__":
    run()

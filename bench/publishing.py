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

from chaos.cluster import Cluster, NoPostgres

from bench._world import ACCOUNTS, Measured, Plan, Sandbox, fsync_p50, measure, sandbox, send

POSTS = int(os.environ.get("POSTS", "10000"))
RATE = 5000 / 30
PACE = 1
_TWEEPY = 2000
_WORKERS = {"sqlite": 1, "postgres": 1, "postgres-2-workers": 2}
_DATABASES = {name: _WORKERS[name] for name in os.environ.get("DB", ",".join(_WORKERS)).split(",")}


def run() -> None:
    """Print one JSON line a figure. ``POSTS`` makes the burst smaller, ``DB`` names some of the databases."""
    with sandbox() as box:
        bare = send(box, "bare", Plan("bare", [0.0] * POSTS))
        _report_sender("bare", bare, bare, POSTS)
        _tweepy(box, bare)
        steady = send(box, "bare", Plan("bare-steady", _steady(5000)))
        for name, workers in _DATABASES.items():
            try:
                _perch(box, name, workers, bare, steady)
            except NoPostgres as reason:
                print(json.dumps({"bench": f"publishing_{name}", "skipped": str(reason)}), flush=True)


def _perch(box: Sandbox, name: str, workers: int, bare: Measured, steady: Measured) -> None:
    burst, fsync = _measure(box, Plan(f"{name}-burst", [0.0] * POSTS), name, workers)
    _report(f"{name}_sends", POSTS / burst.seconds, "durable sends/s", POSTS / bare.seconds, fsync)
    _report(f"{name}_cpu", _micros(burst, POSTS), "µs CPU/post", _micros(bare, POSTS), fsync)
    for plan in (
        Plan(f"{name}-steady", _steady(5000)),
        Plan(f"{name}-beside-100000-later", _steady(1000), future=100_000),
    ):
        late, fsync = _measure(box, plan, name, workers)
        _report(f"{plan.name}_p99", late.p99, "s late", steady.p99, fsync)


def _measure(box: Sandbox, plan: Plan, name: str, workers: int) -> tuple[Measured, float]:
    with _folder() as folder, _database(name) as url:
        fsync = fsync_p50(folder)
        return asyncio.run(measure(box, plan, folder, url, workers)), fsync


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="perch-bench-"))
    try:
        yield folder
    finally:
        if "KEEP" not in os.environ:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _database(name: str) -> Iterator[str | None]:
    if name == "sqlite":
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

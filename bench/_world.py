"""What the publishing benchmark stands on: a sandbox, a crowd of accounts, posts as rows, workers."""

import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import func, insert, select

from perch import wiring
from perch.accounts.grants import seal_pair
from perch.accounts.models import Grant, XAccount, XApp
from perch.db import new_public_id
from perch.people.models import Workspace
from perch.posts import chain
from perch.posts.models import Post, PostState, Segment
from perch.settings import Settings
from perch.wiring import Perch
from perch.x.oauth2 import TokenPair

ACCOUNTS = 1000
KEY = "k1:a-key-of-the-benchmark-that-opens-nothing-else"
_SCOPE = "tweet.read tweet.write users.read media.write offline.access"
_ROWS = 5000


@dataclass(frozen=True)
class Sandbox:
    """A local X as a process of its own, without limits, and people who live there."""

    url: str
    people: Sequence[dict[str, Any]]

    def ask(self, method: str, path: str, body: object = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_sandbox/{path}", content, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def sent(self, name: str) -> dict[str, tuple[float, str, str]]:
        """(second, account, text) of what arrived of one run, by its text."""
        found: dict[str, tuple[float, str, str]] = {}
        since: str | None = "0"
        while since is not None:
            page = self.ask("GET", f"ledger?since={since}&limit=10000")
            for post in page["posts"]:
                if post["text"].startswith(name + " "):
                    assert post["text"] not in found, "sent twice"
                    found[post["text"]] = (post["at_ms"] / 1000, post["account"], post["text"])
            since = page["next"]
        return found


@contextlib.contextmanager
def sandbox(people: int = ACCOUNTS) -> Iterator[Sandbox]:
    """A sandbox with so many people, each with a token pair."""
    command = [sys.executable, "-m", "perch.sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        url = process.stdout.readline().decode().rpartition(" ")[2].strip()
        try:
            empty = Sandbox(url, ())
            empty.ask("POST", "profile", {"name": "no-limits"})
            yield Sandbox(url, empty.ask("POST", "crowd", {"count": people})["people"])
        finally:
            process.terminate()


@dataclass(frozen=True)
class Plan:
    """Posts of one run: when each is due after the start, and how many more lie far in the future."""

    name: str
    offsets: Sequence[float]
    future: int = 0

    def text(self, number: int) -> str:
        return f"{self.name} {number}: a post of ordinary length, with plain words and nothing else"


@dataclass(frozen=True)
class Measured:
    """How a run went: seconds from the first instant to the last row, processor time, lateness at X."""

    seconds: float
    cpu: float
    p99: float


async def measure(box: Sandbox, plan: Plan, folder: Path, database: str | None, workers: int) -> Measured:
    """Play a plan through ``perch worker`` processes, from rows that are due to rows that are recorded."""
    settings = Settings(
        _env_file=None, data_dir=folder, secret_key=KEY, database_url=database, sandbox="off",  # type: ignore[call-arg,arg-type]
        x_client_id="perch-sandbox", x_client_secret="sandbox-secret", x_api_url=box.url,  # type: ignore[arg-type]
    )  # fmt: skip
    async with wiring.assemble(settings) as perch:
        await wiring.bring_up_to_date(perch)
        await wiring.prepare_apps(perch)
        accounts = await seed_accounts(perch, box)
        if plan.future:
            month = datetime.now(UTC) + timedelta(days=30)
            lies = [month + timedelta(seconds=number) for number in range(plan.future)]
            await _seed_posts(perch, accounts, Plan(f"{plan.name}-later", ()), lies)
        begins = datetime.now(UTC) + timedelta(seconds=8 + len(plan.offsets) / 2500)
        dues = [begins + timedelta(seconds=offset) for offset in plan.offsets]
        await _seed_posts(perch, accounts, plan, dues)
        with _workers(settings, workers) as processes:
            await asyncio.sleep((begins - datetime.now(UTC)).total_seconds() - 0.2)
            before = _cpu(processes)
            await _until_done(perch, processes, dues[-1])
            done, used = datetime.now(UTC), _cpu(processes) - before
        await _check(perch, len(plan.offsets))
    sent = box.sent(plan.name)
    late = sorted(sent[plan.text(number)][0] - due.timestamp() for number, due in enumerate(dues))
    assert late[0] > -1, "sent early"
    return Measured((done - begins).total_seconds(), used, late[len(late) * 99 // 100])


async def seed_accounts(perch: Perch, box: Sandbox) -> list[int]:
    """An account for each of the sandbox's people, signed in."""
    now = perch.clock.now()
    async with perch.db.write() as session:
        app = (await session.scalars(select(XApp))).one()
        workspace = Workspace(name="Bench", created_at=now)
        session.add(workspace)
        await session.flush()
        rows, grants = [], []
        for number, person in enumerate(box.people, start=1):
            account, grant = new_public_id(), new_public_id()
            rows.append(
                {
                    "id": number, "public_id": account, "app_id": app.id, "workspace_id": workspace.id,
                    "x_user_id": person["id"], "username": person["username"], "name": person["username"],
                    "zone": "UTC", "created_at": now,
                }
            )  # fmt: skip
            pair = TokenPair(person["access_token"], person["refresh_token"], 7200, tuple(_SCOPE.split()))
            sealed = seal_pair(perch.sealer, grant, account, pair, now)
            grants.append(
                {"public_id": grant, "account_id": number, "scope": _SCOPE, "granted_at": now, **sealed}
            )
        await session.execute(insert(XAccount), rows)
        await session.execute(insert(Grant), grants)
    return [int(row["id"]) for row in rows]


async def _seed_posts(perch: Perch, accounts: Sequence[int], plan: Plan, dues: Sequence[datetime]) -> None:
    async with perch.db.read() as session:
        first = 1 + (await session.scalar(select(func.max(Post.id))) or 0)
        workspace = await session.scalar(select(Workspace.id))
    for start in range(0, len(dues), _ROWS):
        now, numbers = perch.clock.now(), range(start, min(start + _ROWS, len(dues)))
        posts = [
            {
                "id": first + number, "public_id": new_public_id(), "workspace_id": workspace,
                "account_id": accounts[number % len(accounts)], "author_kind": "cli", "author_id": "bench",
                "author_name": "bench", "state": PostState.SCHEDULED, "due_at": dues[number],
                "content_hash": "0" * 64, "price_micros": 15_000, "created_at": now, "updated_at": now,
            }
            for number in numbers
        ]  # fmt: skip
        cards = [
            {
                "post_id": first + number, "account_id": accounts[number % len(accounts)], "position": 0,
                "text": plan.text(number), "weight": 80, "price_micros": 15_000,
            }
            for number in numbers
        ]  # fmt: skip
        told: chain.Detail = {"by": "cli", "name": "bench", "price_micros": 15_000}
        async with perch.db.write() as session:
            await session.execute(insert(Post), posts)
            await session.execute(insert(Segment), cards)
            await chain.append(
                session, [chain.Happening(first + number, now, "queued", told) for number in numbers]
            )
    async with perch.db.write() as session:
        # A database that has been in use knows its tables' statistics; a fresh one has none.
        await (await session.connection()).exec_driver_sql("ANALYZE")


@contextlib.contextmanager
def _workers(settings: Settings, count: int) -> Iterator[list[psutil.Process]]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PERCH_")},
        "PERCH_SECRET_KEY": KEY, "PERCH_SANDBOX": "off", "PERCH_X_API_URL": settings.x_api_url,
        "PERCH_X_CLIENT_ID": "perch-sandbox", "PERCH_X_CLIENT_SECRET": "sandbox-secret",
        "PERCH_LOG_FORMAT": "json",
    }  # fmt: skip
    if not settings.is_sqlite:
        environment["PERCH_DATABASE_URL"] = settings.database
    running = []
    try:
        for number in range(count):
            folder = settings.data_dir if count == 1 else settings.data_dir / f"worker{number}"
            with (settings.data_dir / f"worker{number}.log").open("wb") as log:
                running.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "perch", "worker"],
                        stdout=log,
                        stderr=log,
                        env={**environment, "PERCH_DATA_DIR": str(folder)},
                        cwd=settings.data_dir,
                    )
                )
        yield [psutil.Process(process.pid) for process in running]
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(60)


def _cpu(processes: Sequence[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


async def _until_done(perch: Perch, processes: Sequence[psutil.Process], last: datetime) -> None:
    limit = time.monotonic() + 300
    open_ = (PostState.SCHEDULED, PostState.PUBLISHING)
    statement = select(Post.id).where(Post.due_at <= last, Post.state.in_(open_)).limit(1)
    while True:
        async with perch.db.read() as session:
            if await session.scalar(statement) is None:
                return
        assert time.monotonic() < limit, "not all went out"
        assert all(process.status() != psutil.STATUS_ZOMBIE for process in processes), "a worker ended"
        await asyncio.sleep(0.1)


async def _check(perch: Perch, count: int) -> None:
    async with perch.db.read() as session:
        published = select(func.count()).where(Post.state == PostState.PUBLISHED)
        assert await session.scalar(published) == count, "not all were published"


def send(box: Sandbox, how: str, plan: Plan) -> Measured:
    """The same posts through a program that only sends."""
    begins = time.time() + 2
    jobs = [
        (begins + offset, person["username"], person["access_token"], plan.text(number))
        for number, offset in enumerate(plan.offsets)
        for person in (box.people[number % len(box.people)],)
    ]
    given = json.dumps({"url": box.url, "jobs": jobs, "begins_at": begins})
    done = subprocess.run(
        [sys.executable, "-m", "bench._senders", how], input=given, capture_output=True, text=True, check=True
    )
    report = json.loads(done.stdout)
    return Measured(report["seconds"], report["cpu"], report["p99"])


def fsync_p50(folder: Path) -> float:
    """Milliseconds that a small write takes to be on this disk."""
    took = []
    with (folder / "fsync").open("wb") as file:
        for _ in range(200):
            begun = time.perf_counter()
            file.write(b"0" * 4096)
            file.flush()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - begun)
    return round(1000 * statistics.median(took), 2)

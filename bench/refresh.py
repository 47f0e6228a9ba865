"""Many sign-ins renewed together beside one after the other, and a few renewed by many processes at once.

X's token endpoint answers after 50 ms here. Durable on a disk that is flushed at each commit.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

from chaos.cluster import Cluster
from sqlalchemy import func, select, update

from bench._world import KEY, Sandbox, fsync_p50, sandbox, seed_accounts
from perch import logs, wiring
from perch.accounts.models import Grant, RefreshState
from perch.settings import Settings
from perch.wiring import Perch

GRANTS = int(os.environ.get("GRANTS", "10000"))
RENEWALS = int(os.environ.get("RENEWALS", "5000"))
ANSWER_SECONDS = 0.05
_ONE_BY_ONE = 200
_FEW, _PROCESSES, _LANES = 12, 8, 2


def run() -> None:
    """Print one JSON line a figure."""
    logs.configure(Settings(_env_file=None, log_level="error"))  # type: ignore[call-arg]
    for name in os.environ.get("DB", "sqlite,postgres").split(","):
        with _folder() as folder, _database(name) as url, sandbox(GRANTS) as box:
            asyncio.run(_together(name, box, folder, url))
        with _folder() as folder, _database(name) as url, sandbox(_FEW) as box:
            asyncio.run(_hammered(name, box, folder, url))


async def _together(name: str, box: Sandbox, folder: Path, database: str | None) -> None:
    """Every grant expires at once: the first ones are renewed one by one, then the rest together."""
    async with _seeded(box, folder, database) as (perch, accounts):
        await _expire(perch)
        alone = await _timed(perch, accounts[:_ONE_BY_ONE], at_once=False)
        together = await _timed(perch, accounts[_ONE_BY_ONE:], at_once=True)
        await _check(perch, box, len(accounts))
    _report(f"refresh_together_{name}", together, alone, folder, grants=GRANTS)


async def _timed(perch: Perch, accounts: Sequence[int], *, at_once: bool) -> float:
    """Renewals a second."""
    begun = time.perf_counter()
    if at_once:
        assert await perch.keyring.renew_ahead(accounts) == len(accounts)
    else:
        for account_id in accounts:
            await perch.keyring.client_for(account_id)
    return len(accounts) / (time.perf_counter() - begun)


async def _hammered(name: str, box: Sandbox, folder: Path, database: str | None) -> None:
    async with _seeded(box, folder, database) as (perch, accounts):
        begun = time.perf_counter()
        seen = _all_said(_started(perch, accounts))
        renewals = await _check(perch, box, 0)
        seconds = time.perf_counter() - begun
    errors = {what: count for what, count in seen.items() if what != "opened"}
    limit = _FEW / ANSWER_SECONDS
    _report(
        f"refresh_hammered_{name}", renewals / seconds, limit, folder,
        grants=_FEW, processes=_PROCESSES, renewals=renewals, overlaps=0, lost=0, **errors,
    )  # fmt: skip


def _started(perch: Perch, accounts: Sequence[int]) -> list["subprocess.Popen[str]"]:
    asked = {
        "database": perch.settings.database, "key": KEY, "accounts": accounts,
        "renewals": RENEWALS, "lanes": _LANES,
    }  # fmt: skip
    command = [sys.executable, "-m", "bench._hammering", json.dumps(asked)]
    return [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(_PROCESSES)]


def _all_said(processes: Sequence["subprocess.Popen[str]"]) -> Counter[str]:
    seen: Counter[str] = Counter()
    for process in processes:
        said, _ = process.communicate()
        assert process.returncode == 0, "a process failed"
        seen += Counter(json.loads(said))
    return seen


async def _check(perch: Perch, box: Sandbox, least: int) -> int:
    """How many renewals there were; none of one grant overlapped, none was lost, all sign-ins live."""
    count = box.ask("GET", "refreshes")
    async with perch.db.read() as session:
        states = set(await session.scalars(select(Grant.refresh_state).distinct()))
        renewals = await session.scalar(select(func.sum(Grant.generation - 1))) or 0
    assert count["overlaps"] == 0, "two refreshes of a grant were under way at once"
    assert states == {RefreshState.IDLE}, "a sign-in was lost"
    assert count["seen"] == renewals >= least, "a pair was lost"
    return int(renewals)


@asynccontextmanager
async def _seeded(box: Sandbox, folder: Path, database: str | None) -> AsyncIterator[tuple[Perch, list[int]]]:
    _slow(box)
    settings = Settings(
        _env_file=None, data_dir=folder, secret_key=KEY, database_url=database, sandbox="off",  # type: ignore[call-arg,arg-type]
        x_client_id="perch-sandbox:ci", x_client_secret="perch-sandbox-secret", x_api_url=box.url,  # type: ignore[arg-type]
    )  # fmt: skip
    async with wiring.assemble(settings) as perch:
        await wiring.bring_up_to_date(perch)
        await wiring.prepare_apps(perch)
        yield perch, await seed_accounts(perch, box)


async def _expire(perch: Perch) -> None:
    past = perch.clock.now() - timedelta(seconds=1)
    async with perch.db.write() as session:
        await session.execute(update(Grant).values(expires_at=past))


def _slow(box: Sandbox) -> None:
    fault = {"match": {"path": "/2/oauth2/token"}, "action": "delay", "seconds": ANSWER_SECONDS, "rate": 1}
    box.ask("POST", "faults", fault)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="perch-bench-") as folder:
        yield Path(folder)


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


def _report(name: str, value: float, baseline: float, folder: Path, **more: object) -> None:
    line = {
        "bench": name, "value": round(value, 1), "unit": "renewals/s", "baseline": round(baseline, 1),
        "ratio": round(value / baseline, 2), "answer_ms": 1000 * ANSWER_SECONDS,
        "fsync_p50_ms": fsync_p50(folder), **more,
    }  # fmt: skip
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    run()

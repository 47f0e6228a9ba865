"""One campaign from an empty folder to a verdict. It always ends: by itself, or because nothing moves."""

import asyncio
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from chaos import faults, judging, rows
from chaos.cluster import Cluster
from chaos.feeding import People
from chaos.judging import AT_REST, ENDED, Evidence, Verdict
from chaos.killing import Reaper
from chaos.plan import Plan
from chaos.processes import Processes, free_ports

STUCK_SECONDS = 90.0
HTTP_SECONDS = 30.0
# Everything secret that the sandbox hands out begins like this; Perch's own begin like the second.
SECRET = re.compile(rb"sandbox-(?:access|refresh)-[\w-]{20,}|perch_(?:gpt|pat)_[\w-]{20,}")


async def run(plan: Plan, *, keep: bool = False) -> dict[str, Any]:
    """The report: what ``make chaos`` prints as its last line."""
    begun = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="perch-chaos-"))
    say(f"pace {plan.pace:g}: every waiting time is scaled by it. Seed {plan.seed}, {plan.base}, {folder}")
    async with AsyncExitStack() as stack:
        cluster = _cluster(stack) if plan.base == "postgres" else None
        processes = Processes(plan, folder, *free_ports(), cluster.url if cluster else None)
        stack.callback(processes.end)
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)))
        people, reaper = People(plan, processes, http), Reaper(plan, processes, cluster)
        found: rows.Rows = (
            rows.PostgresRows(cluster.dsn) if cluster else rows.SqliteRows(processes.data / "perch.db")
        )
        ended = await _play(plan, processes, people, reaper, found)
        evidence = await _gather(plan, people, reaper, found, ended)
        processes.end()
        verdict = judging.judge(evidence)
        leaks = _leaks(processes, cluster)
    report = _report(plan, evidence, verdict, reaper, leaks, time.monotonic() - begun)
    if keep or not is_clean(report):
        say(f"Logs and database are kept in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return report


def is_clean(report: dict[str, Any]) -> bool:
    """Whether every promise was kept."""
    return not (report["lost"] or report["duplicates"] or report["out_of_order"] or report["broken"])


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _cluster(stack: AsyncExitStack) -> Cluster:
    cluster = Cluster()
    stack.callback(cluster.remove)
    cluster.make()
    return cluster


async def _play(
    plan: Plan, processes: Processes, people: People, reaper: Reaper, found: rows.Rows
) -> dict[str, str]:
    """Everything that happens; returns the posts that were seen to end, and how."""
    processes.begin_sandbox()
    await processes.run("migrate")
    processes.begin_web()
    await _until_answers(people.http, f"{processes.x_url}/_sandbox/health")
    await _until_answers(people.http, f"{processes.url}/healthz")
    await people.control("POST", "profile", {"name": "no-limits"})
    await people.control("PUT", "settings", faults.SETTINGS)
    await people.sign_in_all()
    say(f"{plan.accounts} people are signed in")
    for rule in faults.rules(plan.faults):
        await people.control("POST", "faults", rule)
    for number in range(plan.workers):
        await reaper.revive(f"worker{number}")
    ended: dict[str, str] = {}
    async with asyncio.TaskGroup() as group:
        reaping = group.create_task(reaper.reap())
        feeding = group.create_task(people.write_all(reaper.has_come_to))
        watching = group.create_task(reaper.watch())
        await _until_rest(people, reaper, found, ended, (reaping, feeding))
        watching.cancel()
    return ended


async def _until_answers(http: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(60):
        while True:
            with suppress(aiohttp.ClientError):
                async with http.get(url) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.1)


async def _until_rest(
    people: People,
    reaper: Reaper,
    found: rows.Rows,
    ended: dict[str, str],
    working: tuple["asyncio.Task[None]", ...],
) -> None:
    """Look every second; over when all is at rest, or when nothing has moved for a long while."""
    moved, most, told = time.monotonic(), -1, 0.0
    while True:
        await asyncio.sleep(1)
        try:
            posts = await rows.posts(found)
        except (
            OSError,
            sqlite3.Error,
            asyncpg.PostgresError,
        ):  # the database is being restarted, or locked: look again
            continue
        states = Counter(post.state for post in posts)
        for post in posts:
            if post.state in ENDED:
                ended.setdefault(post.public_id, post.state)
        at_rest = sum(count for state, count in states.items() if state in AT_REST)
        if at_rest != most:
            moved, most = time.monotonic(), at_rest
        is_fed = all(task.done() for task in working)
        if is_fed and at_rest == len(posts):
            return
        if is_fed and time.monotonic() - moved > STUCK_SECONDS:
            say(f"nothing has come to rest for {STUCK_SECONDS:g} s: {dict(states)}")
            return
        if time.monotonic() - told > 10:
            told = time.monotonic()
            say(f"{dict(states)} {dict(reaper.done)}")
        await _reconnect(people, posts, found)


async def _reconnect(people: People, posts: list[rows.PostRow], found: rows.Rows) -> None:
    """Whoever is asked to sign in again does so, as a person would."""
    if not any(post.paused_reason == "login" for post in posts):
        return
    waiting = await found.ask(
        "SELECT DISTINCT x_account.username FROM x_account JOIN post ON post.account_id = x_account.id"
        " WHERE post.paused_reason = 'login' OR x_account.paused_reason = 'login'"
    )
    for (username,) in waiting:
        await people.sign_in(str(username))


async def _gather(
    plan: Plan, people: People, reaper: Reaper, found: rows.Rows, ended: dict[str, str]
) -> Evidence:
    # What X took late is part of the ledger.
    await asyncio.sleep(180 * plan.pace + 1)
    return Evidence(
        accepted=list(people.accepted.values()),
        posts=await rows.posts(found),
        cards=await rows.cards(found),
        attempts=await rows.attempts(found),
        ledger=await people.all_of("ledger"),
        requests=await people.all_of("requests"),
        ended=ended,
        troubled=reaper.troubled,
        patience_ms=HTTP_SECONDS * plan.pace * 1000,
    )


def _leaks(processes: Processes, cluster: Cluster | None) -> int:
    """Secrets in plain in a log or in the database."""
    texts = [log.read_bytes() for log in processes.logs]
    texts += [file.read_bytes() for file in processes.folder.glob("data*/perch.db*")]
    if cluster is not None:
        texts.append(cluster.dump())
    return sum(len(SECRET.findall(text)) for text in texts)


def _report(
    plan: Plan, evidence: Evidence, verdict: Verdict, reaper: Reaper, leaks: int, seconds: float
) -> dict[str, Any]:
    for invariant, sentences in sorted(verdict.broken.items()):
        for sentence in sentences[:20]:
            say(f"{invariant}: {sentence}")
    states = Counter(post.state for post in evidence.posts)
    unknowns = judging.Unknowns.of(evidence.attempts)
    broken = {name: len(found) for name, found in sorted(verdict.broken.items())}
    return {
        "posts": len(evidence.accepted),
        "kills": reaper.done["kill"],
        "lost": verdict.lost,
        "duplicates": verdict.duplicates,
        "out_of_order": verdict.out_of_order,
        "needs_you": states["needs_you"],
        "seconds": round(seconds, 1),
        "seed": plan.seed,
        "db": plan.base,
        "pace": plan.pace,
        "workers": plan.workers,
        "cards": len(evidence.cards),
        "sent": sum(1 for entry in evidence.ledger if not entry["deleted"]),
        "faulted": round(judging.faulted(evidence.requests), 3),
        "unknowns": unknowns.found + unknowns.absent + unknowns.asked,
        "resolved": round(unknowns.resolved, 4),
        "wrong_verdicts": verdict.count("wrong"),
        "states": dict(states),
        "mischief": dict(reaper.done),
        "broken": {**broken, "I12": leaks} if leaks else broken,
    }

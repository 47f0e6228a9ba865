"""What happens to the processes while they work, at moments that the seed decides."""

import asyncio
import os
import signal
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass, field

from chaos.cluster import Cluster
from chaos.plan import Plan
from chaos.processes import Processes

STARTING = 20.0
LEASE = 40.0


@dataclass(slots=True)
class Reaper:
    """Kills, freezes, crashes the database, locks the file. ``troubled`` remembers when, in epoch ms."""

    plan: Plan
    processes: Processes
    cluster: Cluster | None
    done: Counter[str] = field(default_factory=Counter)
    troubled: list[tuple[int, int]] = field(default_factory=list)
    _turns: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def reap(self) -> None:
        """All kills of the plan, with every other mischief in between."""
        chance = self.plan.chance("kills")
        while self.done["kill"] < self.plan.kills:
            victim = f"worker{chance.randrange(self.plan.workers)}"
            await asyncio.sleep(chance.uniform(0.05, 1.6))
            begun = _now_ms()
            match chance.choices(("kill", "freeze", "web", "database"), (84, 8, 4, 4))[0]:
                case "kill":
                    async with self._turn(victim):
                        await self._kill(victim)
                case "web":
                    self.processes.kill("serve")
                    self.processes.begin_web()
                    self.done["web"] += 1
                case "freeze":
                    async with self._turn(victim):
                        await self._freeze(victim, chance.uniform(0.5, 2.5) * LEASE * self.plan.pace)
                case _:
                    await self._database(chance.uniform(0.2, 3.0))
            self.troubled.append((begun, _now_ms()))

    def has_come_to(self, share: float) -> bool:
        """Whether the next kill but one is beyond this share of them all."""
        return share * self.plan.kills <= self.done["kill"] + 1

    def _turn(self, name: str) -> asyncio.Lock:
        """Who kills or starts a process has it to himself: two that start it would leave one behind."""
        return self._turns.setdefault(name, asyncio.Lock())

    async def _kill(self, victim: str) -> None:
        self.processes.kill(victim)
        self.done["kill"] += 1
        await self.revive(victim)

    async def revive(self, victim: str) -> None:
        """Start it again, and wait until it works: a worker that is always starting is no test."""
        number, said = int(victim.removeprefix("worker")), self._length_of_log(victim)
        process = self.processes.begin_worker(number)
        until = time.monotonic() + STARTING
        while not self._greeted_after(victim, said) and time.monotonic() < until:
            if process.poll() is not None:
                process = self.processes.begin_worker(number)
            await asyncio.sleep(0.05)

    def _length_of_log(self, victim: str) -> int:
        log = self.processes.log_of(victim)
        return log.stat().st_size if log.exists() else 0

    def _greeted_after(self, victim: str, length: int) -> bool:
        with self.processes.log_of(victim).open("rb") as log:
            log.seek(length)
            return b"sends what is due" in log.read()

    async def _freeze(self, victim: str, seconds: float) -> None:
        """SIGSTOP past the lease, often: it must not send late when it wakes."""
        pid = self.processes.running[victim].pid
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(pid, signal.SIGCONT)
        self.done["freeze"] += 1

    async def _database(self, seconds: float) -> None:
        if self.cluster is not None:
            await asyncio.to_thread(self.cluster.crash)
            await asyncio.to_thread(self.cluster.start)
            self.done["database"] += 1
            return
        holder = sqlite3.connect(self.processes.data / "perch.db", timeout=30, isolation_level=None)
        try:
            holder.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(seconds)
            holder.execute("ROLLBACK")
            self.done["locked"] += 1
        finally:
            holder.close()

    async def watch(self) -> None:
        """Start again what ended by itself, as a supervisor would: a worker that overslept ends itself."""
        while True:
            await asyncio.sleep(0.3)
            for name in ["serve", *(f"worker{number}" for number in range(self.plan.workers))]:
                if self.processes.running[name].poll() is not None:
                    async with self._turn(name):
                        await self._begin_again(name)

    async def _begin_again(self, name: str) -> None:
        if self.processes.running[name].poll() is None:
            return  # the reaper was there first
        self.done["ended by itself"] += 1
        if name == "serve":
            self.processes.begin_web()
            return
        begun = _now_ms()
        await self.revive(name)
        self.troubled.append((begun, _now_ms()))


def _now_ms() -> int:
    return int(time.time() * 1000)

"""The processes of one campaign: sandbox, web and workers, started as an operator starts them."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chaos.plan import Plan

PERCH = (sys.executable, "-m", "perch")
SECRET_KEY = "chaos:a-key-for-campaigns-that-opens-nothing-else"


@dataclass(slots=True)
class Processes:
    """Everything that runs, in a folder of its own, and what it said."""

    plan: Plan
    folder: Path
    port: int
    x_port: int
    database_url: str | None = None
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def x_url(self) -> str:
        return f"http://127.0.0.1:{self.x_port}"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def logs(self) -> Sequence[Path]:
        return sorted(self.folder.glob("*.log"))

    def log_of(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def begin(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start ``perch`` with these arguments under a name; what it says goes to the name's log."""
        with self.log_of(name).open("ab") as log:
            process = subprocess.Popen(
                [*PERCH, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.folder, env=self._environment(name), start_new_session=True,
            )  # fmt: skip
        self.running[name] = process
        self.started.append(process)
        return process

    async def run(self, *arguments: str) -> None:
        process = self.begin("once", *arguments)
        if await asyncio.to_thread(process.wait, 120):
            raise RuntimeError((self.folder / "once.log").read_text())

    def begin_worker(self, number: int) -> subprocess.Popen[bytes]:
        return self.begin(f"worker{number}", "worker")

    def begin_web(self) -> subprocess.Popen[bytes]:
        return self.begin("serve", "serve")

    def begin_sandbox(self) -> subprocess.Popen[bytes]:
        return self.begin("sandbox", "sandbox")

    def kill(self, name: str) -> None:
        """kill -9, and wait until the kernel has cleaned up."""
        self.running[name].kill()
        self.running[name].wait()

    def end(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self.started:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _environment(self, name: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PERCH_")}
        # Machines share a database and no folder.
        data = self.data if self.database_url is None else self.folder / f"data-{name}"
        database = {"PERCH_DATABASE_URL": self.database_url} if self.database_url else {}
        return {
            **kept, **database, "PERCH_DATA_DIR": str(data), "PERCH_SECRET_KEY": SECRET_KEY,
            "PERCH_PORT": str(self.port), "PERCH_SANDBOX_PORT": str(self.x_port), "PERCH_SANDBOX": "on",
            "PERCH_SIGN_IN": "open", "PERCH_PACE": str(self.plan.pace), "PERCH_LOG_FORMAT": "json",
            "SANDBOX_SEED": str(self.plan.seed),
        }  # fmt: skip


def free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return int(first.getsockname()[1]), int(second.getsockname()[1])

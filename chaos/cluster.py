"""A PostgreSQL for one campaign, from the installed binaries, as durable as it comes."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path


class NoPostgres(Exception):
    """PostgreSQL cannot be started here, and why."""


class Cluster:
    """Behind a socket in a folder of its own, as the user postgres when we are root."""

    def __init__(self) -> None:
        self._programs = _programs()
        self._user = _user()
        # A socket's path may have 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="perch-chaos-pg-"))
        if self._user:
            shutil.chown(self.folder, self._user)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql+asyncpg://perch@/perch?host={self.folder}"

    @property
    def dsn(self) -> str:
        return f"postgresql://perch@/perch?host={self.folder}"

    def make(self) -> None:
        self._call("initdb", "-D", str(self.folder / "data"), "-U", "perch", "-A", "trust", "-E", "UTF8")
        self.start()
        self._call("createdb", "-h", str(self.folder), "-U", "perch", "perch")

    def start(self) -> None:
        """Serve; returns when connections are accepted."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder),
                 "-c", "listen_addresses=", "-c", "max_connections=200"],
                user=self._user, cwd=self.folder, stdout=log, stderr=log,
            )  # fmt: skip
        pid_file, until = self.folder / "data" / "postmaster.pid", time.monotonic() + 60
        while not pid_file.exists() or "ready" not in pid_file.read_text():
            if self._process.poll() is not None or time.monotonic() > until:
                raise NoPostgres((self.folder / "log").read_text(errors="replace")[-2000:])
            time.sleep(0.02)

    def crash(self) -> None:
        """Stop at once, without a checkpoint: the next start has to recover."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(60)
            self._process = None

    def dump(self) -> bytes:
        """All rows as text."""
        command = [str(self._programs / "pg_dump"), "-h", str(self.folder), "-U", "perch", "perch"]
        return subprocess.run(command, check=True, capture_output=True, user=self._user, cwd="/").stdout

    def remove(self) -> None:
        self.crash()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _call(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), *arguments], user=self._user, cwd=self.folder, check=True,
            stdout=subprocess.DEVNULL, env={"LC_ALL": "C.UTF-8"},
        )  # fmt: skip


def _programs() -> Path:
    found = [path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))]
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path).resolve().parent)
    if not found:
        raise NoPostgres("PostgreSQL is not installed")
    return found[-1]


def _user() -> str | None:
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError as error:
        raise NoPostgres("PostgreSQL refuses root, and there is no user named postgres") from error

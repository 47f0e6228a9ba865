"""What the tests of every room share: a clock that stands, migrated databases, a house beside a sandbox."""

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import hypothesis
import pytest

from perch import logs, wiring
from perch.accounts import callbacks, connecting
from perch.accounts.apps import app_for_sign_in
from perch.accounts.connecting import Finished
from perch.accounts.models import LoginFace
from perch.clock import SystemClock
from perch.db import Database
from perch.db.migrating import migrate
from perch.sandbox.config import SandboxConfig
from perch.sandbox.serving import Running, running
from perch.settings import Settings
from perch.wiring import METADATA, Perch

SANDBOX_KEY = "k1:a-key-for-tests-that-opens-nothing-else"
_PERCH = (sys.executable, "-c", "from perch.cli import main; main()")
# One worker of a parallel run starts the only PostgreSQL.
_ON_POSTGRES = (pytest.mark.postgres, pytest.mark.xdist_group("postgres"))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "both_databases: runs on SQLite and, where installed, on PostgreSQL")
    # How long an example takes says how busy the machine is, and nothing of the law that is tested.
    hypothesis.settings.register_profile("perch", deadline=None)
    hypothesis.settings.load_profile("perch")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("both_databases"):
        metafunc.parametrize(
            "database", ["sqlite", pytest.param("postgres", marks=_ON_POSTGRES)], indirect=True
        )


@pytest.fixture(scope="session", autouse=True)
def _plain_logs() -> None:
    logs.configure(Settings(_env_file=None, log_format="json", log_level="warning"))  # type: ignore[call-arg,arg-type]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class StillClock:
    """Time that moves when a test moves it."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
        self._start = self.at

    def now(self) -> datetime:
        return self.at

    def elapsed(self) -> float:
        return (self.at - self._start).total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        await asyncio.sleep(0)

    def advance(self, **by: float) -> None:
        self.at += timedelta(**by)


@pytest.fixture
def still_clock() -> StillClock:
    return StillClock()


@pytest.fixture(scope="session")
def template_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file; copying it is quicker than migrating."""
    path = tmp_path_factory.mktemp("template") / "perch.db"

    async def make() -> None:
        database = Database(f"sqlite+aiosqlite:///{path}")
        await migrate(database, METADATA)
        await database.close()

    asyncio.run(make())
    return path


class NoPostgres(Exception):
    """PostgreSQL cannot be started here, and why."""


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL of this test run alone, behind a socket in a folder of its own."""

    folder: Path
    programs: Path
    user: str | None

    @classmethod
    def planned(cls) -> "Cluster":
        """Raises NoPostgres."""
        found = [path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))]
        if on_path := shutil.which("initdb"):
            found.insert(0, Path(on_path).resolve().parent)
        if not found:
            raise NoPostgres("PostgreSQL is not installed")
        user = None
        if os.geteuid() == 0:
            try:
                user = pwd.getpwnam("postgres").pw_name
            except KeyError as error:
                raise NoPostgres("PostgreSQL refuses root, and there is no user named postgres") from error
        # A socket's path may have 107 bytes, so it does not go below pytest's own folders.
        folder = Path(tempfile.mkdtemp(prefix="perch-pg-"))
        if user:
            shutil.chown(folder, user)
        return cls(folder, found[-1], user)

    def command(self, program: str, *arguments: str) -> list[str]:
        return [str(self.programs / program), *arguments]

    def call(self, program: str, *arguments: str) -> None:
        subprocess.run(
            self.command(program, *arguments),
            user=self.user, cwd=self.folder, check=True, stdout=subprocess.DEVNULL, env={"LC_ALL": "C.UTF-8"},
        )  # fmt: skip

    def sql(self, statement: str) -> None:
        self.call(
            "psql", "-X", "-q", "-h", str(self.folder), "-U", "perch", "-d", "postgres", "-c", statement
        )

    def url(self, name: str) -> str:
        return f"postgresql+asyncpg://perch@/{name}?host={self.folder}"

    def make(self, name: str, template: str = "template0") -> str:
        """The address of a new database."""
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def start(self) -> "subprocess.Popen[bytes]":
        """For the first time, or again after it was stopped."""
        data = str(self.folder / "data")
        if not Path(data).exists():
            self.call("initdb", "-D", data, "-U", "perch", "-A", "trust", "-E", "UTF8", "--no-sync")
        settings = ["listen_addresses=", "fsync=off", "full_page_writes=off", "synchronous_commit=off"]
        options = [part for setting in settings for part in ("-c", setting)]
        with (self.folder / "log").open("wb") as log:
            process = subprocess.Popen(
                self.command("postgres", "-D", data, "-k", str(self.folder), *options),
                user=self.user, cwd=self.folder, stdout=log, stderr=log,
            )  # fmt: skip
        until = time.monotonic() + 30
        while "ready" not in _text_of(self.folder / "data" / "postmaster.pid"):
            assert process.poll() is None, _text_of(self.folder / "log")
            assert time.monotonic() < until, _text_of(self.folder / "log")
            time.sleep(0.02)
        return process


def _text_of(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running PostgreSQL, thrown away at the end; skips where none is installed."""
    try:
        planned = Cluster.planned()
    except NoPostgres as reason:
        pytest.skip(f"{reason}; .ci/system-packages installs it")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, planned.folder, ignore_errors=True)
        process = planned.start()
        stack.callback(process.wait, 30)
        stack.callback(process.send_signal, signal.SIGQUIT)
        yield planned


@pytest.fixture(scope="session")
def template_postgres(cluster: Cluster) -> str:
    """The name of a migrated, empty database to copy from."""

    async def make(url: str) -> None:
        database = Database(url)
        await migrate(database, METADATA)
        await database.close()

    asyncio.run(make(cluster.make("perch_template")))
    return "perch_template"


@pytest.fixture
def empty_postgres(cluster: Cluster) -> Iterator[str]:
    """The address of a database without a single table."""
    name = f"test_{secrets.token_hex(6)}"
    yield cluster.make(name)
    cluster.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgres_url(cluster: Cluster, template_postgres: str) -> Iterator[str]:
    """The address of a migrated database of this test alone."""
    name = f"test_{secrets.token_hex(6)}"
    yield cluster.make(name, template_postgres)
    cluster.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str | None:
    """Where a house keeps its rows: None for SQLite in its folder; see the marker ``both_databases``."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return None
    url: str = request.getfixturevalue("postgres_url")
    return url


@dataclass
class House:
    """A Perch put together beside a sandbox, both real, with a way to connect the sandbox's people."""

    perch: Perch
    x: Running
    http: aiohttp.ClientSession
    people: dict[str, Finished] = field(default_factory=dict)

    async def connect(self, username: str = "sandbox_ada") -> Finished:
        """Sign one of the sandbox's people in, through its consent."""
        async with self.perch.db.write() as session:
            app = await app_for_sign_in(session, self.perch.settings)
            begun = await connecting.begin(
                session, self.perch.clock, self.perch.sealer, app,
                face=LoginFace.JSON, redirect_uri=self.perch.settings.callback_url,
            )  # fmt: skip
        query = dict(parse_qsl(urlsplit(begun.authorize_url).query))
        answer = await self.control(
            "POST", "/_sandbox/approve", {**query, "username": username, "allow": True}
        )
        callback = callbacks.read(parse_qsl(urlsplit(answer["location"]).query))
        finished = await connecting.finish(
            self.perch.db.write, self.perch.clock, self.perch.sealer, self.perch.clients,
            self.perch.settings.sign_in, callback, None,
        )  # fmt: skip
        self.people[username] = finished
        return finished

    async def control(self, method: str, path: str, body: object = None) -> dict:  # type: ignore[type-arg]
        """Ask the sandbox's control plane."""
        async with self.http.request(method, self.x.url + path, json=body) as response:
            assert response.status < 300, await response.text()
            said: dict = await response.json()  # type: ignore[type-arg]
            return said

    async def ledger(self) -> list[dict]:  # type: ignore[type-arg]
        """Every post the sandbox ever accepted."""
        answer = await self.control("GET", "/_sandbox/ledger")
        posts: list[dict] = answer["posts"]  # type: ignore[type-arg]
        return posts

    async def fault(self, **fault: object) -> None:
        """Script what the sandbox does to the next requests."""
        await self.control("POST", "/_sandbox/faults", fault)


Build = Callable[..., Awaitable[House]]


@pytest.fixture
async def build_house(tmp_path: Path, template_database: Path, database: str | None) -> AsyncIterator[Build]:
    """Builds a house; keyword arguments are settings, such as ``sign_in="open"``."""
    async with AsyncExitStack() as stack:

        async def build(**overrides: object) -> House:
            data = tmp_path / "data"
            data.mkdir()
            if database is None:
                shutil.copy(template_database, data / "perch.db")
            values = {
                "data_dir": data, "secret_key": SANDBOX_KEY, "sandbox": "on", "sign_in": "open",
                "pace": 0.02, "fetch_allow": "127.0.0.0/8", "database_url": database, **overrides,
            }  # fmt: skip
            unbound = Settings(_env_file=None, **values)  # type: ignore[call-arg,arg-type]
            async with wiring.assemble(unbound) as sizing:
                secret = wiring.sandbox_app(sizing)
            assert secret is not None
            config = SandboxConfig(
                client_secret=secret.client_secret or "",
                callbacks=(unbound.callback_url,),
                pace=unbound.pace,
                reveal=True,
            )
            x = await stack.enter_async_context(running(config))
            settings = unbound.model_copy(update={"sandbox_url": x.url})
            perch = await stack.enter_async_context(wiring.assemble(settings, SystemClock()))
            await wiring.bring_up_to_date(perch)
            await wiring.prepare_apps(perch)
            http = await stack.enter_async_context(aiohttp.ClientSession())
            return House(perch, x, http)

        yield build


@pytest.fixture
async def house(build_house: Build) -> House:
    return await build_house()


@pytest.fixture
async def working(house: House) -> AsyncIterator[House]:
    """A house whose worker runs."""
    worker = asyncio.create_task(house.perch.engine.run())
    yield house
    house.perch.engine.stop()
    await asyncio.wait_for(worker, 20)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class Instance:
    """A Perch of processes: its folder, its ports, and whatever ``perch`` commands a test runs on them."""

    data: Path
    port: int
    x_port: int
    running: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def x_url(self) -> str:
        return f"http://127.0.0.1:{self.x_port}"

    @property
    def log(self) -> str:
        """What every process of this instance said on both of its streams."""
        return _text_of(self.data.parent / "log")

    def environment(self, **settings: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PERCH_")}
        return {
            **kept, "PERCH_DATA_DIR": str(self.data), "PERCH_PORT": str(self.port),
            "PERCH_SANDBOX_PORT": str(self.x_port), "PERCH_LOG_FORMAT": "json", "PERCH_SIGN_IN": "open",
            **settings,
        }  # fmt: skip

    def run(self, *arguments: str, said: str = "", **settings: str) -> "subprocess.CompletedProcess[str]":
        """A command, run to its end; ``said`` is typed into it."""
        return subprocess.run(
            [*_PERCH, *arguments], input=said, capture_output=True, text=True,
            timeout=60, cwd=self.data.parent, env=self.environment(**settings),
        )  # fmt: skip

    def begin(self, *arguments: str, **settings: str) -> "subprocess.Popen[bytes]":
        """A command that goes on."""
        with (self.data.parent / "log").open("ab") as log:
            process = subprocess.Popen(
                [*_PERCH, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.data.parent, env=self.environment(**settings),
            )  # fmt: skip
        self.running.append(process)
        return process

    async def up(self, **settings: str) -> "subprocess.Popen[bytes]":
        """``perch up``, ready."""
        process = self.begin("up", **settings)
        async with aiohttp.ClientSession() as http:
            for _ in range(1200):
                assert process.poll() is None, self.log
                if await _is_ready(http, self.url):
                    return process
                await asyncio.sleep(0.025)
        raise AssertionError(f"not ready: {self.log}")

    async def stop(self, process: "subprocess.Popen[bytes]", number: signal.Signals = signal.SIGTERM) -> int:
        """The exit code after a signal."""
        process.send_signal(number)
        return await asyncio.to_thread(process.wait, 30)

    async def x(self, method: str, path: str, body: object = None) -> dict:  # type: ignore[type-arg]
        """Ask the control plane of the sandbox."""
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, f"{self.x_url}/_sandbox/{path}", json=body) as answer,
        ):
            assert answer.status < 300, await answer.text()
            said: dict = await answer.json()  # type: ignore[type-arg]
            return said

    async def login(self, username: str = "sandbox_ada", **settings: str) -> None:
        """Connect one of the sandbox's people with ``perch login``."""
        process = await asyncio.create_subprocess_exec(
            *_PERCH, "login", stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=self.environment(**settings),
            cwd=self.data.parent,
        )  # fmt: skip
        assert process.stderr is not None
        while not (line := (await process.stderr.readline()).decode()).startswith("http"):
            assert line, "perch login ended without an address"
        asked = dict(parse_qsl(urlsplit(line.strip()).query))
        answer = await self.x("POST", "approve", {**asked, "username": username, "allow": True})
        out, errors = await process.communicate(answer["location"].encode() + b"\n")
        assert process.returncode == 0, errors.decode()
        assert f"@{username} is connected." in out.decode()


async def _is_ready(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(f"{url}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    """A folder and two free ports for real processes, all of which are ended afterwards."""
    made = Instance(tmp_path / "data", _free_port(), _free_port())
    yield made
    for process in made.running:
        if process.poll() is None:
            process.kill()
            process.wait(10)

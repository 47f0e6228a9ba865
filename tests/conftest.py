"""What the tests of every room share: a clock that stands, a migrated database, a house beside a sandbox."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import aiohttp
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
            return await response.json()

    async def ledger(self) -> list[dict]:  # type: ignore[type-arg]
        """Every post the sandbox ever accepted."""
        answer = await self.control("GET", "/_sandbox/ledger")
        return answer["posts"] if isinstance(answer, dict) else answer

    async def fault(self, **fault: object) -> None:
        """Script what the sandbox does to the next requests."""
        await self.control("POST", "/_sandbox/faults", fault)


Build = Callable[..., Awaitable[House]]


@pytest.fixture
async def build_house(tmp_path: Path, template_database: Path) -> AsyncIterator[Build]:
    """Builds a house; keyword arguments are settings, such as ``sign_in="open"``."""
    async with AsyncExitStack() as stack:

        async def build(**overrides: object) -> House:
            data = tmp_path / "data"
            data.mkdir()
            shutil.copy(template_database, data / "perch.db")
            values = {
                "data_dir": data, "secret_key": SANDBOX_KEY, "sandbox": "on", "sign_in": "open",
                "pace": 0.02, "fetch_allow": "127.0.0.0/8", **overrides,
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

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
import uvicorn

from perch.accounts import apps, callbacks, connecting, queries
from perch.accounts.apps import SandboxApp
from perch.accounts.clients import XClients
from perch.accounts.connecting import Begun, Finished
from perch.accounts.models import AppKind, Grant, LoginFace, XApp
from perch.accounts.refreshing import Refresher
from perch.accounts.tokens import Keyring, Ready
from perch.db import Database
from perch.jobs import Committer
from perch.sandbox.app import Sandbox, create_app
from perch.sandbox.config import SandboxConfig
from perch.seal import Sealer
from perch.settings import Settings, SignIn
from perch.x.client import open_session
from perch.x.wire import Bearer

CALLBACK = "http://127.0.0.1:5000/auth/x"
SECRET = "sandbox-secret-for-tests"


class StillClock:
    """Time that stands until it is moved; sleeping moves it, unless it is told to stand still."""

    def __init__(self) -> None:
        self.sleeping_moves = True
        self.before_sleep: Callable[[], Awaitable[None]] | None = None
        self._now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
        self._elapsed = 0.0

    def now(self) -> datetime:
        return self._now

    def elapsed(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if self.before_sleep:
            await self.before_sleep()
        if self.sleeping_moves:
            self.advance(timedelta(seconds=seconds))
        await asyncio.sleep(0.001)

    def advance(self, by: timedelta) -> None:
        self._now += by
        self._elapsed += by.total_seconds()


@dataclass(slots=True)
class LocalX:
    """A sandbox that listens, and a hand on its control plane."""

    url: str
    app: Sandbox
    http: aiohttp.ClientSession

    async def consent(self, begun: Begun, username: str, *, allow: bool = True) -> list[tuple[str, str]]:
        """The query that X sends the browser back with."""
        asked = dict(parse_qsl(urlsplit(begun.authorize_url).query))
        body = {**asked, "username": username, "allow": allow}
        async with self.http.post(f"{self.url}/_sandbox/approve", json=body) as answer:
            location: str = (await answer.json())["location"]
        return parse_qsl(urlsplit(location).query)

    def change(self, **settings: Any) -> None:
        self.app.world.settings = self.app.world.settings.merged(settings)

    def spoil(self, path: str, action: str, times: int = 1, **more: Any) -> None:
        self.app.faults.add({"match": {"path": path}, "action": action, "times": times, **more})

    def count(self, path: str) -> int:
        return sum(seen.path == path for seen in self.app.world.requests)

    @property
    def tokens(self) -> list[str]:
        """Every token ever given out, in plain."""
        return list(self.app.world.plain.values())


@dataclass(slots=True)
class Desk:
    """Everything a sign-in needs, with the sandbox as its X."""

    db: Database
    clock: StillClock
    sealer: Sealer
    clients: XClients
    x: LocalX
    app: XApp
    settings: Settings

    async def begin(self, face: LoginFace = LoginFace.BROWSER, **more: Any) -> Begun:
        async with self.db.write() as session:
            return await connecting.begin(
                session, self.clock, self.sealer, more.pop("app", self.app),
                face=face, redirect_uri=CALLBACK, **more,
            )  # fmt: skip

    async def finish(
        self, query: list[tuple[str, str]], browser_token: str | None, policy: SignIn = SignIn.OPEN
    ) -> Finished:
        return await connecting.finish(
            self.db.write, self.clock, self.sealer, self.clients, policy, callbacks.read(query), browser_token
        )

    async def sign_in(
        self, username: str = "sandbox_ada", policy: SignIn = SignIn.OPEN, **more: Any
    ) -> Finished:
        begun = await self.begin(**more)
        return await self.finish(await self.x.consent(begun, username), begun.browser_token, policy)

    def keyring(self, db: Database | None = None, *, revokes_first: bool = False) -> Keyring:
        """The keyring of one process."""
        db = db or self.db
        refresher = Refresher(self.clock, self.sealer, self.clients, Committer(db.write), revokes_first)
        return Keyring(db, refresher)

    async def client_for(self, account_id: int, db: Database | None = None) -> Ready:
        return await self.keyring(db).client_for(account_id)

    async def refresh_after_401(self, account_id: int, refused: Bearer) -> Ready:
        return await self.keyring().refresh_after_401(account_id, refused)

    async def grant(self, account_id: int) -> Grant:
        async with self.db.read() as session:
            found = await queries.grant_of(session, account_id)
        assert found is not None
        return found


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def sealer() -> Sealer:
    return Sealer("k1:a-key-for-tests")


@pytest.fixture
async def db(template_database: Path, tmp_path: Path) -> AsyncIterator[Database]:
    path = tmp_path / "perch.db"
    shutil.copy(template_database, path)
    database = Database(f"sqlite+aiosqlite:///{path}")
    yield database
    await database.close()


@contextlib.asynccontextmanager
async def _served(app: Sandbox, listener: socket.socket) -> AsyncIterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", http="httptools", lifespan="on"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.002)
    try:
        yield
    finally:
        server.should_exit = True
        server.force_exit = True
        await serving


@pytest.fixture
async def x(clock: StillClock) -> AsyncIterator[LocalX]:
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = create_app(
        SandboxConfig(
            url=url,
            client_secret=SECRET,
            callbacks=(CALLBACK,),
            reveal=True,
            clock=lambda: clock.now().timestamp(),
        )
    )
    async with _served(app, listener), aiohttp.ClientSession() as http:
        yield LocalX(url, app, http)


@pytest.fixture
def settings(x: LocalX, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)  # away from any .env
    for name in [name for name in os.environ if name.startswith("PERCH_")]:
        monkeypatch.delenv(name)
    return Settings(data_dir=tmp_path, sandbox_url=x.url)


@pytest.fixture
async def clients() -> AsyncIterator[XClients]:
    held = XClients(open_session(), deadline=5.0)
    yield held
    await held.close()


@pytest.fixture
async def desk(
    db: Database, clock: StillClock, sealer: Sealer, clients: XClients, x: LocalX, settings: Settings
) -> Desk:
    sandbox = SandboxApp(x.url, f"{x.url}/i/oauth2/authorize", client_secret=SECRET)
    async with db.write() as session:
        await apps.ensure_apps(session, clock, sealer, settings, sandbox)
        app = await apps.app_for_sign_in(session, settings, AppKind.SANDBOX)
    return Desk(db, clock, sealer, clients, x, app, settings)

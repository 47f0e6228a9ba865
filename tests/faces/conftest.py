"""A Perch that is served, and named people who talk to it: an owner, teammates, a stranger."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
import pytest
import uvicorn
from fastapi import FastAPI

from perch.accounts.connecting import Finished
from perch.people import sessions, tokens
from perch.people.models import Membership, Person, Role, TokenKind
from perch.people.tokens import Scope
from perch.web.app import create_app
from perch.wiring import Perch


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Any
    text: str
    json: Any


@dataclass(frozen=True)
class Caller:
    """Somebody with a token, a cookie, or neither."""

    http: aiohttp.ClientSession
    url: str
    headers: dict[str, str]

    async def get(self, path: str, **more: Any) -> Answer:
        return await self.ask("GET", path, **more)

    async def post(self, path: str, **more: Any) -> Answer:
        return await self.ask("POST", path, **more)

    async def ask(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> Answer:
        sent = {**self.headers, **(headers or {})}
        async with self.http.request(method, self.url + path, headers=sent, **more) as answer:
            body = await answer.text()
            told = await answer.json(content_type=None) if "json" in answer.content_type else None
            return Answer(answer.status, answer.headers, body, told)


@dataclass(frozen=True)
class Site:
    """A house whose web is served."""

    house: Any
    http: aiohttp.ClientSession
    url: str

    @property
    def perch(self) -> Perch:
        return cast(Perch, self.house.perch)

    @property
    def nobody(self) -> Caller:
        return Caller(self.http, self.url, {})

    async def connect(self, username: str = "sandbox_ada") -> Finished:
        return cast(Finished, await self.house.connect(username))

    async def with_token(
        self,
        person: Finished,
        *,
        scopes: tuple[Scope, ...] = tuple(Scope),
        account_id: int | None = None,
        person_id: int | None = None,
    ) -> Caller:
        """A token of this person, or of another one, in this person's workspace."""
        async with self.perch.db.write() as session:
            issued = await tokens.issue(
                session, self.perch.clock, TokenKind.KEY,
                person_id=person_id or person.person_id, workspace_id=person.workspace_id,
                name="a script", scopes=scopes, account_id=account_id,
            )  # fmt: skip
        return Caller(self.http, self.url, {"Authorization": f"Bearer {issued.token}"})

    async def teammate(self, owner: Finished, role: Role) -> Caller:
        """A member of the owner's workspace, with every scope there is."""
        now = self.perch.clock.now()
        async with self.perch.db.write() as session:
            person = Person(name=f"The {role}", created_at=now)
            session.add(person)
            await session.flush()
            session.add(
                Membership(person_id=person.id, workspace_id=owner.workspace_id, role=role, created_at=now)
            )
        return await self.with_token(owner, person_id=person.id)

    async def with_session(self, person: Finished, *, csrf: bool = True) -> Caller:
        """A browser that is signed in."""
        async with self.perch.db.write() as session:
            opened = await sessions.open_session(
                session, self.perch.clock, person.person_id, person.workspace_id
            )
        headers = {"Cookie": f"perch_session={opened.cookie_value}", "Sec-Fetch-Site": "same-origin"}
        return Caller(
            self.http, self.url, {**headers, **({"X-CSRF-Token": opened.csrf_token} if csrf else {})}
        )


@asynccontextmanager
async def _served(app: FastAPI, listener: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(app, http="httptools", lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.002)
    yield
    server.should_exit = server.force_exit = True
    await serving


@pytest.fixture
async def build_site(build_house: Callable[..., Awaitable[Any]]) -> AsyncIterator[Callable[..., Any]]:
    """Serves a house with these settings. Its worker does not run."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        # asyncio turns Nagle's delay off only for sockets that say they are TCP.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        serving: list[Any] = []

        async def build(**overrides: object) -> Site:
            house = await build_house(public_url=url, **overrides)
            serving.append(_served(create_app(house.perch), listener))
            await serving[0].__aenter__()
            return Site(house, http, url)

        yield build
        await serving[0].__aexit__(None, None, None)


@pytest.fixture
async def site(build_site: Callable[..., Awaitable[Site]]) -> Site:
    return await build_site()


@pytest.fixture
async def working_site(site: Site) -> AsyncIterator[Site]:
    """A site whose worker runs."""
    worker = asyncio.create_task(site.perch.engine.run())
    yield site
    site.perch.engine.stop()
    await asyncio.wait_for(worker, 20)

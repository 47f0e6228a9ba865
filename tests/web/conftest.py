"""A served Perch beside a sandbox, browsers that talk to it, and the people behind them."""

import asyncio
import contextlib
import io
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
import uvicorn
from PIL import Image
from sqlalchemy import select

from perch.accounts.models import XAccount
from perch.db import new_public_id
from perch.media import adding
from perch.media.models import Asset
from perch.people import joining, sessions
from perch.people.models import Membership, Person, Role
from perch.posts import scheduling
from perch.posts.drafting import Author, Draft, DraftMedia, DraftSegment
from perch.posts.models import AuthorKind, Post
from perch.web.app import create_app
from perch.web.cookies import Jar
from perch.wiring import Perch

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str
    cookies: tuple[str, ...]

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")


@dataclass(slots=True)
class Browser:
    """Requests with one set of cookies. ``csrf`` goes into every form unless a test sends its own."""

    base: str
    http: aiohttp.ClientSession
    host: str
    csrf: str = ""
    person_id: int = 0
    workspace_id: int = 0
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.send("GET", path, headers=headers)

    async def post(self, path: str, form: Mapping[str, Any] | None = None, **headers: str) -> Answer:
        fields = {"csrf_token": self.csrf, **(form or {})}
        return await self.send("POST", path, data=fields, headers={**SAME_ORIGIN, **headers})

    async def post_files(self, path: str, files: Mapping[str, bytes], **fields: str) -> Answer:
        body = aiohttp.FormData()
        for name, value in {"csrf_token": self.csrf, **fields}.items():
            body.add_field(name, value)
        for name, content in files.items():
            body.add_field(name, content, filename=f"{name}.png", content_type="image/png")
        accept = "application/json" if path == "/media" else "text/html"
        return await self.send("POST", path, data=body, headers={**SAME_ORIGIN, "Accept": accept})

    async def send(self, method: str, path: str, *, headers: Mapping[str, str], data: Any = None) -> Answer:
        sent = {
            "Host": self.host,
            "Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()),
            **headers,
        }
        sent = {name.replace("_", "-"): value for name, value in sent.items() if value}
        async with self.http.request(
            method, self.base + path, headers=sent, data=data, allow_redirects=False
        ) as response:
            text = (await response.read()).decode(errors="replace")
            answer = Answer(
                response.status, response.headers, text, tuple(response.headers.getall("Set-Cookie", ()))
            )
        self._keep(answer)
        return answer

    def _keep(self, answer: Answer) -> None:
        for line in answer.cookies:
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies.pop(name, None)
            if value.strip('"'):
                self.cookies[name] = value


@dataclass(slots=True)
class Site:
    """Perch as a browser meets it."""

    perch: Perch
    house: Any
    base: str
    http: aiohttp.ClientSession

    def stranger(self) -> Browser:
        return Browser(self.base, self.http, urlsplit(self.perch.settings.origin).netloc)

    async def person(
        self, name: str = "Olga Owner", role: Role = Role.OWNER, beside: Browser | None = None
    ) -> Browser:
        """Somebody signed in: in a workspace of their own, or beside somebody else in theirs."""
        perch, browser = self.perch, self.stranger()
        async with perch.db.write() as session:
            if beside is None:
                workspace_id = await joining.found_workspace(session, perch.clock, name)
            else:
                workspace_id = beside.workspace_id
            person = Person(name=name, created_at=perch.clock.now())
            session.add(person)
            await session.flush()
            session.add(
                Membership(
                    person_id=person.id, workspace_id=workspace_id, role=role, created_at=perch.clock.now()
                )
            )
            opened = await sessions.open_session(session, perch.clock, person.id, workspace_id)
        browser.csrf, browser.person_id, browser.workspace_id = opened.csrf_token, person.id, workspace_id
        browser.cookies[Jar.of(perch.settings).session] = opened.cookie_value
        return browser

    async def account(self, browser: Browser, username: str = "sandbox_ada") -> XAccount:
        """One of the sandbox's people, connected to this person's workspace through X's consent."""
        begun = await browser.get("/login/x?connect=1&next=/accounts")
        ended = await self.consent(browser, begun.location, username)
        assert (ended.status, ended.location) == (303, "/accounts"), ended.text
        async with self.perch.db.read() as session:
            return await session.scalar(  # type: ignore[return-value]
                select(XAccount).where(
                    XAccount.username == username, XAccount.workspace_id == browser.workspace_id
                )
            )

    async def consent(self, browser: Browser, authorize: str, username: str, *, allow: bool = True) -> Answer:
        """Decide on X's page, and follow it back."""
        back = await self.callback(authorize, username, allow=allow)
        return await browser.get(back)

    async def callback(self, authorize: str, username: str = "sandbox_ada", *, allow: bool = True) -> str:
        """The path and query that X sends the browser back to."""
        asked = dict(parse_qsl(urlsplit(authorize).query))
        answer = await self.house.control(
            "POST", "/_sandbox/approve", {**asked, "username": username, "allow": allow}
        )
        parts = urlsplit(answer["location"])
        return f"{parts.path}?{parts.query}"

    async def asset(self, browser: Browser, colour: str = "teal") -> Asset:
        with self.perch.store.scratch() as folder:
            path = folder / "picture.png"
            path.write_bytes(picture(colour))
            return await adding.add(
                self.perch.db.write,
                self.perch.clock,
                self.perch.store,
                browser.workspace_id,
                path,
                "lake.png",
            )

    async def post(self, browser: Browser, account: XAccount, text: str, *assets: Asset) -> Post:
        """A post that waits for a worker, which these tests do not run."""
        media = tuple(DraftMedia(asset.public_id, "A calm lake") for asset in assets)
        author = Author(AuthorKind.PERSON, new_public_id(), "Olga Owner")
        draft = Draft(browser.workspace_id, account.id, author, (DraftSegment(text, media),))
        async with self.perch.db.write() as session:
            checked = await scheduling.check(session, self.perch.clock, draft, "pay-per-use")
            return await scheduling.accept(
                session, self.perch.clock, self.perch.engine, checked, self.perch.clock.now()
            )


def picture(colour: str = "teal") -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (64, 40), colour).save(made, "PNG")
    return made.getvalue()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


Open = Callable[..., Awaitable[Site]]


@pytest.fixture
async def open_site(build_house: Any) -> AsyncIterator[Open]:
    """Serves a house; keyword arguments are settings."""
    async with AsyncExitStack() as stack:

        async def open_(**overrides: object) -> Site:
            listener = socket.create_server(("127.0.0.1", 0))
            port = listener.getsockname()[1]
            house = await build_house(port=port, **overrides)
            server = _Server(
                uvicorn.Config(create_app(house.perch), log_config=None, access_log=False, lifespan="off")
            )
            serving = asyncio.create_task(server.serve([listener]))
            stack.push_async_callback(_stop, server, serving)
            return Site(house.perch, house, f"http://127.0.0.1:{port}", house.http)

        yield open_


async def _stop(server: _Server, serving: "asyncio.Task[None]") -> None:
    server.should_exit = True
    await serving


@pytest.fixture
def png() -> bytes:
    return picture()


@pytest.fixture
async def site(open_site: Open) -> Site:
    return await open_site()

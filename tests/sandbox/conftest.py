"""A sandbox on a real socket, a clock that tests move, and somebody who asks it things."""

import base64
import hashlib
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from perch.sandbox.config import SandboxConfig, Settings
from perch.sandbox.serving import Running, running

VERIFIER = "a-code-verifier-that-is-long-enough-to-be-taken-seriously"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
CALLBACK = "http://127.0.0.1:5000/auth/x"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class HandClock:
    """Seconds since the epoch, moved by hand."""

    def __init__(self) -> None:
        self.at = 1_795_000_000.0

    def __call__(self) -> float:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += seconds


class Got(NamedTuple):
    """An answer: its status, its body (parsed when it is JSON), its headers."""

    status: int
    body: Any
    headers: Mapping[str, str]


@dataclass
class Visitor:
    """Somebody with an HTTP client before a running sandbox."""

    running: Running
    http: aiohttp.ClientSession
    clock: HandClock
    callback: str = CALLBACK
    verifier: str = VERIFIER

    @property
    def url(self) -> str:
        url: str = self.running.url
        return url

    async def ask(self, method: str, path: str, token: str | None = None, **kwargs: Any) -> Got:
        headers = {**kwargs.pop("headers", {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        async with self.http.request(
            method, self.url + path, headers=headers, allow_redirects=False, **kwargs
        ) as answer:
            raw = await answer.read()
            is_json = "json" in answer.headers.get("content-type", "") and raw
            body = await answer.json(content_type=None) if is_json else raw.decode("utf-8", "replace")
            return Got(answer.status, body, answer.headers)

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        got = await self.ask(method, f"/_sandbox/{path}", json=body)
        assert got.status < 300, got
        return got.body

    async def set(self, **settings: Any) -> None:
        await self.control("PUT", "settings", settings)

    async def fault(self, **fault: Any) -> None:
        await self.control("POST", "faults", fault)

    async def token(self, username: str = "sandbox_ada", **body: Any) -> str:
        pair = await self.control("POST", "tokens", {"username": username, **body})
        return str(pair["access_token"])

    async def post(self, token: str, text: str | None = None, **body: Any) -> Got:
        given = body if text is None else {"text": text, **body}
        return await self.ask("POST", "/2/tweets", token, json=given)

    async def posted(self, token: str, text: str | None = None, **body: Any) -> str:
        got = await self.post(token, text, **body)
        assert got.status == 201, got
        return str(got.body["data"]["id"])

    async def reply(self, token: str, text: str, to: str) -> Got:
        return await self.post(token, text, reply={"in_reply_to_tweet_id": to})

    async def upload(self, token: str, data: bytes, category: str = "tweet_image") -> Got:
        form = aiohttp.FormData()
        form.add_field("media", data, filename="x", content_type="application/octet-stream")
        form.add_field("media_category", category)
        return await self.ask("POST", "/2/media/upload", token, data=form)

    async def picture(self, token: str) -> str:
        got = await self.upload(token, png_bytes())
        assert got.status == 200, got
        return str(got.body["data"]["id"])

    def authorize(self, **changes: str) -> dict[str, str]:
        """The parameters of a sound authorize request."""
        sound = {
            "response_type": "code",
            "client_id": "perch-sandbox:ci",
            "redirect_uri": self.callback,
            "scope": "tweet.read tweet.write users.read media.write offline.access",
            "state": "a-state",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in {**sound, **changes}.items() if value}

    async def code(self, **changes: str) -> str:
        asked = {**self.authorize(**changes), "username": "sandbox_ada", "allow": True}
        location = (await self.control("POST", "approve", asked))["location"]
        return str(parse_qs(urlsplit(location).query)["code"][0])

    def basic(
        self, secret: str = "perch-sandbox-secret", client_id: str = "perch-sandbox%3Aci"
    ) -> dict[str, str]:
        """The confidential app's header, encoded as RFC 6749 section 2.3.1 has it."""
        return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}

    async def exchange(self, secret: str = "perch-sandbox-secret", **form: str) -> Got:
        """Ask the token endpoint as the confidential app does."""
        sound = {
            "grant_type": "authorization_code",
            "redirect_uri": self.callback,
            "code_verifier": self.verifier,
        }
        given = {name: value for name, value in {**sound, **form}.items() if value}
        return await self.ask("POST", "/2/oauth2/token", data=given, headers=self.basic(secret))

    async def refresh(self, token: str) -> Got:
        return await self.exchange(grant_type="refresh_token", refresh_token=token, redirect_uri="")


Start = Callable[..., Awaitable[Visitor]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts sandboxes; keyword arguments are settings, ``config`` and ``clock`` come by name."""
    async with AsyncExitStack() as stack:

        async def begin(
            config: SandboxConfig | None = None, clock: HandClock | None = None, **settings: Any
        ) -> Visitor:
            hand = clock or HandClock()
            built = replace(config or SandboxConfig(), clock=hand, settings=Settings().merged(settings))
            listening = await stack.enter_async_context(running(built))
            http = await stack.enter_async_context(
                aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
            )
            return Visitor(listening, http, hand)

        yield begin


@pytest.fixture
async def x(start: Start) -> Visitor:
    return await start()


@pytest.fixture
async def ada(x: Visitor) -> str:
    """Ada's access token."""
    return await x.token("sandbox_ada")


@pytest.fixture
async def ben(x: Visitor) -> str:
    return await x.token("sandbox_ben")


def png_bytes(width: int = 40, height: int = 24) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\x20\x80\xa0" * width for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def mp4_bytes(seconds: float = 3, width: int = 320, height: int = 240) -> bytes:
    """Headers of a video, enough for what the sandbox looks at."""

    def box(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data) + 8) + kind + data

    mvhd = b"\0" * 12 + struct.pack(">II", 1000, int(seconds * 1000)) + b"\0" * 80
    tkhd = b"\0" * 76 + struct.pack(">II", width << 16, height << 16)
    return (
        box(b"ftyp", b"isom\0\0\2\0")
        + box(b"moov", box(b"mvhd", mvhd) + box(b"trak", box(b"tkhd", tkhd)))
        + box(b"mdat", b"\0" * 64)
    )


@pytest.fixture
def png() -> bytes:
    return png_bytes()


@pytest.fixture
def mp4() -> Callable[..., bytes]:
    return mp4_bytes


@pytest.fixture
def gif(tmp_path: Path) -> bytes:
    from PIL import Image

    frames = [Image.new("P", (16, 16), color) for color in (1, 2, 3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=50)
    return (tmp_path / "a.gif").read_bytes()

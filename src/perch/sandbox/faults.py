"""What goes wrong between X and its callers, by script or by seed: before, after or instead of an answer."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from perch.sandbox.tokens import bearer
from perch.sandbox.world import ARRIVAL, Arrival, Seen, World

ACTIONS = (
    "commit_then_drop",
    "commit_then_status",
    "late_commit",
    "drop",
    "delay",
    "status",
    "cut",
    "garbage",
    "slow_drip",
)
NUMBERS = frozenset({"status", "seconds", "times", "rate"})
GARBAGE = {
    "html": (
        b"<!DOCTYPE html><html><head><title>X / ?</title></head><body>Something went wrong</body></html>",
        None,
    ),
    # A gzip header and then a block of a type that does not exist.
    "gzip": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff\xff\xff\xff", b"gzip"),
}
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class ConnectionDropped(Exception):
    """Raised instead of closing the connection when no server is there to close one."""


class BadFault(ValueError):
    """A fault that cannot be understood."""


@dataclass(slots=True)
class Fault:
    """One rule. It answers the next ``times`` matching requests, or a ``rate`` of all of them, by seed."""

    id: int
    action: str
    method: str = "*"
    path: str = "*"
    username: str = ""
    status: int = 503
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0
    kind: str = "html"
    times: int | None = None
    rate: float | None = None
    seen: int = 0
    applied: int = 0

    def described(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Captured:
    """An answer that was given but not sent."""

    status: int = 500
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")


@dataclass(slots=True)
class Faults:
    """The rules in force, and the one place every request passes."""

    world: World
    rules: list[Fault] = field(default_factory=list)
    made: int = 0
    late: set[asyncio.Task[None]] = field(default_factory=set)

    def add(self, body: dict[str, Any]) -> Fault:
        """A rule from JSON: ``match`` and the rest as in Fault."""
        match = body.get("match", {})
        if not isinstance(match, dict):
            raise BadFault("match holds method, path and username.")
        values = {name: value for name, value in body.items() if name != "match"} | match
        if values.get("action") not in ACTIONS:
            raise BadFault(f"action is one of {', '.join(ACTIONS)}.")
        if unknown := values.keys() - Fault.__slots__ | values.keys() & {"id", "seen", "applied"}:
            raise BadFault(f"A fault has no {min(unknown)!r}.")
        if values.get("kind", "html") not in GARBAGE:
            raise BadFault(f"kind is one of {', '.join(GARBAGE)}.")
        for name in NUMBERS & values.keys():
            if not isinstance(values[name], int | float | None):
                raise BadFault(f"{name} is a number.")
        if values.get("times") is None and values.get("rate") is None:
            values["times"] = 1
        self.made += 1
        fault = Fault(id=self.made, **values)
        self.rules.append(fault)
        return fault

    def clear(self) -> None:
        """No rule is left, and nothing is committed late any more."""
        self.rules.clear()
        for task in self.late:
            task.cancel()

    async def around(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, through a fault if one applies, and write it down."""
        path = scope["path"]
        if path.startswith(("/_sandbox", "/static/")):
            await app(scope, receive, send)
            return
        username, began_ms = self._username(scope), self.world.now()
        fault = self._pick(scope["method"], path, username) if self.rules else None
        action = fault.action if fault else ""
        scope[ARRIVAL] = Arrival(action, began_ms)
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if fault is None:
                await app(scope, receive, noting)
            else:
                await self._apply(fault, app, scope, receive, send, noting)
        finally:
            self._note(scope["method"], path, status, username, action, began_ms)

    def _note(self, *seen: Any) -> None:
        self.world.requests_seen += 1
        self.world.requests.append(Seen(self.world.requests_seen, *seen, self.world.now()))

    def _username(self, scope: Scope) -> str:
        authorization = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        known = bearer(self.world, authorization.decode("latin-1"))
        return known[1].username if known else ""

    def _pick(self, method: str, path: str, username: str) -> Fault | None:
        for fault in self.rules:
            named = fault.username in ("", username)
            if fault.method in ("*", method) and fnmatchcase(path, fault.path) and named and self._due(fault):
                fault.applied += 1
                return fault
        return None

    def _due(self, fault: Fault) -> bool:
        fault.seen += 1
        if fault.times is not None and fault.applied >= fault.times:
            return False
        return fault.rate is None or self._chance(fault) < fault.rate

    def _chance(self, fault: Fault) -> float:
        """A number in 0..1 that seed, rule and turn decide."""
        key = f"{self.world.config.seed}/{fault.id}/{fault.seen}".encode()
        return int.from_bytes(hashlib.blake2b(key, digest_size=7).digest()) / 2**56

    async def _apply(
        self, fault: Fault, app: App, scope: Scope, receive: Receive, raw: Send, send: Send
    ) -> None:
        """``raw`` is the server's own send, which knows the connection; ``send`` also notes the status."""
        pause_s = fault.seconds * self.world.config.pace
        match fault.action:
            case "drop":
                await _hang_up(receive, raw)
            case "status":
                await _reply(send, fault.status, _fault_headers(fault), _fault_body(fault))
            case "delay":
                await asyncio.sleep(pause_s)
                await app(scope, receive, send)
            case "late_commit":
                body = await _whole_body(receive)
                self._later(pause_s, app, scope, body)
                await _hang_up(receive, raw)
            case _:
                captured = Captured()
                await app(scope, receive, captured.send)
                await self._spoil(fault, captured, pause_s, receive, raw, send)

    async def _spoil(
        self, fault: Fault, captured: Captured, pause_s: float, receive: Receive, raw: Send, send: Send
    ) -> None:
        """The request was served; now its answer is lost, cut, replaced or dripped."""
        match fault.action:
            case "commit_then_drop":
                await _hang_up(receive, raw)
            case "commit_then_status":
                await _reply(send, fault.status, _fault_headers(fault), _fault_body(fault))
            case "cut":
                await _half(captured, receive, raw, send)
            case "garbage":
                body, encoding = GARBAGE[fault.kind]
                headers = [(b"content-type", b"text/html" if encoding is None else b"application/json")]
                headers += [(b"content-encoding", encoding)] if encoding else []
                await _reply(send, captured.status, headers, body)
            case _:
                await _drip(captured, pause_s, send)

    def _later(self, pause_s: float, app: App, scope: Scope, body: bytes) -> None:
        async def commit() -> None:
            await asyncio.sleep(pause_s)
            await app(scope, _replayed(body), Captured().send)

        task = asyncio.create_task(commit())
        self.late.add(task)
        task.add_done_callback(self.late.discard)


def _fault_body(fault: Fault) -> bytes:
    if isinstance(fault.body, str):
        return fault.body.encode()
    return b"" if fault.body is None else json.dumps(fault.body).encode()


def _fault_headers(fault: Fault) -> list[tuple[bytes, bytes]]:
    given = {
        "content-type": "application/json; charset=utf-8",
        **{k.lower(): v for k, v in fault.headers.items()},
    }
    return [(name.encode(), str(value).encode()) for name, value in given.items()]


async def _reply(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def _whole_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return bytes(body)


def _replayed(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _transport(raw: Send) -> asyncio.Transport:
    """The connection under uvicorn's send; ASGI itself has no way to hang up."""
    transport = getattr(getattr(raw, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionDropped
    found: asyncio.Transport = transport
    return found


async def _hang_up(receive: Receive, raw: Send) -> None:
    """Close the connection without a byte, and wait until the server knows."""
    _transport(raw).abort()
    await _gone(receive)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _half(captured: Captured, receive: Receive, raw: Send, send: Send) -> None:
    transport = _transport(raw)
    await send({"type": "http.response.start", "status": captured.status, "headers": captured.headers})
    half = captured.body[: len(captured.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    transport.close()
    await _gone(receive)


async def _drip(captured: Captured, pause_s: float, send: Send) -> None:
    await send({"type": "http.response.start", "status": captured.status, "headers": captured.headers})
    for letter in captured.body:
        await asyncio.sleep(pause_s / max(1, len(captured.body)))
        await send({"type": "http.response.body", "body": bytes((letter,)), "more_body": True})
    await send({"type": "http.response.body", "body": b""})

"""What goes wrong between X and its callers, by script or by seed: before, after or instead of an answer."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from perch.sandbox.breaking import Captured, drip, half, hang_up, replayed, reply, whole_body
from perch.sandbox.tokens import bearer
from perch.sandbox.world import ARRIVAL, Arrival, World

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
COUNTED = frozenset({"id", "seen", "struck", "applied", "until_ms"})
NUMBERS = frozenset({"status", "seconds", "at_most", "times", "rate", "lasts", "resets_in"})
GARBAGE = {
    "html": (
        b"<!DOCTYPE html><html><head><title>X / ?</title></head><body>Something went wrong</body></html>",
        None,
    ),
    # A gzip header and then a block of a type that does not exist.
    "gzip": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff\xff\xff\xff", b"gzip"),
}
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class BadFault(ValueError):
    """A fault that cannot be understood."""


@dataclass(slots=True)
class Fault:
    """One rule. It strikes the next ``times`` matching requests, or a ``rate`` of all of them, by seed.

    ``lasts`` makes each strike a storm: everything that fits is struck for so many seconds more. ``at_most``
    makes the pause any length from ``seconds`` to it. ``resets_in`` adds X's headers of a full window.
    """

    id: int
    action: str
    method: str = "*"
    path: str = "*"
    username: str = ""
    status: int = 503
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0
    at_most: float = 0
    kind: str = "html"
    times: int | None = None
    rate: float | None = None
    lasts: float = 0
    resets_in: float = 0
    seen: int = 0
    struck: int = 0
    applied: int = 0
    until_ms: int = 0

    def described(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


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
        if unknown := values.keys() - Fault.__slots__ | values.keys() & COUNTED:
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
            self.world.note(scope["method"], path, status, username, action, began_ms)

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
        if self.world.now() < fault.until_ms:
            return True
        if fault.times is not None and fault.struck >= fault.times:
            return False
        if fault.rate is not None and self.world.chance("fault", fault.id, fault.seen) >= fault.rate:
            return False
        fault.struck += 1
        fault.until_ms = self.world.now() + int(fault.lasts * self.world.config.pace * 1000)
        return True

    def _pause_s(self, fault: Fault) -> float:
        more = max(0.0, fault.at_most - fault.seconds)
        share = self.world.chance("pause", fault.id, fault.seen) if more else 0.0
        return (fault.seconds + more * share) * self.world.config.pace

    async def _apply(
        self, fault: Fault, app: App, scope: Scope, receive: Receive, raw: Send, send: Send
    ) -> None:
        """``raw`` is the server's own send, which knows the connection; ``send`` also notes the status."""
        pause_s = self._pause_s(fault)
        match fault.action:
            case "drop":
                await hang_up(receive, raw)
            case "status":
                await reply(send, fault.status, self._headers(fault), _fault_body(fault))
            case "delay":
                await asyncio.sleep(pause_s)
                await app(scope, receive, send)
            case "late_commit":
                body = await whole_body(receive)
                self._later(pause_s, app, scope, body)
                await hang_up(receive, raw)
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
                await hang_up(receive, raw)
            case "commit_then_status":
                await reply(send, fault.status, self._headers(fault), _fault_body(fault))
            case "cut":
                await half(captured, receive, raw, send)
            case "garbage":
                body, encoding = GARBAGE[fault.kind]
                headers = [(b"content-type", b"text/html" if encoding is None else b"application/json")]
                headers += [(b"content-encoding", encoding)] if encoding else []
                await reply(send, captured.status, headers, body)
            case _:
                await drip(captured, pause_s, send)

    def _headers(self, fault: Fault) -> list[tuple[bytes, bytes]]:
        return [*self._window(fault), *_fault_headers(fault)]

    def _window(self, fault: Fault) -> list[tuple[bytes, bytes]]:
        """The headers of a window that is used up; X writes its end in whole seconds."""
        if not fault.resets_in:
            return []
        reset = math.ceil(self.world.now() / 1000 + fault.resets_in * self.world.config.pace)
        values = {"limit": 100, "remaining": 0, "reset": reset}
        return [(f"x-rate-limit-{name}".encode(), str(value).encode()) for name, value in values.items()]

    def _later(self, pause_s: float, app: App, scope: Scope, body: bytes) -> None:
        async def commit() -> None:
            await asyncio.sleep(pause_s)
            await app(scope, replayed(body), Captured().send)

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

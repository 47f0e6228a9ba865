"""How an answer breaks on the wire: hung up on, cut in half, dripped, or kept back."""

import asyncio
from dataclasses import dataclass, field

from starlette.types import Message, Receive, Send


class ConnectionDropped(Exception):
    """Raised instead of closing the connection when no server is there to close one."""


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


async def reply(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """A whole answer, at once."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def whole_body(receive: Receive) -> bytes:
    """What the caller sent, or as much of it as came before it hung up."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return bytes(body)


def replayed(body: bytes) -> Receive:
    """A request's body that was read already, to be read again."""

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


async def hang_up(receive: Receive, raw: Send) -> None:
    """Close the connection without a byte, and wait until the server knows."""
    _transport(raw).abort()
    await _gone(receive)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def half(captured: Captured, receive: Receive, raw: Send, send: Send) -> None:
    """Begin the answer, send half of its body, and close the connection."""
    transport = _transport(raw)
    await send({"type": "http.response.start", "status": captured.status, "headers": captured.headers})
    half = captured.body[: len(captured.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    transport.close()
    await _gone(receive)


async def drip(captured: Captured, pause_s: float, send: Send) -> None:
    """The answer byte by byte, spread over the pause."""
    await send({"type": "http.response.start", "status": captured.status, "headers": captured.headers})
    for letter in captured.body:
        await asyncio.sleep(pause_s / max(1, len(captured.body)))
        await send({"type": "http.response.body", "body": bytes((letter,)), "more_body": True})
    await send({"type": "http.response.body", "body": b""})

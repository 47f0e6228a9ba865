"""Connections that do not become requests: too slow, too long, too many."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import Response

from perch.web.connections import HEAD_BYTES, HurriedProtocol

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"
Talk = Callable[..., Awaitable[bytes]]


class _Server(uvicorn.Server):
    def capture_signals(self) -> Any:
        return contextlib.nullcontext()


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    body = await Request(scope, receive).body()
    await Response(b"%d bytes" % len(body))(scope, receive, send)


@pytest.fixture
async def talk() -> AsyncIterator[Talk]:
    """Says the pieces to a server that waits 0.3 s for more, and gives back all that it answers."""

    class Quick(HurriedProtocol):
        head_seconds = 0.3
        body_seconds = 0.3
        most_connections = 8

    server = _Server(uvicorn.Config(_echo, port=0, http=Quick, ws="none", lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.001)
    port = server.servers[0].sockets[0].getsockname()[1]

    async def talk_(*pieces: bytes, pause: float = 0.0) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answer = asyncio.create_task(reader.read())
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
        try:
            async with asyncio.timeout(10):
                return await answer
        except ConnectionError:
            return b""
        finally:
            writer.close()

    yield talk_
    server.should_exit = True
    await serving


async def test_a_request_is_answered(talk: Talk) -> None:
    answer = await talk(HEAD + b"Connection: close\r\nContent-Length: 5\r\n\r\nhe", b"llo", pause=0.05)
    assert answer.endswith(b"5 bytes")


async def test_a_silent_connection_is_closed(talk: Talk) -> None:
    assert await talk() == b""


async def test_a_head_that_drips_is_not_waited_for(talk: Talk) -> None:
    began = time.monotonic()
    assert await talk(HEAD, *(b"X-A: b\r\n",) * 20, pause=0.05) == b""
    assert time.monotonic() - began < 5


async def test_blank_lines_do_not_keep_a_connection_open(talk: Talk) -> None:
    answer = await talk(HEAD + b"Content-Length: 0\r\n\r\n", *(b"\r\n",) * 20, pause=0.05)
    assert answer.endswith(b"0 bytes")


async def test_a_body_that_stands_still_is_not_waited_for(talk: Talk) -> None:
    assert b"200" not in await talk(HEAD + b"Content-Length: 5\r\n\r\nhe")


async def test_a_slow_body_that_gets_on_is_waited_for(talk: Talk) -> None:
    answer = await talk(HEAD + b"Connection: close\r\nContent-Length: 8\r\n\r\n", *(b"x",) * 8, pause=0.06)
    assert answer.endswith(b"8 bytes")


async def test_an_endless_head_is_refused_early(talk: Talk) -> None:
    endless = (b"x" * HEAD_BYTES,) * 20
    assert b" 200 " not in await talk(HEAD + b"X-A: ", *endless, b"\r\n\r\n")


async def test_endless_trailers_are_refused(talk: Talk) -> None:
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-A: "
    assert b" 200 " not in await talk(chunked, *(b"x" * HEAD_BYTES,) * 20, b"\r\n\r\n")


async def test_a_crowd_leaves_room_for_those_already_in(talk: Talk) -> None:
    slow = HEAD + b"Connection: close\r\nContent-Length: 4\r\n\r\n"
    answers = await asyncio.gather(*(talk(slow, *(b"x",) * 4, pause=0.05) for _ in range(20)))
    assert sorted({answer[-7:] for answer in answers}) == [b"", b"4 bytes"]
    assert sum(1 for answer in answers if answer) == 8

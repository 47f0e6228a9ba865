"""The client against a real socket that answers, breaks off and lies."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

import aiohttp
import pytest

from perch.x import errors
from perch.x.client import LONGEST_BODY, XClient, open_session
from perch.x.media import AppendSegment
from perch.x.oauth2 import Client, RefreshGrant
from perch.x.posts import CreatePost, DeletePost, RecordedPost
from perch.x.users import Me
from perch.x.wire import Answer, Bearer, Operation, Reply, Request

TOKEN = Bearer("canary-token")
CREATED = b'{"data":{"id":"1951000000000000002","text":"Hi"}}'
ME = b'{"data":{"id":"1","name":"A","username":"a"}}'


@dataclass
class Wire:
    """One accepted connection, in the hands of a test."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def request(self) -> bytes:
        """The next request, head and body, or nothing at the end."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return b""
        fields = dict(line.lower().split(b": ", 1) for line in head.strip().split(b"\r\n")[1:])
        return head + await self.reader.readexactly(int(fields.get(b"content-length", b"0")))

    async def say(self, *pieces: bytes) -> None:
        self.writer.write(b"".join(pieces))
        await self.writer.drain()

    async def answer(self, status: bytes, body: bytes, *fields: bytes) -> None:
        length = b"Content-Length: %d" % len(body)
        await self.say(b"\r\n".join((b"HTTP/1.1 " + status, length, *fields, b"", body)))

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.writer.transport.abort()


Script: TypeAlias = Callable[[Wire], Awaitable[None]]


@dataclass
class Peer:
    """What listens instead of X: one script a connection, the last one for all that follow."""

    scripts: list[Script] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self.scripts[min(self.connections, len(self.scripts) - 1)]
        self.connections += 1
        try:
            await script(Wire(reader, writer))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def answering(self, status: bytes, body: bytes, *fields: bytes) -> Script:
        """A script that reads requests and gives each the same answer."""

        async def script(wire: Wire) -> None:
            while request := await wire.request():
                self.requests.append(request)
                await wire.answer(status, body, *fields)

        return script

    def saying(self, *pieces: bytes) -> Script:
        """A script that reads one request, says these bytes and closes."""

        async def script(wire: Wire) -> None:
            self.requests.append(await wire.request())
            await wire.say(*pieces)

        return script


@dataclass
class Line:
    """A client and the peer at the other end of it."""

    peer: Peer
    client: XClient

    async def post(self, text: str = "Hi", deadline: float = 5.0) -> Reply[object]:
        return await self.client.send(CreatePost(text), TOKEN, deadline=deadline)

    async def read(self, deadline: float = 5.0) -> Reply[object]:
        return await self.client.send(Me(), TOKEN, deadline=deadline)


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    async with AsyncExitStack() as stack:
        peer = Peer()
        server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
        stack.callback(server.close)
        peer.port = server.sockets[0].getsockname()[1]
        session = await stack.enter_async_context(open_session())
        yield Line(peer, XClient(session, peer.url))


async def test_a_post_goes_out_once_with_its_exact_bytes_and_token(line: Line) -> None:
    line.peer.scripts = [
        line.peer.answering(
            b"201 Created",
            CREATED,
            b"x-transaction-id: e92f067a164a24a1",
            b"x-rate-limit-remaining: 99",
            b"Date: Wed, 03 Nov 2021 21:38:39 UTC",
        )
    ]

    reply = await line.client.send(RecordedPost(b'{ "text":"Hi" }'), TOKEN)

    (sent,) = line.peer.requests
    head, _, body = sent.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /2/tweets HTTP/1.1\r\n")
    assert b"Authorization: Bearer canary-token\r\n" in head
    assert b"Content-Type: application/json\r\n" in head
    assert body == b'{ "text":"Hi" }'
    assert reply.result.id == "1951000000000000002"
    assert reply.head.transaction_id == "e92f067a164a24a1"
    assert reply.head.limits.windows[0].remaining == 99
    assert reply.head.date is not None
    assert reply.head.date.isoformat() == "2021-11-03T21:38:39+00:00"


async def test_a_refusal_carries_the_answers_head(line: Line) -> None:
    body = b'{"title":"Forbidden","detail":"You are not allowed to create a Tweet with duplicate content."}'
    line.peer.scripts = [line.peer.answering(b"403 Forbidden", body, b"x-rate-limit-limit: 100")]

    with pytest.raises(errors.Forbidden) as caught:
        await line.post()

    assert caught.value.head is not None
    assert caught.value.head.limits.windows[0].limit == 100


async def test_a_packed_answer_is_unpacked(line: Line) -> None:
    packed = gzip.compress(ME)
    line.peer.scripts = [line.peer.answering(b"200 OK", packed, b"Content-Encoding: gzip")]

    assert (await line.client.send(Me())).result.username == "a"


async def test_client_credentials_go_to_the_token_endpoint_instead_of_a_token(line: Line) -> None:
    line.peer.scripts = [line.peer.answering(b"200 OK", b'{"access_token":"at"}')]

    await line.client.send(RefreshGrant(Client("id", "secret"), "rt"))

    assert b"Authorization: Basic aWQ6c2VjcmV0\r\n" in line.peer.requests[0]


async def test_a_segment_larger_than_any_buffer_arrives_whole(line: Line) -> None:
    line.peer.scripts = [line.peer.answering(b"204 No Content", b"")]
    media = bytes(range(256)) * 4096

    await line.client.send(AppendSegment("1", 0, media), TOKEN)

    assert media in line.peer.requests[0]


async def test_a_refused_connection_sent_nothing(line: Line) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # bound and not listening: nobody can answer there
        client = XClient(line.client._session, f"http://127.0.0.1:{bound.getsockname()[1]}")

        for operation in (CreatePost("Hi"), Me()):
            with pytest.raises(errors.Unreachable) as caught:
                await client.send(operation, TOKEN)

    assert "Connection refused" in caught.value.sentence


async def test_a_name_that_does_not_resolve_sent_nothing(line: Line) -> None:
    client = XClient(line.client._session, "http://x.invalid")

    with pytest.raises(errors.Unreachable):
        await client.send(CreatePost("Hi"), TOKEN)


async def test_a_failed_tls_handshake_sent_nothing(line: Line) -> None:
    async def not_tls(wire: Wire) -> None:
        await wire.reader.read(100)
        await wire.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    line.peer.scripts = [not_tls]
    client = XClient(line.client._session, line.peer.url.replace("http", "https"))

    with pytest.raises(errors.Unreachable):
        await client.send(CreatePost("Hi"), TOKEN)


async def test_a_tls_handshake_that_never_ends_sent_nothing(line: Line) -> None:
    async def silent(wire: Wire) -> None:
        await wire.reader.read()

    line.peer.scripts = [silent]
    client = XClient(line.client._session, line.peer.url.replace("http", "https"))

    with pytest.raises(errors.Unreachable):
        await client.send(CreatePost("Hi"), TOKEN, deadline=0.05)


async def test_waiting_in_vain_for_a_free_connection_sent_nothing(line: Line) -> None:
    busy, done = asyncio.Event(), asyncio.Event()

    async def slow(wire: Wire) -> None:
        await wire.request()
        busy.set()
        await done.wait()
        await wire.answer(b"200 OK", ME)

    line.peer.scripts = [slow]
    async with open_session(connections=1) as session:
        client = XClient(session, line.peer.url)
        first = asyncio.create_task(client.send(Me(), TOKEN))
        await busy.wait()
        with pytest.raises(errors.Unreachable):
            await client.send(CreatePost("Hi"), TOKEN, deadline=0.02)
        done.set()
        await first

    assert line.peer.connections == 1


async def test_a_closed_session_sends_nothing(line: Line) -> None:
    async with open_session() as session:
        client = XClient(session, line.peer.url)

    with pytest.raises(errors.Unreachable):
        await client.send(CreatePost("Hi"), TOKEN)


async def closes_unread(wire: Wire) -> None:
    wire.writer.close()


async def resets_unread(wire: Wire) -> None:
    wire.reset()


async def closes_after_reading(wire: Wire) -> None:
    await wire.request()


async def resets_after_reading(wire: Wire) -> None:
    await wire.request()
    wire.reset()


async def never_answers(wire: Wire) -> None:
    await wire.request()
    await wire.reader.read()


async def drips(wire: Wire) -> None:
    await wire.request()
    await wire.say(b"HTTP/1.1 201 Created\r\nContent-Length: 1000\r\n\r\n")
    while True:
        await wire.say(b" ")
        await asyncio.sleep(0.005)


def says(*pieces: bytes) -> Script:
    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.say(*pieces)

    return script


WITHOUT_VERDICT = {
    "closes before reading": closes_unread,
    "resets before reading": resets_unread,
    "closes after reading": closes_after_reading,
    "resets after reading": resets_after_reading,
    "never answers": never_answers,
    "drips": drips,
    "half a status line": says(b"HTTP/1.1 20"),
    "half a head": says(b"HTTP/1.1 201 Created\r\nContent-Le"),
    "half a body": says(b"HTTP/1.1 201 Created\r\nContent-Length: 900\r\n\r\n", CREATED),
    "half a chunk": says(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n", CREATED),
    "a broken chunk size": says(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "broken gzip": says(
        b"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: 50\r\n\r\n", b"x" * 50
    ),
    "half a gzip": says(
        b"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nConnection: close\r\nContent-Length: 30\r\n\r\n",
        gzip.compress(CREATED)[:30],
    ),
    "an unknown encoding": says(
        b"HTTP/1.1 201 Created\r\nContent-Encoding: rot13\r\nConnection: close\r\nContent-Length: 9\r\n\r\n",
        b'{"data":{',
    ),
    "no HTTP at all": says(b"220 smtp.example ESMTP\r\n\r\n"),
    "a web page": says(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\n<html>"),
    "a redirect": says(
        b"HTTP/1.1 307 Temporary Redirect\r\nConnection: close\r\n",
        b"Location: http://127.0.0.1:1/2/tweets\r\nContent-Length: 0\r\n\r\n",
    ),
    "too much": says(
        b"HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n", b" " * (LONGEST_BODY + 1), CREATED
    ),
    "a gzip bomb": says(
        b"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n",
        gzip.compress(b" " * (64 * LONGEST_BODY) + CREATED),
    ),
    "an endless head": says(b"HTTP/1.1 201 Created\r\nx-long: ", b"x" * 100_000, b"\r\n\r\n"),
    "a head of nonsense": says(b"HTTP/1.1 201 Created\r\n\xff\xfe: \x00\r\n\r\n"),
}


@pytest.mark.parametrize("script", WITHOUT_VERDICT.values(), ids=WITHOUT_VERDICT.keys())
async def test_without_a_verdict_a_post_is_unconfirmed_a_read_unavailable_and_each_is_sent_once(
    line: Line, script: Script
) -> None:
    line.peer.scripts = [script]
    deadline = 0.3 if script in (never_answers, drips) else 10.0

    with pytest.raises(errors.Unconfirmed) as posted:
        await line.post(deadline=deadline)
    assert line.peer.connections == 1

    for operation in (Me(), DeletePost("1")):
        with pytest.raises(errors.Unavailable) as read:
            await line.client.send(operation, TOKEN, deadline=deadline)
    assert line.peer.connections == 3

    for error in (posted.value, read.value):
        assert error.__cause__ is None
        assert error.__context__ is None
        assert "canary" not in repr(error)


async def test_the_head_of_a_cut_answer_is_kept(line: Line) -> None:
    line.peer.scripts = [
        line.peer.saying(b"HTTP/1.1 201 Created\r\nx-transaction-id: abc\r\nContent-Length: 9\r\n\r\n{")
    ]

    with pytest.raises(errors.Unconfirmed) as caught:
        await line.post()

    assert caught.value.head is not None
    assert (caught.value.head.status, caught.value.head.transaction_id) == (201, "abc")


@pytest.mark.parametrize("operation", [CreatePost("Hi"), Me()])
async def test_a_kept_connection_that_died_is_not_tried_again(
    line: Line, operation: Operation[object]
) -> None:
    async def answers_once_then_closes_on_the_second(wire: Wire) -> None:
        line.peer.requests.append(await wire.request())
        await wire.answer(b"200 OK", ME)
        line.peer.requests.append(await wire.request())

    line.peer.scripts = [answers_once_then_closes_on_the_second]
    await line.read()

    with pytest.raises((errors.Unconfirmed, errors.Unavailable)):
        await line.client.send(operation, TOKEN)

    assert line.peer.connections == 1
    assert len(line.peer.requests) == 2


async def test_a_redirect_is_not_followed(line: Line) -> None:
    line.peer.scripts = [
        line.peer.answering(b"302 Found", b"", f"Location: {line.peer.url}/2/users/me".encode())
    ]

    with pytest.raises(errors.Unavailable):
        await line.read()

    assert len(line.peer.requests) == 1


async def test_cookies_of_x_are_not_given_back(line: Line) -> None:
    line.peer.scripts = [line.peer.answering(b"200 OK", ME, b"Set-Cookie: guest_id=1; Path=/")]

    await line.read()
    await line.read()

    assert b"cookie" not in line.peer.requests[1].lower()


async def test_a_last_check_runs_once_connected_and_before_any_byte(line: Line) -> None:
    class TooLateError(Exception):
        pass

    connections_then: list[int] = []

    def refuse() -> None:
        connections_then.append(line.peer.connections)
        raise TooLateError

    line.peer.scripts = [line.peer.answering(b"200 OK", ME)]
    await line.read()
    with pytest.raises(TooLateError):
        await line.client.send(CreatePost("Hi"), TOKEN, before_write=refuse)

    assert connections_then == [1]
    assert len(line.peer.requests) == 1


async def test_a_cancelled_call_ends_as_cancelled(line: Line) -> None:
    arrived = asyncio.Event()

    async def reads_and_waits(wire: Wire) -> None:
        await wire.request()
        arrived.set()
        await wire.reader.read()

    line.peer.scripts = [reads_and_waits]
    call = asyncio.create_task(line.post())
    await arrived.wait()
    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call


@dataclass(frozen=True)
class Elsewhere:
    """An operation that tries to leave the API's host."""

    repeatable: ClassVar[bool] = True

    path: str

    def request(self) -> Request:
        return Request("GET", self.path)

    def parse(self, answer: Answer) -> None: ...


@pytest.mark.parametrize("path", ["@127.0.0.1:1/", ".evil.example/", "https://evil.example/", ""])
async def test_no_operation_can_name_another_host(line: Line, path: str) -> None:
    with pytest.raises(ValueError, match="own host"):
        await line.client.send(Elsewhere(path), TOKEN)


async def test_a_path_that_looks_like_a_host_stays_a_path(line: Line) -> None:
    line.peer.scripts = [line.peer.answering(b"200 OK", b"{}")]

    await line.client.send(Elsewhere("//evil.example/x?y#z"), TOKEN)

    assert line.peer.requests[0].startswith(b"GET //evil.example/x%3Fy%23z HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "url",
    [
        "api.x.com",
        "ftp://api.x.com",
        "https://",
        "https://u:p@api.x.com",
        "https://api.x.com/2",
        "https://a/?q",
    ],
)
async def test_only_a_plain_origin_is_taken_for_the_api(line: Line, url: str) -> None:
    with pytest.raises(ValueError, match="origin"):
        XClient(line.client._session, url)


async def test_a_foreign_session_is_refused_as_it_could_not_tell_what_was_sent() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ValueError, match="open_session"):
            XClient(session, "https://api.x.com")


def test_a_token_does_not_show_in_a_repr() -> None:
    assert "canary" not in repr(TOKEN)

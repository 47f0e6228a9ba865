import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from yarl import URL

from perch.fetch import FetchFailed, FetchRefused, TooLarge, get, getting

Serve = Callable[..., Awaitable[int]]


async def _hello(_request: web.Request) -> web.Response:
    return web.Response(body=b"hello", content_type="image/png")


def _to(location: str, status: int = 302) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def redirect(_request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": location})

    return redirect


@pytest.fixture
def open_port(monkeypatch: pytest.MonkeyPatch, sink: Any) -> Any:
    """The sink's port counts as a web port, so that only the address guard stands before it."""
    monkeypatch.setattr(getting, "PORTS", {80, 443, sink.port})
    return sink


async def test_a_file_arrives_with_its_claim_and_is_gone_afterwards(serve: Serve, tmp_path: Path) -> None:
    port = await serve(_hello)

    with await get(
        f"http://127.0.0.1:{port}/a.png#part", allow=(f"127.0.0.1:{port}",), max_bytes=5, into=tmp_path
    ) as fetched:
        assert fetched.path.read_bytes() == b"hello"
        assert fetched.size == 5
        assert fetched.media_type_claimed == "image/png"
        assert fetched.path.stat().st_mode & 0o777 == 0o600

    assert list(tmp_path.iterdir()) == []


async def test_a_fetch_carries_nothing_of_ours(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, str] = {}

    async def note(request: web.Request) -> web.Response:
        seen.update(request.headers)
        return web.Response(headers={"Set-Cookie": "a=b"})

    port = await serve(note)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    for _ in range(2):
        with await get(
            f"http://127.0.0.1:{port}/", allow=("127.0.0.1",), max_bytes=5, accept=("image/*", "video/mp4")
        ):
            pass

    assert {name: value for name, value in seen.items() if name not in {"Host", "Connection"}} == {
        "Accept": "image/*, video/mp4",
        "Accept-Encoding": "identity",
        "User-Agent": "Perch",
    }


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "①②⑦.⓪.⓪.①",
        "127.0.0.1.",
        "0.0.0.0",
        "[::]",
        "[64:ff9b::7f00:1]",
        "[::127.0.0.1]",
        "[::1%25lo]",
        "LOCALHOST",
    ],
)
async def test_no_spelling_of_loopback_is_reached(open_port: Any, host: str) -> None:
    with pytest.raises(FetchRefused):
        await get(f"http://{host}:{open_port.port}/", max_bytes=100)

    assert open_port.connects == 0


async def test_the_sink_is_there_for_who_is_allowed(open_port: Any) -> None:
    for host in ("127.0.0.1", "localhost"):
        with await get(f"http://{host}:{open_port.port}/", allow=(host,), max_bytes=100) as fetched:
            assert fetched.path.read_bytes() == b"secret"

    assert open_port.connects == 2


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
        "http://10.0.0.1/",
        "http://good.test@127.0.0.1/",
        "http://user:pass@93.184.216.34/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "ftp://127.0.0.1/",
        "data:text/plain,hello",
        "http://good.test:22/",
        "https://good.test:8443/",
        "//good.test/",
        "http:///etc/passwd",
        "http://good .test/",
        "http://good.test\\@127.0.0.1/",
        "http://[::1",
        "http://good.test:99999/",
        "http://ex%61mple.test/",
        "http://" + "a" * 64 + ".test/",
        "javascript:alert(1)",
        "",
    ],
)
async def test_an_address_that_is_not_for_strangers_is_refused(url: str) -> None:
    with pytest.raises(FetchRefused) as caught:
        await get(url, max_bytes=100)

    assert (caught.value.code, caught.value.status) == ("address_refused", 422)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_loopback_is_refused(
    serve: Serve, open_port: Any, names: Any, status: int
) -> None:
    port = await serve(_to(f"http://127.0.0.1:{open_port.port}/", status), host="127.0.0.2")

    with pytest.raises(FetchRefused):
        await get(
            f"http://good.test:{port}/",
            allow=(f"127.0.0.2/32:{port}",),
            max_bytes=9,
            resolver=names(("127.0.0.2",)),
        )

    assert open_port.connects == 0


async def test_a_name_that_turns_to_loopback_between_two_hops_is_refused(
    serve: Serve, open_port: Any, names: Any
) -> None:
    port = await serve(_to("/again"), host="127.0.0.2", port=open_port.port)
    rebinding = names(("127.0.0.2",), ("127.0.0.1",))

    with pytest.raises(FetchRefused):
        await get(f"http://good.test:{port}/", allow=("127.0.0.2",), max_bytes=9, resolver=rebinding)

    assert rebinding.asked == ["good.test", "good.test"]
    assert open_port.connects == 0


async def test_loopback_beside_a_dead_good_address_is_not_tried(open_port: Any, names: Any) -> None:
    mixed = names(("127.0.0.2", "127.0.0.1", "::1"))

    with pytest.raises(FetchRefused):
        await get(f"http://good.test:{open_port.port}/", allow=("127.0.0.2",), max_bytes=9, resolver=mixed)

    assert open_port.connects == 0


async def test_loopback_before_a_good_address_is_passed_over(
    serve: Serve, open_port: Any, names: Any
) -> None:
    port = await serve(_hello, host="127.0.0.2", port=open_port.port)

    with await get(
        f"http://good.test:{port}/",
        allow=("127.0.0.2",),
        max_bytes=9,
        resolver=names(("127.0.0.1", "127.0.0.2")),
    ) as fetched:
        assert fetched.path.read_bytes() == b"hello"

    assert open_port.connects == 0


async def test_a_resolver_cannot_move_the_port(
    open_port: Any, names: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getting, "PORTS", {80, 443})
    moved = names(("93.184.216.34",), port=22)

    with pytest.raises(FetchRefused):
        await get("http://good.test/", max_bytes=9, resolver=moved)


async def test_https_never_redirects_to_http(serve: Serve, tls: Any, sink: Any) -> None:
    plain = f"http://127.0.0.1:{sink.port}/"
    port = await serve(_to(plain, 307), tls=tls.server)

    with pytest.raises(FetchRefused, match="https to http"):
        await get(f"https://127.0.0.1:{port}/", allow=("127.0.0.1",), max_bytes=9, tls=tls.client)

    assert sink.connects == 0


async def test_a_server_without_a_trusted_certificate_is_not_read(serve: Serve, tls: Any) -> None:
    port = await serve(_hello, tls=tls.server)

    with await get(f"https://127.0.0.1:{port}/", allow=("127.0.0.1",), max_bytes=9, tls=tls.client):
        pass
    with pytest.raises(FetchFailed):
        await get(f"https://127.0.0.1:{port}/", allow=("127.0.0.1",), max_bytes=9)


async def test_three_redirects_are_followed_and_a_fourth_is_not(serve: Serve) -> None:
    async def count_down(request: web.Request) -> web.Response:
        left = int(request.match_info["rest"])
        if left:
            return web.Response(status=302, headers={"Location": f"/{left - 1}"})
        return web.Response(body=b"there")

    port = await serve(count_down)
    with await get(f"http://127.0.0.1:{port}/3", allow=("127.0.0.1",), max_bytes=9) as fetched:
        assert fetched.final_url.endswith("/0")
        assert fetched.url.endswith("/3")
    with pytest.raises(FetchFailed, match="more than 3"):
        await get(f"http://127.0.0.1:{port}/4", allow=("127.0.0.1",), max_bytes=9)


@pytest.mark.parametrize(
    ("location", "refused"),
    [
        ("file:///etc/passwd", True),
        ("gopher://good.test/", True),
        ("http://good.test:22/", True),
        ("http://u:p@good.test/", True),
        ("http://[::1", True),
        ("//other.test/a", False),
        ("../b?c=d", False),
        ("https://good.test/", False),
    ],
)
def test_a_redirect_is_checked_like_a_first_address(location: str, refused: bool) -> None:
    start = URL("http://good.test/a/")
    if refused:
        with pytest.raises(FetchRefused):
            getting.next_hop(start, location, ())
    else:
        assert getting.next_hop(start, location, ()).scheme in {"http", "https"}


async def test_a_dripping_answer_is_given_up(serve: Serve, tmp_path: Path) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b".")
            await asyncio.sleep(0.005)

    port = await serve(drip)
    with pytest.raises(FetchFailed, match="longer than"):
        await get(
            f"http://127.0.0.1:{port}/", allow=("127.0.0.1",), max_bytes=10**9, timeout=0.1, into=tmp_path
        )

    assert list(tmp_path.iterdir()) == []


async def test_a_packed_answer_is_refused(serve: Serve) -> None:
    async def packed(_request: web.Request) -> web.Response:
        return web.Response(body=b"\x1f\x8b bomb", headers={"Content-Encoding": "gzip"})

    port = await serve(packed)
    with pytest.raises(FetchFailed, match="packed"):
        await get(f"http://127.0.0.1:{port}/", allow=("127.0.0.1",), max_bytes=9)


@pytest.mark.parametrize("announced", [True, False])
async def test_an_answer_that_is_too_long_is_cut_off(serve: Serve, tmp_path: Path, announced: bool) -> None:
    sent = 0

    async def pour(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        answer = web.StreamResponse()
        if announced:
            answer.content_length = 1 << 40
        await answer.prepare(request)
        while True:
            await answer.write(bytes(1 << 16))
            sent += 1 << 16

    port = await serve(pour)
    with pytest.raises(TooLarge) as caught:
        await get(f"http://127.0.0.1:{port}/", allow=("127.0.0.1",), max_bytes=1_000_000, into=tmp_path)

    assert caught.value.status == 413
    assert list(tmp_path.iterdir()) == []
    assert sent < 1 << 25


@pytest.mark.parametrize("status", [204, 206, 304, 401, 404, 500])
async def test_an_answer_without_the_file_is_a_failure(serve: Serve, status: int) -> None:
    async def sulk(_request: web.Request) -> web.Response:
        return web.Response(status=status)

    port = await serve(sulk)
    with pytest.raises(FetchFailed, match=str(status)) as caught:
        await get(f"http://127.0.0.1:{port}/", allow=("127.0.0.1",), max_bytes=9)

    assert (caught.value.code, caught.value.status) == ("fetch_failed", 502)


async def test_a_cut_answer_is_a_failure(serve: Serve, tmp_path: Path) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        answer.content_length = 100
        await answer.prepare(request)
        await answer.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return answer

    port = await serve(cut)
    with pytest.raises(FetchFailed):
        await get(f"http://127.0.0.1:{port}/", allow=("127.0.0.1",), max_bytes=100, into=tmp_path)

    assert list(tmp_path.iterdir()) == []


async def test_nobody_listening_is_a_failure(names: Any) -> None:
    with pytest.raises(FetchFailed):
        await get("http://127.0.0.3:1/", allow=("127.0.0.3",), max_bytes=9)


@pytest.mark.parametrize("host", ["...", "a..b", "..", ".a", "ff..", "12..34"])
async def test_a_name_with_an_empty_part_is_refused(host: str) -> None:
    with pytest.raises(FetchRefused, match="names no host"):
        await get(f"http://{host}/", max_bytes=5)

"""The guarded GET: each hop's address checked, its very socket address checked again, the answer counted.

Checking a name when it is resolved is not enough: literal addresses skip the resolver, and a name may resolve
to another address a moment later. So the guard sits where the socket is made.
"""

import asyncio
import os
import re
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from perch.fetch.addresses import is_public
from perch.fetch.allowing import Allowance, allowances
from perch.fetch.errors import FetchFailed, FetchRefused, TooLarge

MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
PORTS = frozenset({80, 443})
_CHUNK = 256 * 1024
_CONNECT_SECONDS = 10
# A DNS name as it goes on the wire (RFC 1123, plus the underscore that is in use), or an IPv6 literal.
_HOST = re.compile(r"(?=.{1,254}$)([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?|(?=.*:)[0-9a-f:.]{2,45}")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came, in a temporary file that is gone when the ``with`` block ends.

    ``media_type_claimed`` is the other side's word and nothing more.
    """

    url: str
    final_url: str
    media_type_claimed: str
    path: Path
    size: int

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Terms:
    rules: tuple[Allowance, ...]
    max_bytes: int
    accept: tuple[str, ...]
    into: Path | None
    resolver: AbstractResolver | None
    tls: ssl.SSLContext | None


async def get(
    url: str,
    *,
    max_bytes: int,
    allow: tuple[str, ...] = (),
    timeout: float = 30,  # noqa: ASYNC109 - a bound on all hops together, which only this function sees
    accept: tuple[str, ...] = (),
    into: Path | None = None,
    resolver: AbstractResolver | None = None,
    tls: ssl.SSLContext | None = None,
) -> Fetched:
    """GET a stranger's address into a temporary file in ``into`` and hand it over as a context manager.

    ``allow`` takes entries of PERCH_FETCH_ALLOW, ``accept`` names the media types asked for; the claim in the
    answer is reported, never trusted. ``timeout`` bounds everything, in seconds.
    Raises FetchRefused, FetchFailed and TooLarge.
    """
    terms = _Terms(allowances(allow), max_bytes, accept, into, resolver, tls)
    first = admit(url, terms.rules)
    try:
        async with asyncio.timeout(timeout):
            return await _follow(first, terms)
    except TimeoutError as error:
        raise FetchFailed(f"{first.raw_host} took longer than {timeout:g} seconds to deliver.") from error


def admit(url: str, rules: tuple[Allowance, ...]) -> URL:
    """What can be decided about an address before any name is resolved. Raises FetchRefused."""
    try:
        parts = URL(url)
        host = (parts.raw_host or "").lower()
    except (ValueError, UnicodeError) as error:
        raise FetchRefused("That is not a web address.") from error
    if parts.scheme not in {"http", "https"}:
        raise FetchRefused("Only http and https addresses can be fetched.")
    if not _HOST.fullmatch(host):
        raise FetchRefused("That address names no host.")
    if parts.raw_user is not None or parts.raw_password is not None:
        raise FetchRefused("An address with a user name or password in it is not fetched.")
    port = parts.port or 0
    if port not in PORTS and not any(rule.may_cover(host.rstrip("."), port) for rule in rules):
        raise FetchRefused(f"Port {port} is not open to addresses from outside.", fix="Use port 80 or 443.")
    return parts.with_fragment(None)


def next_hop(url: URL, location: str, rules: tuple[Allowance, ...]) -> URL:
    """Where a redirect leads, checked like a first address. Raises FetchRefused."""
    try:
        target = url.join(URL(location))
    except (ValueError, UnicodeError) as error:
        raise FetchRefused(f"{url.raw_host} redirects to something that is not a web address.") from error
    if url.scheme == "https" and target.scheme == "http":
        raise FetchRefused(f"{url.raw_host} redirects from https to http.")
    return admit(str(target), rules)


class _Guard:
    """Makes the sockets of one hop, for addresses that may be reached only."""

    def __init__(self, url: URL, rules: tuple[Allowance, ...]) -> None:
        self._host = (url.raw_host or "").lower().rstrip(".")
        self._rules = rules
        self.refused = False

    def make(self, info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, sockaddr = info
        if not self._lets_through(str(sockaddr[0]), int(sockaddr[1])):
            self.refused = True
            # aiohttp tries the next address after an OSError and loses any other exception.
            raise PermissionError("this address is closed to strangers")
        return socket.socket(family, kind, protocol)

    def _lets_through(self, literal: str, port: int) -> bool:
        try:
            address = ip_address(literal)
        except ValueError:
            return False
        if any(rule.covers(self._host, address, port) for rule in self._rules):
            return True
        return port in PORTS and is_public(address)


async def _follow(first: URL, terms: _Terms) -> Fetched:
    url = first
    for _ in range(MAX_REDIRECTS + 1):
        async with _answer(url, terms) as answer:
            if answer.status not in _REDIRECTS:
                return await _take(str(first), answer, terms)
            url = next_hop(url, answer.headers.get("Location", ""), terms.rules)
    raise FetchFailed(f"{first.raw_host} redirects more than {MAX_REDIRECTS} times.")


@asynccontextmanager
async def _answer(url: URL, terms: _Terms) -> AsyncIterator[aiohttp.ClientResponse]:
    guard = _Guard(url, terms.rules)
    try:
        async with (
            _session(guard, terms) as session,
            session.get(url, headers=_headers(terms), allow_redirects=False, ssl=terms.tls or True) as answer,
        ):
            yield answer
    except aiohttp.InvalidURL as error:
        raise FetchRefused("That is not a web address.") from error
    except (aiohttp.ClientError, ConnectionError, ssl.SSLError, socket.gaierror) as error:
        if guard.refused:
            raise FetchRefused(
                f"{url.raw_host} leads to an address that is closed to requests from outside.",
                fix="An operator can open it with PERCH_FETCH_ALLOW.",
            ) from error
        raise FetchFailed(f"{url.raw_host} could not be reached or broke off.") from error


def _session(guard: _Guard, terms: _Terms) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        socket_factory=guard.make,
        resolver=terms.resolver or aiohttp.ThreadedResolver(),
        use_dns_cache=False,
        force_close=True,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
        trust_env=False,
        auto_decompress=False,
    )


def _headers(terms: _Terms) -> dict[str, str]:
    return {
        "Accept": ", ".join(terms.accept) or "*/*",
        "Accept-Encoding": "identity",
        "User-Agent": "Perch",
    }


async def _take(url: str, answer: aiohttp.ClientResponse, terms: _Terms) -> Fetched:
    if answer.status != 200:
        raise FetchFailed(f"{answer.url.raw_host} answered {answer.status} instead of the file.")
    if answer.headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
        raise FetchFailed(f"{answer.url.raw_host} sent a packed answer although plain bytes were asked for.")
    if (answer.content_length or 0) > terms.max_bytes:
        raise _too_large(terms.max_bytes)
    path, size = await _save(answer, terms)
    return Fetched(url, str(answer.url), answer.content_type.lower(), path, size)


async def _save(answer: aiohttp.ClientResponse, terms: _Terms) -> tuple[Path, int]:
    handle, name = tempfile.mkstemp(prefix="fetched-", dir=terms.into)
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            return path, await _write(answer, file, terms.max_bytes)
    except BaseException:
        path.unlink()
        raise


async def _write(answer: aiohttp.ClientResponse, file: IO[bytes], max_bytes: int) -> int:
    size = 0
    async for chunk in answer.content.iter_chunked(_CHUNK):
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes)
        await asyncio.to_thread(file.write, chunk)
    return size


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"The file is larger than the {max_bytes / 1_000_000:g} MB that fit here.")

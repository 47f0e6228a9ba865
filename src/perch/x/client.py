"""The one place that talks to X: a single HTTP attempt per call, and the truth about how it ended.

Nothing is retried here, ever. aiohttp repeats idempotent requests when a kept connection turns out dead
(RFC 9110 section 9.2.2); a middleware turns that off, so that one call is one request for every method.
"""

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from perch.x.errors import Unreachable, XError
from perch.x.judging import no_answer
from perch.x.wire import Answer, Bearer, Operation, R, Reply, Request

LONGEST_BODY: Final = 1 << 20
"""Bytes of an unpacked answer; X's largest honest one (100 posts with entities) stays well below."""

_CONNECT_SECONDS = 10.0
# From here on aiohttp is given a stream, which it writes in pieces instead of in one blocking gulp.
_LARGE_CONTENT = 1 << 16


class _ConnectionLost(Exception):
    """A broken connection, renamed so that aiohttp does not send the request again."""


class _WriteWatch(aiohttp.TraceConfig):
    """Tells each attempt the moment before the first byte of its request is handed to the socket."""

    def __init__(self) -> None:
        super().__init__()
        # Despite the signal's name aiohttp fires it once connected and before it writes anything.
        self.on_request_headers_sent.append(_about_to_write)


@dataclass(slots=True)
class _Attempt:
    before_write: Callable[[], None] | None
    written: bool = False


async def _about_to_write(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    attempt: _Attempt = context.trace_request_ctx
    if attempt.before_write is not None:
        attempt.before_write()
    attempt.written = True


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as exc:
        raise _ConnectionLost from exc


def open_session(connections: int = 100) -> aiohttp.ClientSession:
    """A session fit for ``XClient``; call it inside the running loop, and close it.

    ``connections`` bounds those open at once; waiting for a free one counts as not reached.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, ttl_dns_cache=60),
        # X sets cookies for visitors; sharing them would tie the accounts of one Perch together.
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[_WriteWatch()],
        headers={"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "Perch"},
        skip_auto_headers=("Content-Type",),
        trust_env=False,
    )


class XClient:
    """Sends operations to one X-shaped server and to no other host.

    ``api_url`` is an origin such as ``https://api.x.com``; ``session`` comes from ``open_session``.
    """

    def __init__(self, session: aiohttp.ClientSession, api_url: str) -> None:
        origin = urlsplit(api_url)
        extra = origin.path.strip("/") or origin.query or origin.fragment or "@" in origin.netloc
        if origin.scheme not in ("http", "https") or not origin.hostname or extra:
            raise ValueError("api_url must be an origin such as https://api.x.com")
        if not any(isinstance(config, _WriteWatch) for config in session.trace_configs):
            # Without it every failure would look as if nothing had been sent.
            raise ValueError("the session must come from open_session")
        self._session = session
        self._origin = f"{origin.scheme}://{origin.netloc}"

    async def send(
        self,
        operation: Operation[R],
        auth: Bearer | None = None,
        *,
        deadline: float = 30.0,
        before_write: Callable[[], None] | None = None,
    ) -> Reply[R]:
        """One attempt of at most ``deadline`` seconds. Raises an ``XError`` for all but success.

        ``before_write`` is called once connected, with nothing written yet; what it raises comes out of
        here and nothing is sent. A cancelled call may have happened, like an unconfirmed one.
        """
        request = operation.request()
        attempt = _Attempt(before_write)
        outcome = await self._attempt(request, auth, deadline, attempt)
        if isinstance(outcome, Answer):
            return Reply(operation.parse(outcome), outcome.head)
        # Raised out here, not where it was caught: aiohttp's exceptions hold the request with its token.
        raise _failed(outcome, written=attempt.written, repeatable=operation.repeatable)

    async def _attempt(
        self, request: Request, auth: Bearer | None, deadline: float, attempt: _Attempt
    ) -> "Answer | _Failure":
        if self._session.closed:
            return _Failure("Perch is shutting down", None)
        begun: Answer | None = None
        try:
            async with self._session.request(
                request.method,
                self._url(request),
                data=_payload(request.content),
                headers=_headers(request, auth),
                timeout=aiohttp.ClientTimeout(total=deadline, sock_connect=min(deadline, _CONNECT_SECONDS)),
                allow_redirects=False,
                middlewares=(_once,),
                trace_request_ctx=attempt,
            ) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                begun = Answer(response.status, headers, b"")
                body = await _read(response)
        except TimeoutError:
            awaited = "no whole answer" if attempt.written else "no connection"
            return _Failure(f"{awaited} in time", begun)
        except (aiohttp.ClientError, _ConnectionLost) as exc:
            return _Failure(_describe(exc), begun)
        if body is None:
            return _Failure("its answer is longer than any honest one", begun)
        return Answer(response.status, headers, body)

    def _url(self, request: Request) -> str:
        if not request.path.startswith("/"):
            # Anything else could extend the host's name.
            raise ValueError("an operation must name a path on the API's own host")
        return self._origin + request.target


@dataclass(frozen=True, slots=True)
class _Failure:
    """No whole answer: why, and the answer without its body if at least that came."""

    why: str
    begun: Answer | None


def _failed(failure: _Failure, *, written: bool, repeatable: bool) -> XError:
    if not written:
        fix = "Nothing was sent. Check this server's network; Perch tries again."
        return Unreachable(f"X cannot be reached: {failure.why}.", fix=fix)
    head = failure.begun.head if failure.begun else None
    return no_answer(f"The call to X broke off: {failure.why}.", repeatable=repeatable, head=head)


def _describe(exc: aiohttp.ClientError | _ConnectionLost) -> str:
    """Our own words and the exception's class only: its text may quote what was sent."""
    match exc:
        case aiohttp.ClientConnectorDNSError():
            return "its name cannot be resolved"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return "no trusted TLS connection could be made"
        case aiohttp.ClientConnectorError():
            return f"the connection failed ({_system_words(exc.os_error)})"
        case aiohttp.ClientPayloadError():
            return "the answer's body is cut or broken"
        case _ConnectionLost():
            return "the connection broke"
    return f"the answer cannot be understood ({type(exc).__name__})"


def _system_words(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else type(error).__name__


def _headers(request: Request, auth: Bearer | None) -> dict[str, str]:
    credentials = request.basic or auth
    headers = {"Content-Type": request.content_type} if request.content_type else {}
    return {**headers, "Authorization": credentials.authorization} if credentials else headers


def _payload(content: bytes | None) -> bytes | io.BytesIO | None:
    return io.BytesIO(content) if content is not None and len(content) > _LARGE_CONTENT else content


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    """The whole unpacked body, or None once it grows past ``LONGEST_BODY``."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LONGEST_BODY:
            return None
    return bytes(body)

"""Only one host name is ours: links, cookies and callbacks are built from it, never from a header."""

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from perch.errors import PerchError
from perch.settings import Settings
from perch.web import errors

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Probes ask by address and are answered with facts only, no links.
_FOR_OPERATORS = {"/healthz", "/readyz", "/metrics"}


class WrongHost(PerchError):
    """The request names a host that is not this Perch."""

    code = "wrong_host"
    status = 400

    def __init__(self, origin: str) -> None:
        super().__init__("This address is not one that Perch answers to.", fix=f"Open {origin} instead.")


class OneHost:
    """Refuses other hosts; sends readers of another loopback name to the right one."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._origin = settings.origin
        parts = urlsplit(settings.origin)
        self._scheme = parts.scheme
        self._ours = (parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _FOR_OPERATORS:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        asked = self._asked(request)
        if asked == self._ours:
            await self._app(scope, receive, send)
        else:
            await self._elsewhere(request, asked)(scope, receive, send)

    def _asked(self, request: Request) -> tuple[str, int] | None:
        """The one host a request names; None when it names several, none, or nonsense."""
        named = request.headers.getlist("host")
        try:
            parts = urlsplit(f"//{named[0]}") if len(named) == 1 else urlsplit("")
            plain = not (parts.path or parts.query or parts.fragment or parts.username)
            return (
                (parts.hostname, parts.port or _DEFAULT_PORTS[self._scheme])
                if parts.hostname and plain
                else None
            )
        except ValueError:
            return None

    def _elsewhere(self, request: Request, asked: tuple[str, int] | None) -> Response:
        both_loopback = asked is not None and {asked[0], self._ours[0]} <= _LOOPBACK
        if (
            both_loopback
            and asked is not None
            and asked[1] == self._ours[1]
            and request.method in {"GET", "HEAD"}
        ):
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"{self._origin}{errors.quoted_path(request)}{query}", status_code=307)
        return errors.answer(request, WrongHost(self._origin))

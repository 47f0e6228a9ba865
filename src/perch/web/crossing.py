"""Requests that another site made a browser send are refused before anything reads them.

Browsers say where a request comes from (https://www.w3.org/TR/fetch-metadata/); older ones name the Origin.
"""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from perch.errors import PerchError
from perch.settings import Settings
from perch.web import errors
from perch.web.cookies import Jar

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class CrossSite(PerchError):
    """Another site wanted to act here in somebody's name."""

    code = "cross_site"
    status = 403

    def __init__(self) -> None:
        super().__init__(
            "This request came from another site, so it was not carried out.",
            fix="Open Perch itself and do it there.",
        )


class SameOrigin:
    """Lets an unsafe method pass only from our own pages, or from a program that no browser speaks for."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._origin = settings.origin
        self._jar = Jar.of(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS or self._is_ours(scope):
            await self._app(scope, receive, send)
            return
        await errors.answer(Request(scope, receive), CrossSite())(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        headers: dict[bytes, str] = {name: value.decode("latin-1") for name, value in scope["headers"]}
        has_session = self._jar.sent_with(scope["headers"])
        if not has_session and headers.get(b"authorization", "").lower().startswith("bearer "):
            return True  # nothing of this request was added by a browser on its own
        if site := headers.get(b"sec-fetch-site"):
            return site in {"same-origin", "none"}
        if origin := headers.get(b"origin"):
            return origin == self._origin
        return not has_session

"""One line a request, when its answer has ended: what was asked, what came of it, how long it took."""

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from perch.clock import Clock

log = structlog.get_logger(__name__)
_UNREMARKABLE = ("/static/", "/healthz", "/readyz", "/metrics")


class AccessLog:
    """Logs the path and never the query: a callback's query holds the code of a sign-in."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = self._clock.elapsed(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            tell = log.debug if scope["path"].startswith(_UNREMARKABLE) else log.info
            tell(
                "request_answered",
                method=scope["method"],
                path=scope["path"],
                status=status,
                ms=round((self._clock.elapsed() - began) * 1000, 1),
            )

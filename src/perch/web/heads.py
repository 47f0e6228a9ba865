"""HEAD answers as GET does, without the body (RFC 9110 section 9.3.2), where looking changes nothing."""

from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_DOING = ("/login/", "/startAuth")


class HeadAsGet:
    """Link checkers and load balancers ask so. A sign-in that comes back is spent by GET alone.

    ``callbacks`` are the paths on which sign-ins come back.
    """

    def __init__(self, app: ASGIApp, callbacks: Collection[str]) -> None:
        self._app = app
        self._callbacks = frozenset(callbacks)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD" or self._does_something(scope["path"]):
            await self._app(scope, receive, send)
            return

        async def headless(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app({**scope, "method": "GET"}, receive, headless)

    def _does_something(self, path: str) -> bool:
        return path.startswith(_DOING) or path in self._callbacks

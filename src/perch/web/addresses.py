"""An address with a NUL leads nowhere: PostgreSQL can store it in no column, nor look for it in one."""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from perch.web import errors


class ReadableAddress:
    """Refuses the others, before anything is looked up by a part of them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and ("\0" in scope["path"] or b"%00" in scope["query_string"]):
            refusal = errors.NoSuchPage("This address leads nowhere.", fix="It may have been mistyped.")
            await errors.answer(Request(scope, receive), refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)

"""The blind catch at the edge: a mistake of ours is logged once and answered with a reference to it."""

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from perch.db import new_public_id
from perch.web import errors

log = structlog.get_logger(__name__)


class CatchUnforeseen:
    """Wraps the routes. What it answers tells nothing of what happened but the reference."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except ClientDisconnect:
            raise
        except Exception:
            reference = new_public_id()
            log.exception("request_broke", reference=reference, method=scope["method"], path=scope["path"])
            if started:
                raise  # half an answer is out: the connection has to end visibly
            await _answer(scope, reference)(scope, receive, send)


def _answer(scope: Scope, reference: str) -> ASGIApp:
    error = errors.Unforeseen(
        f"Perch made a mistake while answering (reference {reference}).",
        fix="Try again; if it happens again, the operator finds the reference in the log.",
    )
    return errors.answer(Request(scope), error, reference=reference)

"""How much a request may send, counted while it streams."""

from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from perch.errors import PerchError
from perch.web import errors

MIB = 1 << 20
FORM_BYTES = 16 * MIB
UPLOAD_BYTES = 520 * MIB
"""X's largest video is 512 MB; the rest is what a form wraps around it."""
_UPLOADS = ("/media", "/compose", "/api/v1/media")


class BodyTooLarge(PerchError):
    """More bytes than anything here needs."""

    code = "body_too_large"
    status = 413

    def __init__(self, cap: int) -> None:
        super().__init__(f"This is more than the {cap // MIB} MB that may be sent here.", fix="Send less.")


@dataclass(slots=True)
class _Count:
    receive: Receive
    cap: int
    seen: int = field(default=0)

    @property
    def is_over(self) -> bool:
        return self.seen > self.cap

    async def __call__(self) -> Message:
        message = await self.receive()
        self.seen += len(message.get("body", b""))
        return {"type": "http.disconnect"} if self.is_over else message


class BodyCap:
    """Answers 413 as soon as the announced or the counted length passes the cap of the path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        cap = UPLOAD_BYTES if scope["path"] in _UPLOADS else FORM_BYTES
        if _announced(scope) > cap:
            await _refusal(scope, cap)(scope, receive, send)
        else:
            await self._count(scope, _Count(receive, cap), send)

    async def _count(self, scope: Scope, counted: _Count, send: Send) -> None:
        refused = False

        async def refuse() -> None:
            nonlocal refused
            refused = True
            await _refusal(scope, counted.cap)(scope, counted.receive, send)

        async def watched(message: Message) -> None:
            # Whatever was made of half a body is not the answer.
            if counted.is_over and not refused and message["type"] == "http.response.start":
                await refuse()
            elif not refused:
                await send(message)

        try:
            await self._app(scope, counted, watched)
        except ClientDisconnect:
            if counted.is_over and not refused:
                await refuse()


def _refusal(scope: Scope, cap: int) -> ASGIApp:
    return errors.answer(Request(scope), BodyTooLarge(cap))


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0

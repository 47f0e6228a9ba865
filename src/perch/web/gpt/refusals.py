"""Refusals as custom GPTs know them: ``{"error", "message"}``, and where to look on."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute

from perch.errors import PerchError
from perch.web.callers import headers_of
from perch.web.gpt.errors import NotOut

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class SmallRoute(APIRoute):
    """A route whose refusals have the small contract's shape."""

    def get_route_handler(self) -> Handler:
        handler = super().get_route_handler()

        async def telling(request: Request) -> Response:
            try:
                return await handler(request)
            except PerchError as error:
                return answer(error)

        return telling


def answer(error: PerchError) -> Response:
    """The refusal of an error."""
    message = f"{error.sentence} {error.fix}" if error.fix else error.sentence
    body = {"error": error.code, "message": message}
    if isinstance(error, NotOut):
        body["receipt_url"] = error.receipt_url
    return JSONResponse(body, error.status, headers=headers_of(error))

"""What is asked of a connection before it becomes a request: that it gets on, and stays small.

Uvicorn bounds neither: a request's head may be of any size, and one that never ends keeps its socket.
"""

import asyncio
import resource
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 128 * 1024
HEAD_SECONDS = 20.0
BODY_SECONDS = 60.0
"""Between two pieces of a body; also how long a body nobody reads any more may go on."""
_FOR_OURSELVES = 256  # files that database, media and the way to X need, however many strangers knock


class HurriedProtocol(HttpToolsProtocol):
    """Hangs up on a head that is too long or too slow, on a body that stands still, and on a crowd."""

    head_seconds = HEAD_SECONDS
    body_seconds = BODY_SECONDS
    most_connections = max(64, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _FOR_OURSELVES)

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._unspent = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            transport.abort()
            return
        self._within(self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._timer is None:
            self._within(self.head_seconds)
        # What became neither a head nor a part of a body by now is kept by the parser: headers, or trailers.
        self._unspent += len(data)
        super().data_received(data)
        if self._unspent > HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of this request is too long.")

    def on_headers_complete(self) -> None:
        self._unspent = 0
        self._within(self.body_seconds)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unspent = 0
        if not self.cycle.response_complete:
            self._within(self.body_seconds)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unspent = 0
        self._rest()
        super().on_message_complete()

    def _within(self, seconds: float) -> None:
        self._rest()
        self._timer = self.loop.call_later(seconds, self._hang_up)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hang_up(self) -> None:
        self._timer = None
        if self.flow.read_paused:
            self._within(self.body_seconds)  # it is us who do not read
        elif not self.transport.is_closing():
            self.transport.close()

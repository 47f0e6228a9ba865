"""The web's socket, and the server behind it."""

import asyncio
import socket
from contextlib import nullcontext, suppress
from typing import Any

import uvicorn

from perch.errors import PerchError
from perch.settings import Settings

_BACKLOG = 2048


class PortTaken(PerchError):
    """Another program listens where Perch should."""

    code = "port_taken"


class Server(uvicorn.Server):
    """Leaves the signals to ``run``, as the worker has to end with the web; and idles quietly.

    Uvicorn looks ten times a second whether it should stop, which alone would keep a small machine busy.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self.should_exit = True
        self._stopping.set()

    def capture_signals(self) -> Any:
        return nullcontext()

    async def main_loop(self) -> None:
        # A counter of 0 makes every tick one that refreshes the Date header.
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 1.0)


def listen(settings: Settings) -> socket.socket:
    """The socket to serve on. Raises PortTaken and names the port."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(_BACKLOG)  # until somebody listens, the kernel lets a second Perch bind here too
    except OSError as error:
        listener.close()
        raise PortTaken(
            f"Perch cannot listen on {settings.host} port {settings.port}: {error.strerror}.",
            fix="Stop what listens there, or set PERCH_PORT (and PERCH_HOST) to something else.",
        ) from error
    listener.set_inheritable(False)
    return listener

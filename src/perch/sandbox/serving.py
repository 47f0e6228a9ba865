"""Running a sandbox on a socket: as a process of its own, or inside another program's event loop."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace

import uvicorn

from perch.sandbox.app import Sandbox, create_app
from perch.sandbox.config import SandboxConfig

ENDING = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox that listens."""

    url: str
    app: Sandbox


class Server(uvicorn.Server):
    """A quiet server that does not wait for anybody when it ends."""

    def __init__(self, app: Sandbox) -> None:
        config = uvicorn.Config(
            app,
            http="httptools",
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End on SIGTERM and SIGINT as on a wish: uvicorn would raise the signal again afterwards."""
        old = {number: signal.signal(number, self.handle_exit) for number in ENDING}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


class Embedded(Server):
    """A server that leaves the signals to the program around it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """Bind, or raise OSError when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(2048)
    except OSError:
        sock.close()
        raise
    return sock


@asynccontextmanager
async def running(config: SandboxConfig | None = None) -> AsyncIterator[Running]:
    """A sandbox on a free port of 127.0.0.1 while the block runs, in this event loop."""
    sock = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    app = create_app(replace(config or SandboxConfig(), url=url))
    server = Embedded(app)
    task = asyncio.create_task(server.serve([sock]))
    waiting = asyncio.create_task(server.listening.wait())
    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    try:
        yield Running(url, app)
    finally:
        server.should_exit = True
        await task

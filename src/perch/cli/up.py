"""``perch up``: one process for web and worker, the sandbox its child."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from typing import Any

import structlog
import uvicorn

from perch import folder, logs, wiring
from perch.cli import local_x
from perch.cli.output import say
from perch.errors import PerchError
from perch.jobs import waking
from perch.settings import Settings, unknown
from perch.web.app import create_app
from perch.web.connections import HurriedProtocol
from perch.wiring import Perch

log = structlog.get_logger(__name__)
_LONGEST_GOODBYE = 45
_BACKLOG = 2048
_KEPT_ALIVE = 130
"""Seconds. Caddy keeps its connections for two minutes: it must not send a post into one that just closed."""


class PortTaken(PerchError):
    """Another program listens where Perch should."""

    code = "port_taken"


class _Server(uvicorn.Server):
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


async def run(settings: Settings) -> None:
    """Serve until a signal asks to stop; posts on their way are finished or recorded first."""
    logs.configure(settings)
    folder.prepare(settings.data_dir)
    async with AsyncExitStack() as stack:
        if settings.is_sqlite:
            lock = folder.lock(settings.data_dir, f"process {os.getpid()} at {settings.origin}")
            stack.callback(lock.release)
        listener = listen(settings)
        stack.callback(listener.close)
        perch = await stack.enter_async_context(wiring.assemble(settings))
        await wiring.bring_up_to_date(perch)
        await wiring.prepare_apps(perch)
        await wiring.take_over(perch)
        if settings.runs_sandbox:
            await stack.enter_async_context(local_x.child(perch))
        await stack.enter_async_context(
            waking.listening(settings.data_dir / folder.WAKE_FILE, perch.engine.ask_for_sweep)
        )
        await _serve(perch, listener)


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


async def _serve(perch: Perch, listener: socket.socket) -> None:
    config = uvicorn.Config(
        create_app(perch), http=HurriedProtocol, ws="none", lifespan="off", log_config=None, access_log=False,
        server_header=False, timeout_graceful_shutdown=5, timeout_keep_alive=_KEPT_ALIVE,
        forwarded_allow_ips="127.0.0.1",
    )  # fmt: skip
    server = _Server(config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    async with _working(perch):
        greet(perch.settings)
        await server.serve(sockets=[listener])
    log.info("stopped")


@asynccontextmanager
async def _working(perch: Perch) -> AsyncIterator[None]:
    worker = asyncio.create_task(perch.engine.run())
    worker.add_done_callback(_report_worker)
    try:
        yield
    finally:
        perch.engine.stop()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(worker, return_exceptions=True), _LONGEST_GOODBYE)


def _report_worker(worker: "asyncio.Task[None]") -> None:
    if not worker.cancelled() and (error := worker.exception()) is not None:
        log.critical("worker_died", exc_info=error)
        os.kill(os.getpid(), signal.SIGTERM)  # without a worker nothing is sent: stop visibly


def greet(settings: Settings) -> None:
    """What to click, once."""
    say(f"Perch is at {settings.origin}")
    if settings.runs_sandbox:
        say(f"The sandbox, a local X, is at {settings.local_x_url}")
    if not settings.is_live:
        say("No X app is configured, so nothing here reaches X. Open Perch and press “Sign in with X”.")
    say(*(f"{name} is set, but is no setting of this Perch: it does nothing." for name in unknown()))
    say("Ctrl-C stops it.")
    sys.stdout.flush()

"""The processes of Perch: ``up`` is web and worker in one, ``serve`` and ``worker`` are one of them each."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext, suppress

import structlog
import uvicorn

from perch import folder, logs, wiring
from perch.cli import local_x
from perch.cli.listening import Server, listen
from perch.cli.output import say
from perch.jobs import dead_man, waking
from perch.settings import Settings, unknown
from perch.web.app import create_app
from perch.web.connections import HurriedProtocol
from perch.wiring import Perch

log = structlog.get_logger(__name__)
_LONGEST_GOODBYE = 45
_OBJECTS_BETWEEN_COLLECTIONS = 20_000
_KEPT_ALIVE = 130
"""Seconds. Caddy keeps its connections for two minutes: it must not send a post into one that just closed."""


async def up(settings: Settings) -> None:
    """Serve and send until a signal asks to stop; posts on their way are finished or recorded first."""
    logs.configure(settings)
    folder.prepare(settings.data_dir)
    async with AsyncExitStack() as stack:
        _own_folder(stack, settings, f"process {os.getpid()} at {settings.origin}")
        listener = listen(settings)
        stack.callback(listener.close)
        perch = await stack.enter_async_context(wiring.assemble(settings))
        await wiring.bring_up_to_date(perch)
        await wiring.prepare_apps(perch)
        if settings.runs_sandbox:
            await stack.enter_async_context(local_x.child(perch))
        server = _server(perch)
        _on_signals(server.stop)
        await stack.enter_async_context(_working(perch))
        _greet(*_where(settings))
        await server.serve(sockets=[listener])
    log.info("stopped")


async def serve(settings: Settings) -> None:
    """The web alone: what it accepts is sent by ``perch worker``."""
    logs.configure(settings)
    folder.prepare(settings.data_dir)
    async with AsyncExitStack() as stack:
        listener = listen(settings)
        stack.callback(listener.close)
        perch = await stack.enter_async_context(wiring.assemble(settings, dispatches=False))
        await wiring.await_current(perch)
        await wiring.prepare_apps(perch)
        server = _server(perch)
        _on_signals(server.stop)
        _greet(f"The web of Perch is at {settings.origin}", "Posts are sent by perch worker.")
        await server.serve(sockets=[listener])
    log.info("stopped")


async def work(settings: Settings) -> None:
    """The worker alone: beside SQLite the only one, beside PostgreSQL one of as many as you like."""
    logs.configure(settings)
    folder.prepare(settings.data_dir)
    stopped = asyncio.Event()
    async with AsyncExitStack() as stack:
        _own_folder(stack, settings, f"process {os.getpid()}, the worker")
        perch = await stack.enter_async_context(wiring.assemble(settings))
        await wiring.await_current(perch)
        await wiring.prepare_apps(perch)
        _on_signals(stopped.set)
        await stack.enter_async_context(dead_man.armed(perch.pace.lease))
        await stack.enter_async_context(_working(perch))
        _greet(f"The worker of Perch, process {os.getpid()}, sends what is due.")
        await stopped.wait()
    log.info("stopped")


def _own_folder(stack: AsyncExitStack, settings: Settings, owner: str) -> None:
    if settings.is_sqlite:
        stack.callback(folder.lock(settings.data_dir, owner).release)


def _on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)


def _server(perch: Perch) -> Server:
    config = uvicorn.Config(
        create_app(perch), http=HurriedProtocol, ws="none", lifespan="off", log_config=None, access_log=False,
        server_header=False, timeout_graceful_shutdown=5, timeout_keep_alive=_KEPT_ALIVE,
        forwarded_allow_ips="127.0.0.1",
    )  # fmt: skip
    return Server(config)


@asynccontextmanager
async def _working(perch: Perch) -> AsyncIterator[None]:
    await wiring.take_over(perch)
    _settle_memory()
    async with _woken(perch):
        worker = asyncio.create_task(perch.engine.run())
        worker.add_done_callback(_report_worker)
        try:
            yield
        finally:
            perch.engine.stop()
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.gather(worker, return_exceptions=True), _LONGEST_GOODBYE)


def _woken(perch: Perch) -> AbstractAsyncContextManager[None]:
    """Other processes of the folder say that there is something new; PostgreSQL tells it by itself."""
    if not perch.db.is_sqlite:
        return nullcontext()
    return waking.listening(perch.settings.data_dir / folder.WAKE_FILE, perch.engine.ask_for_sweep)


def _settle_memory() -> None:
    """What is loaded by now stays: looking through it time and again took a fifth of a busy worker's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)


def _report_worker(worker: "asyncio.Task[None]") -> None:
    if not worker.cancelled() and (error := worker.exception()) is not None:
        log.critical("worker_died", exc_info=error)
        os.kill(os.getpid(), signal.SIGTERM)  # without a worker nothing is sent: stop visibly


def _where(settings: Settings) -> tuple[str, ...]:
    """What to click."""
    sandbox = f"The sandbox, a local X, is at {settings.local_x_url}"
    nowhere = "No X app is configured, so nothing here reaches X. Open Perch and press “Sign in with X”."
    return (
        f"Perch is at {settings.origin}",
        *([sandbox] if settings.runs_sandbox else []),
        *([] if settings.is_live else [nowhere]),
    )


def _greet(*lines: str) -> None:
    """Once, when everything runs."""
    say(*lines)
    say(*(f"{name} is set, but is no setting of this Perch: it does nothing." for name in unknown()))
    say("Ctrl-C stops it.")
    sys.stdout.flush()

"""The sandbox as a process: alone for ``perch sandbox``, as a child of ``perch up``."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import structlog

from perch.errors import PerchError
from perch.seal import Sealer
from perch.settings import Settings
from perch.wiring import Perch, root_key, sandbox_secret

log = structlog.get_logger(__name__)
_CALLBACKS = ("/auth/x", "/auth/twitter", "/oauth/callback", "/callback")
_STARTING_SECONDS = 15
_BREATH_SECONDS = 1


class SandboxFailed(PerchError):
    """The local X did not start."""

    code = "sandbox_failed"


def run(settings: Settings, port: int | None, data: Path | None) -> NoReturn:
    """Become it: signals then reach nobody else. A Perch with the same key can sign in to it."""
    extra = ["--data", str(data)] if data else []
    arguments = _arguments(settings, port or settings.local_x_port)
    environment = {**_agreed(settings), **os.environ}
    os.execve(sys.executable, [*arguments, *extra], environment)  # noqa: S606 - our own interpreter and arguments


@asynccontextmanager
async def child(perch: Perch) -> AsyncIterator[None]:
    """The sandbox beside Perch, with what it remembers in the data folder; begun again should it end.

    Raises SandboxFailed when it does not start at all.
    """
    _require_free_port(perch.settings)
    process = await _begun(perch.settings)
    watching = asyncio.create_task(_watch(perch.settings, process))
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _watch(settings: Settings, process: asyncio.subprocess.Process) -> None:
    try:
        while True:
            log.error("sandbox_ended", code=await process.wait())
            process = await _again(settings)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _again(settings: Settings) -> asyncio.subprocess.Process:
    while True:
        await asyncio.sleep(_BREATH_SECONDS)
        try:
            return await _begun(settings)
        except SandboxFailed as error:
            log.warning("sandbox_not_started", cause=error.sentence)


async def _begun(settings: Settings) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *_arguments(settings, settings.local_x_port),
        "--data", str(settings.data_dir / "sandbox.db"), "--quiet", "--with-parent", str(os.getpid()),
        stdin=subprocess.DEVNULL, start_new_session=True, env={**os.environ, **_agreed(settings)},
    )  # fmt: skip
    try:
        await _until_it_listens(process, settings)
    except BaseException:
        if process.returncode is None:
            process.kill()
        raise
    return process


def _agreed(settings: Settings) -> dict[str, str]:
    """The secret that Perch shows the sandbox; not on the command line, which everybody can read."""
    known = root_key(settings)
    return {"SANDBOX_CLIENT_SECRET": sandbox_secret(Sealer(known))} if known else {}


def _arguments(settings: Settings, port: int) -> list[str]:
    callbacks = [
        argument for path in _callback_paths(settings) for argument in ("--callback", settings.origin + path)
    ]
    return [
        sys.executable, "-m", "perch.sandbox", "--host", settings.host, "--port", str(port),
        "--url", settings.local_x_url if port == settings.local_x_port else f"http://{settings.host}:{port}",
        "--pace", str(settings.pace), *callbacks,
    ]  # fmt: skip


def _callback_paths(settings: Settings) -> list[str]:
    return list(dict.fromkeys([settings.x_callback_path, *_CALLBACKS]))


def _require_free_port(settings: Settings) -> None:
    # Whoever else listens there would answer for the sandbox, and look like it.
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.local_x_port))
            probe.listen()
        except (OSError, OverflowError) as error:
            raise _not_started(settings) from error


def _not_started(settings: Settings) -> SandboxFailed:
    return SandboxFailed(
        f"The sandbox did not start on port {settings.local_x_port}.",
        fix="Set PERCH_SANDBOX_PORT to a free port, or PERCH_SANDBOX=off.",
    )


async def _until_it_listens(process: asyncio.subprocess.Process, settings: Settings) -> None:
    waited = 0.0
    while waited < _STARTING_SECONDS:
        if process.returncode is not None:
            raise _not_started(settings)
        try:
            _, writer = await asyncio.open_connection(settings.host, settings.local_x_port)
        except OSError:
            await asyncio.sleep(0.05)
            waited += 0.05
        else:
            writer.close()
            return
    raise SandboxFailed("The sandbox did not answer.", fix="Look at the lines above.")

"""A socket in the data folder through which other commands say: there is something new, look now."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

_LONGEST_PATH = 100  # the kernel's limit for a socket's address is 108 bytes


@asynccontextmanager
async def listening(path: Path, on_wake: Callable[[], None]) -> AsyncIterator[None]:
    """Call ``on_wake`` for everyone who connects. A path too long for a socket is left to the sweep."""
    if len(bytes(path)) > _LONGEST_PATH:
        yield
        return
    path.unlink(missing_ok=True)

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        on_wake()
        writer.close()

    server = await asyncio.start_unix_server(answer, path)
    path.chmod(0o600)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


def poke(path: Path) -> bool:
    """Whether somebody listened."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as caller:
        caller.settimeout(1)
        try:
            caller.connect(str(path))
        except OSError:
            return False
    return True

"""Have a stranger's file decoded by a confined process, and believe only what comes of it."""

import asyncio
import json
import sys
from pathlib import Path
from weakref import WeakKeyDictionary

import structlog

from perch.media import limits
from perch.media.limits import Inspected
from perch.media.probe import verdict

WALL_SECONDS = 120
AT_ONCE = 2
_SAID = "said"
_LAST_WORDS = 400

_log = structlog.get_logger(__name__)
_places: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


async def inspect(source: Path, folder: Path) -> Inspected:
    """Decode ``source``; leave it cleaned, and a preview of it, in ``folder``, which must be empty.

    Raises MediaRefused for what X would not take, what is damaged, and what cannot be decoded within bounds.
    """
    async with _place():
        exit_code = await _run(source, folder)
    if exit_code == 0:
        return await asyncio.to_thread(_verdict, folder)
    last_words = await asyncio.to_thread(_last_words, folder)
    _log.warning("media_not_decoded", exit_code=exit_code, last_words=last_words)
    # Signals end what went past its bounds; everything else that ends badly choked on the file.
    raise limits.too_costly() if exit_code < 0 else limits.damaged()


def _place() -> asyncio.Semaphore:
    # Each decoding takes a core and may take a gigabyte; more at once would starve the rest of the machine.
    loop = asyncio.get_running_loop()
    return _places.setdefault(loop, asyncio.Semaphore(AT_ONCE))


async def _run(source: Path, folder: Path) -> int:
    """The exit code; negative when a signal, or our patience, ended it."""
    command = (
        sys.executable,
        "-I",
        "-m",
        "perch.media.probe",
        str(source.absolute()),
        str(folder.absolute()),
    )
    with (folder / _SAID).open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=said, stderr=said, cwd=folder, env={}
        )
    try:
        async with asyncio.timeout(WALL_SECONDS):
            return await process.wait()
    except TimeoutError:
        return -1
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _verdict(folder: Path) -> Inspected:
    try:
        return verdict.read(folder)
    except (OSError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise limits.damaged() from error


def _last_words(folder: Path) -> str:
    with (folder / _SAID).open("rb") as said:
        said.seek(max(0, said.seek(0, 2) - _LAST_WORDS))
        return said.read().decode(errors="replace").strip().rpartition("\n")[2]

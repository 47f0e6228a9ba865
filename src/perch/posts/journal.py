"""What X answered while no database would take it: a file that has its room already, written in place.

A post that is on X and not in the rows would have to be looked for. So when the record of an outcome fails
for as long as the lease lasts (a full disk, a locked file, a server that is away), it is kept here, and
brought to the rows as soon as they take it: only where they still do not know what became of the attempt.
"""

import fcntl
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from struct import Struct
from typing import Any

import structlog
from sqlalchemy.exc import IntegrityError

from perch.jobs import Committer
from perch.posts import steps
from perch.posts.models import AttemptState
from perch.posts.steps import Recording

log = structlog.get_logger(__name__)
_ROOM = 1 << 20
_HEAD = Struct(">II")
"""Length and CRC-32 of what follows; a length of 0 ends the file."""
_MOST_PROCESSES = 64
_INSTANT = "$instant"


@dataclass
class Journal:
    """The journal of one process. Those that share a folder take a file each, and find it again."""

    folder: Path
    committer: Committer
    _handle: int | None = field(default=None, init=False)
    _end: int = field(default=0, init=False)

    def open(self) -> None:
        """Take the first file that no living process has, with whatever its last owner left in it."""
        try:
            self._handle = _first_free(self.folder)
            _make_room(self._handle)
        except OSError:
            # Without a journal an outcome that cannot be recorded is looked for on X: slower, not wrong.
            log.exception("journal_not_opened")
            self.close()
            return
        self._end = sum(_HEAD.size + len(one) for one in _entries(self._handle))

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def keep(self, recording: Recording) -> None:
        """Durable when this returns, unless it says in the log that it is not."""
        entry = _written(recording)
        size = _HEAD.size + len(entry)
        if self._handle is None or self._end + size + _HEAD.size > _ROOM:
            log.critical("journal_has_no_room", post_id=recording.post_id)
            return
        try:
            os.pwrite(self._handle, _HEAD.pack(len(entry), zlib.crc32(entry)) + entry, self._end)
            os.fdatasync(self._handle)
        except OSError:
            log.critical("journal_not_written", post_id=recording.post_id, exc_info=True)
            return
        self._end += size

    async def sweep(self) -> None:
        """Bring what was kept to the rows. What they still do not take stays for the next turn."""
        if self._handle is None or self._end == 0:
            return
        end = self._end
        for entry in list(_entries(self._handle)):
            await self._bring(_read(entry))
        if end == self._end:  # nothing was added meanwhile
            os.pwrite(self._handle, bytes(end), 0)
            os.fdatasync(self._handle)
            self._end = 0

    async def _bring(self, recording: Recording) -> None:
        """Raises what the database raises while it is away."""
        try:
            is_news = await self.committer.commit(steps.record, recording)
        except IntegrityError:
            # The rows know better by now; kept, it would stand in the way of all that follow.
            log.critical("journal_refused_by_rows", post_id=recording.post_id, exc_info=True)
        else:
            log.warning("journal_brought_to_rows", post_id=recording.post_id, was_news=is_news)


def _first_free(folder: Path) -> int:
    for number in range(_MOST_PROCESSES):
        name = f"journal-{number}" if number else "journal"
        handle = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
        else:
            return handle
    raise BlockingIOError("every journal of the folder is taken")


def _make_room(handle: int) -> None:
    size = os.fstat(handle).st_size
    if size < _ROOM:
        # Zeros and not only a promise of room: some file systems keep the promise only for what was written.
        os.posix_fallocate(handle, 0, _ROOM)
        os.pwrite(handle, bytes(_ROOM - size), size)
        os.fsync(handle)


def _entries(handle: int) -> Iterator[bytes]:
    """Whole entries, up to the first that is none: the last one may have been cut by a power failure."""
    room, at = os.pread(handle, _ROOM, 0), 0
    while at + _HEAD.size <= len(room):
        size, checksum = _HEAD.unpack_from(room, at)
        entry = room[at + _HEAD.size : at + _HEAD.size + size]
        if not size or zlib.crc32(entry) != checksum:
            return
        yield entry
        at += _HEAD.size + size


def _written(recording: Recording) -> bytes:
    return json.dumps(asdict(recording), default=_instant).encode()


def _instant(value: object) -> dict[str, str]:
    if isinstance(value, datetime):
        return {_INSTANT: value.isoformat()}
    raise TypeError(f"a recording holds no {type(value).__name__}")


def _read(entry: bytes) -> Recording:
    said: dict[str, Any] = json.loads(entry, object_hook=_revived)
    known = {one.name for one in fields(Recording)}
    state = said.get("attempt_was")
    return Recording(**{
        **{name: value for name, value in said.items() if name in known},
        "attempt_was": AttemptState(state) if state else None,
        "happenings": tuple((kind, detail) for kind, detail in said["happenings"]),
    })  # fmt: skip


def _revived(value: dict[str, Any]) -> Any:
    return datetime.fromisoformat(value[_INSTANT]) if value.keys() == {_INSTANT} else value

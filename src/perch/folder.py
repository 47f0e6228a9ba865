"""The data folder: who owns it, and the secret that is made once and kept there."""

import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path

from perch.errors import PerchError

KEY_FILE = "secret.key"
LOCK_FILE = "perch.lock"
WAKE_FILE = "wake.sock"
_KEY_BACK = "Put the key back, or set PERCH_SECRET_KEY to it."


class FolderTaken(PerchError):
    """Another Perch owns this data folder."""

    code = "folder_taken"


class FolderUnusable(PerchError):
    """The data folder cannot be made, read or written."""

    code = "folder_unusable"


class FolderLock:
    """Held while a process owns the folder; the kernel gives it back even after ``kill -9``."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def release(self) -> None:
        os.close(self._handle)


def prepare(folder: Path) -> None:
    """Make the folder, for its owner's eyes only."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise FolderUnusable(
            f"PERCH_DATA_DIR is {folder}, which cannot be made: {error.strerror}.",
            fix="Choose another folder.",
        ) from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise FolderUnusable(
            f"PERCH_DATA_DIR is {folder}, which this user may not write.", fix="Change its owner."
        )


def lock(folder: Path, owner: str) -> FolderLock:
    """Own the folder. ``owner`` is what the next one is told. Raises FolderTaken and names the holder."""
    try:
        handle = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:  # a read-only disk lets root pass every question about rights
        raise FolderUnusable(
            f"PERCH_DATA_DIR is {folder}, where nothing can be written: {error.strerror}.",
            fix="Choose another folder.",
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(handle, 200, 0).decode(errors="replace").strip() or "another process"
        os.close(handle)
        raise FolderTaken(
            f"The data folder {folder} belongs to {holder}.",
            fix="Stop that one first, or set PERCH_DATA_DIR to another folder.",
        ) from error
    os.ftruncate(handle, 0)
    os.pwrite(handle, owner.encode(), 0)
    return FolderLock(handle)


def secret_key(folder: Path) -> str:
    """The folder's own root key, made at the first start, readable by its owner only."""
    path = folder / KEY_FILE
    if not path.exists():
        _make_key(path)
    try:
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise FolderUnusable(f"{path} cannot be read as a key.", fix=_KEY_BACK) from error
    if not key:
        raise FolderUnusable(f"{path} is empty.", fix=_KEY_BACK)
    return key


def _make_key(path: Path) -> None:
    # It appears under its name whole or not at all: another process, or a start after a power cut, never
    # reads half a key. Who links first wins.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"k1:{secrets.token_urlsafe(32)}\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()

"""Where the bytes are: files named by their content, in a folder that only Perch reads."""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import obstore
from obstore.store import LocalStore

_CHUNK = 1 << 20
_SCRATCH = "incoming"


class MediaStore:
    """The files of one installation, shared by its workspaces: equal bytes are kept once.

    Keys come from ``key`` and ``preview_key`` and from nowhere else; no name a person chose becomes a path.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._scratch = self._root / _SCRATCH
        for folder in (self._root, self._scratch):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._files = LocalStore(prefix=self._root)

    @staticmethod
    def key(sha256: str) -> str:
        """``sha256`` in lower-case hexadecimal."""
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ValueError("a key is made of a SHA-256 in hexadecimal")
        return f"{sha256[:2]}/{sha256}"

    @staticmethod
    def preview_key(sha256: str) -> str:
        """The small WebP beside the file."""
        return f"{MediaStore.key(sha256)}.preview.webp"

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for files on their way in; gone when the block ends."""
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            yield Path(folder)

    async def put(self, path: Path, key: str) -> None:
        """Keep a copy of a file, whole or not at all, on the disk when this returns."""
        await obstore.put_async(self._files, key, path, chunk_size=_CHUNK, max_concurrency=2)
        await asyncio.to_thread(self._settle, key)

    async def read(self, key: str, start: int, length: int) -> bytes:
        """Part of a file. Raises FileNotFoundError."""
        return bytes(await obstore.get_range_async(self._files, key, start=start, length=length))

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        """A whole file in pieces. Raises FileNotFoundError."""
        found = await obstore.get_async(self._files, key)
        async for chunk in found.stream(min_chunk_size=_CHUNK):
            yield bytes(chunk)

    async def delete(self, key: str) -> None:
        """Forget a file; one that is not there is forgotten already."""
        await asyncio.to_thread(self.local_path(key).unlink, missing_ok=True)

    def local_path(self, key: str) -> Path:
        """Where a file lies, for a web server that can send files by itself."""
        return self._root / key

    def _settle(self, key: str) -> None:
        path = self.local_path(key)
        path.chmod(0o600)
        for what in (path, path.parent):
            handle = os.open(what, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Where the bytes of uploads lie: one file per media id, in a folder beside the data or a temporary one."""

from pathlib import Path
from tempfile import TemporaryDirectory


class Blobs:
    """Files named by media id. Without a folder they live as long as this object."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._temporary: TemporaryDirectory[str] | None = None

    def path(self, media_id: str) -> Path:
        return self._home() / media_id

    def append(self, media_id: str, chunk: bytes) -> None:
        with self.path(media_id).open("ab") as file:
            file.write(chunk)

    def drop(self, media_id: str) -> None:
        self.path(media_id).unlink(missing_ok=True)

    def clear(self) -> None:
        for file in self._home().iterdir():
            file.unlink()

    def close(self) -> None:
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    def _home(self) -> Path:
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            return self._folder
        if self._temporary is None:
            self._temporary = TemporaryDirectory(prefix="sandbox-media-")
        return Path(self._temporary.name)

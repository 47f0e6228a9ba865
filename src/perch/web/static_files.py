"""The built assets: their one versioned address, and the files behind it."""

import json
from functools import cached_property
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

BUILT = Path(__file__).parent / "static" / "built"
_FOREVER = "public, max-age=31536000, immutable"


class Built:
    """What ``npm run build`` left. A hash over all files is part of their address, so they never go stale."""

    def __init__(self, folder: Path = BUILT) -> None:
        self._folder = folder

    @cached_property
    def version(self) -> str:
        manifest = self._folder / "manifest.json"
        return str(json.loads(manifest.read_text(encoding="utf-8"))["version"])

    def address(self, name: str) -> str:
        """Where a page finds the file ``name``."""
        return f"/static/{self.version}/{name}"

    def app(self) -> "VersionedFiles":
        return VersionedFiles(self)

    @property
    def folder(self) -> Path:
        return self._folder


class VersionedFiles(StaticFiles):
    """Serves ``/<version>/<name>``. Another version's address is gone: the page that named it is old."""

    def __init__(self, built: Built) -> None:
        super().__init__(directory=built.folder, check_dir=False)
        self._built = built

    async def get_response(self, path: str, scope: Scope) -> Response:
        version, _, name = path.partition("/")
        if version != self._built.version:
            raise HTTPException(status_code=404)
        response = await super().get_response(name, scope)
        response.headers["Cache-Control"] = _FOREVER
        return response

"""Files of the library: taken from a browser as they are dropped, shown back to their own workspace only."""

from collections.abc import Mapping

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from perch.media import adding, queries
from perch.media.errors import MediaRefused, MediaUnknown
from perch.media.models import Asset, MediaKind
from perch.people.roles import Action, require
from perch.people.sessions import Visitor
from perch.web import forms
from perch.web.deps import Composition, Signed
from perch.wiring import Perch

router = APIRouter()
ACCEPT = "image/jpeg,image/png,image/gif,image/webp,video/mp4,video/quicktime"
# A file is data: were it ever opened as a page, nothing in it could run, load or be embedded elsewhere.
_INERT = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "private, max-age=86400, immutable",
}
_KINDS = {MediaKind.IMAGE: "Picture", MediaKind.GIF: "GIF", MediaKind.VIDEO: "Video"}
_ENDINGS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/gif": "gif",
    "image/webp": "webp",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
}
_COPIED_AT_ONCE = 1 << 20


@router.post("/media")
async def upload(request: Request, perch: Composition, who: Signed) -> Response:
    """One file, as ``file``; 201 with its id and where its preview is."""
    require(who.role, Action.WRITE)
    file = (await forms.read(request)).file("file")
    if file is None:
        raise MediaRefused("No file came with this request.", fix="Choose a file and send it again.")
    asset = await take(perch, who, file)
    body = {
        "id": asset.public_id,
        "preview_url": preview_url(asset),
        "kind": asset.kind,
        "name": asset.name,
        "note": note(asset),
    }
    return JSONResponse(body, status_code=201)


@router.get("/media/{public_id}/preview")
async def preview(public_id: str, perch: Composition, who: Signed) -> Response:
    """A small picture of the file, made by Perch."""
    asset = await _own(perch, who, public_id)
    return _file(perch, perch.store.preview_key(asset.sha256), {"Content-Type": "image/webp"})


@router.get("/media/{public_id}/original")
async def original(public_id: str, perch: Composition, who: Signed) -> Response:
    """The file that X gets, to be saved and not to be opened here."""
    asset = await _own(perch, who, public_id)
    name = f"{asset.public_id}.{_ENDINGS.get(asset.media_type, 'bin')}"
    headers = {"Content-Type": asset.media_type, "Content-Disposition": f'attachment; filename="{name}"'}
    return _file(perch, perch.store.key(asset.sha256), headers)


async def take(perch: Perch, who: Visitor, file: UploadFile) -> Asset:
    """Check, clean and keep an uploaded file. Raises MediaRefused."""
    with perch.store.scratch() as folder:
        path = folder / "upload"
        with path.open("xb") as target:
            while chunk := await file.read(_COPIED_AT_ONCE):
                await run_in_threadpool(target.write, chunk)
        return await adding.add(
            perch.db.write, perch.clock, perch.store, who.workspace_id, path, file.filename or ""
        )


def preview_url(asset: Asset) -> str:
    """Where the preview is."""
    return f"/media/{asset.public_id}/preview"


def note(asset: Asset) -> str:
    """What a file is, in a line: ``Picture, 1.2 MB, lake.jpg``."""
    size = f"{asset.size / 1_000_000:.1f} MB" if asset.size >= 100_000 else f"{max(1, asset.size // 1000)} kB"
    return f"{_KINDS[MediaKind(asset.kind)]}, {size}, {asset.name}"


def fallback(asset: Asset) -> str:
    """What a screen reader says of a file that nobody described."""
    return f"{_KINDS[MediaKind(asset.kind)]} without a description"


async def _own(perch: Perch, who: Visitor, public_id: str) -> Asset:
    async with perch.db.read() as session:
        asset = await queries.asset_by_public_id(session, who.workspace_id, public_id)
    if asset is None:
        raise MediaUnknown("There is no such file in this library.", fix="Look at the post it belongs to.")
    return asset


def _file(perch: Perch, key: str, headers: Mapping[str, str]) -> Response:
    return StreamingResponse(perch.store.stream(key), headers={**_INERT, **headers})

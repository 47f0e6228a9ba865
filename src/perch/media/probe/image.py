"""Pictures and GIFs: told apart, counted, stripped, decoded to the end, turned upright, made small."""

import re
import struct
import warnings
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageFile, JpegImagePlugin, UnidentifiedImageError

from perch.media import limits
from perch.media.limits import Inspected
from perch.media.probe import verdict
from perch.media.probe.stripping import STRIPPERS, Stripped

PREVIEW_SIDE = 640
_MAGIC = (
    (re.compile(rb"\xff\xd8\xff"), "JPEG"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "PNG"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "WEBP"),
    (re.compile(rb"GIF8[79]a"), "GIF"),
)
_ORIENTATION = 0x0112
# Exif 3.0, tag 274: what brings a picture upright that was stored lying.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def look(source: Path, folder: Path, head: bytes) -> Inspected:
    """Clean and preview a picture. Raises MediaRefused."""
    name = _format(head)
    data = _read(source, name)
    stripped = STRIPPERS[name](data)
    # A frame may announce more than the picture did; then Pillow warns, and a warning has to stop it.
    Image.MAX_IMAGE_PIXELS = limits.FRAME_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        with _open(stripped.data, name) as image:
            return _look(image, stripped, _orientation(data, name), folder)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise limits.too_many_pixels() from error


def make_preview(image: Image.Image, folder: Path) -> None:
    """A new file with a small picture: nothing of the original's bytes gets into it."""
    if image.mode.startswith("I"):
        # Sixteen bits a channel; Pillow would clip them instead of scaling.
        image = image.point(lambda value: value / 256, "L")
    small = image.convert("RGBA" if image.has_transparency_data else "RGB")
    small.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    small.save(folder / verdict.PREVIEW, "WEBP", quality=80, method=2)


def _format(head: bytes) -> str:
    for magic, name in _MAGIC:
        if magic.match(head):
            return name
    raise limits.foreign("This is neither a picture nor a video that Perch knows.")


def _read(source: Path, name: str) -> bytes:
    size = source.stat().st_size
    if size > limits.PICTURE_SOURCE_BYTES:
        limits.check_size("gif" if name == "GIF" else "image", size)
    return source.read_bytes()


def _open(data: bytes, name: str) -> ImageFile.ImageFile:
    """Reads the header only. Raises MediaRefused."""
    try:
        return Image.open(BytesIO(data), formats=[name])
    except UnidentifiedImageError as error:
        raise limits.damaged() from error


def _look(image: ImageFile.ImageFile, stripped: Stripped, orientation: int, folder: Path) -> Inspected:
    found = _announced(image, stripped)
    limits.check_pixels(image.width, image.height, stripped.frames)
    limits.check(found)
    duration_ms = _decode(image)
    turn = _UPRIGHT.get(orientation)
    upright = image.transpose(turn) if turn is not None else image
    clean = stripped.data if turn is None else _encoded(upright, image, stripped.data)
    make_preview(upright, folder)
    (folder / verdict.CLEAN).write_bytes(clean)
    found = replace(
        found,
        width=upright.width,
        height=upright.height,
        duration_ms=duration_ms if found.kind == "gif" else None,
        size=len(clean),
    )
    limits.check(found)
    return found


def _announced(image: ImageFile.ImageFile, stripped: Stripped) -> Inspected:
    animated = image.format in {"GIF", "WEBP"} and stripped.frames > 1
    if animated and image.format == "WEBP":
        raise limits.foreign("This WebP is animated.")
    return Inspected(
        kind="gif" if animated else "image",
        media_type=str(image.get_format_mimetype()),
        width=image.width,
        height=image.height,
        duration_ms=None,
        frames=stripped.frames if animated else None,
        size=len(stripped.data),
    )


def _decode(image: Image.Image) -> int:
    """Decode every frame, return to the first, and tell how many milliseconds they last."""
    frames = getattr(image, "n_frames", 1) if image.format == "GIF" else 1
    duration = 0.0
    try:
        for frame in range(frames):
            image.seek(frame)
            image.load()
            duration += image.info.get("duration", 0)
        image.seek(0)
    except (OSError, EOFError, SyntaxError) as error:
        raise limits.damaged() from error
    return round(duration)


def _orientation(data: bytes, name: str) -> int:
    """What the metadata says of how the picture lies; broken metadata says nothing."""
    try:
        with Image.open(BytesIO(data), formats=[name]) as image:
            value = image.getexif().get(_ORIENTATION, 1)
    except (OSError, SyntaxError, ValueError, struct.error):
        return 1
    return value if isinstance(value, int) else 1


def _encoded(upright: Image.Image, source: Image.Image, data: bytes) -> bytes:
    """The turned picture in its own format, with its colour profile and as little loss as the format has."""
    encoded = BytesIO()
    upright.save(
        encoded, source.format, icc_profile=source.info.get("icc_profile"), **_fidelity(source, data)
    )
    return STRIPPERS[str(source.format)](encoded.getvalue()).data


def _fidelity(source: Image.Image, data: bytes) -> dict[str, Any]:
    if isinstance(source, JpegImagePlugin.JpegImageFile):
        # The source's own tables: neither coarser nor, what would cost size, finer than it was.
        return {"qtables": source.quantization, "subsampling": JpegImagePlugin.get_sampling(source)}
    if source.format == "WEBP":
        return {"lossless": b"VP8L" in data[12:64], "quality": 90}
    return {}

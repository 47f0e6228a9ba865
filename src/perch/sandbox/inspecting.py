"""What a finished upload really is: its type by its bytes, its size in pixels, its length."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

PILLOW_FORMATS = ("JPEG", "PNG", "GIF", "WEBP")
MIB = 1 << 20
IMAGE_BYTES = 5 * MIB
GIF_BYTES = 15 * MIB
GIF_FRAMES = 350
GIF_PIXELS = 300_000_000
_CONTAINERS = frozenset({b"moov", b"trak"})


class Found(NamedTuple):
    """What the bytes are, or in ``error`` why X would not take them."""

    media_type: str = ""
    width: int = 0
    height: int = 0
    duration_ms: int = 0
    error: str = ""


def inspect(path: Path, category: str) -> Found:
    """Look at an upload as its category demands (https://docs.x.com/x-api/media/quickstart/best-practices)."""
    if category == "subtitles":
        return Found("text/srt")
    if category.endswith("video"):
        return _video(path)
    return _gif(path) if category.endswith("gif") else _image(path)


def _image(path: Path) -> Found:
    found, _ = _pillow(path)
    if not found.error and path.stat().st_size > IMAGE_BYTES:
        return Found(error="InvalidMedia")
    return found


def _gif(path: Path) -> Found:
    found, frames = _pillow(path)
    if found.error or found.media_type != "image/gif" or path.stat().st_size > GIF_BYTES:
        return Found(error="InvalidMedia")
    too_large = found.width > 1280 or found.height > 1080 or frames > GIF_FRAMES
    if too_large or found.width * found.height * frames > GIF_PIXELS:
        return Found(error="UnsupportedMedia")
    return found


def _pillow(path: Path) -> tuple[Found, int]:
    """Read the header only: nothing is decoded. Pillow is imported here to keep an idle sandbox small."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=PILLOW_FORMATS) as image:
            frames = getattr(image, "n_frames", 1)
            return Found(Image.MIME[image.format or ""], image.width, image.height), frames
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return Found(error="InvalidMedia"), 0


def _video(path: Path) -> Found:
    """Size and length from the boxes of an MP4 or QuickTime file (ISO 14496-12); X decodes, we do not."""
    with path.open("rb") as file:
        head = file.read(12)
        if head[4:8] != b"ftyp":
            return Found(error="InvalidMedia")
        width = height = duration_ms = 0
        for kind, body in _boxes(file, 0, path.stat().st_size):
            if kind == b"mvhd":
                duration_ms = _duration_ms(body)
            elif kind == b"tkhd":
                width, height = (
                    max(old, new >> 16) for old, new in zip((width, height), _sides(body), strict=True)
                )
    media_type = "video/quicktime" if head[8:12] == b"qt  " else "video/mp4"
    return Found(media_type, width, height, duration_ms)


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """The movie and track headers, found by walking the boxes that hold them."""
    while start + 8 <= end:
        file.seek(start)
        size, kind = struct.unpack(">I4s", file.read(8))
        header = 8
        if size == 1:
            size, header = struct.unpack(">Q", file.read(8).ljust(8, b"\0"))[0], 16
        size = size if size >= header else end - start
        if kind in _CONTAINERS:
            yield from _boxes(file, start + header, min(start + size, end))
        elif kind in (b"mvhd", b"tkhd"):
            yield kind, file.read(min(size - header, 128)).ljust(128, b"\0")
        start += size


def _duration_ms(mvhd: bytes) -> int:
    scale, length = struct.unpack_from(">IQ" if mvhd[0] == 1 else ">II", mvhd, 20 if mvhd[0] == 1 else 12)
    return round(length * 1000 / scale) if scale else 0


def _sides(tkhd: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", tkhd, 88 if tkhd[0] == 1 else 76)
    return width, height

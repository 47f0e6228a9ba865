"""Take the metadata out of a picture without touching its pixels: where it was taken, by whom, with what.

Each format keeps its metadata apart from its pixels, so the file is walked piece by piece and copied without
them. What stays is an allow-list: colour profiles, transparency, animation. What follows the end is cut.
"""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from perch.media.limits import damaged


@dataclass(frozen=True, slots=True)
class Stripped:
    """A picture without metadata. ``frames`` is counted from its structure; nothing was decoded."""

    data: bytes
    frames: int = 1


def strip_jpeg(data: bytes) -> Stripped:
    """ITU T.81 annex B: segments, and entropy-coded scans between them."""
    return Stripped(b"\xff\xd8" + b"".join(_jpeg_pieces(data)))


_NEXT_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]", re.DOTALL)
_EOI, _SOS, _COM = 0xD9, 0xDA, 0xFE
_APPS = range(0xE0, 0xF0)
_KEPT_APPS = {0xE0: b"JFIF\x00", 0xE2: b"ICC_PROFILE\x00", 0xEE: b"Adobe"}


def _jpeg_pieces(data: bytes) -> Iterator[bytes]:
    at = 2
    while found := _NEXT_MARKER.search(data, at):
        marker, start = data[found.end() - 1], found.end()
        if marker == _EOI:
            yield data[start - 2 : start]
            return
        end = start + int.from_bytes(data[start : start + 2])
        if end < start + 2 or end > len(data):
            raise damaged()
        if marker == _SOS:
            scan_ends = _NEXT_MARKER.search(data, end)
            end = scan_ends.start() if scan_ends else len(data)
        if _jpeg_keeps(marker, data[start + 2 : start + 14]):
            yield data[start - 2 : end]
        at = end


def _jpeg_keeps(marker: int, content: bytes) -> bool:
    if marker in _APPS:
        return marker in _KEPT_APPS and content.startswith(_KEPT_APPS[marker])
    return marker != _COM


def strip_png(data: bytes) -> Stripped:
    """PNG third edition, section 5: chunks with a length, a type and a CRC each."""
    return Stripped(data[:8] + b"".join(_png_chunks(data)))


_PNG_KEPT = frozenset(
    b"tRNS cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI bKGD hIST pHYs sPLT acTL fcTL fdAT".split()
)


def _png_chunks(data: bytes) -> Iterator[bytes]:
    at, kind = 8, b""
    while kind != b"IEND":
        if at + 12 > len(data):
            raise damaged()
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise damaged()
        if kind[:1].isupper() or kind in _PNG_KEPT:
            yield data[at:end]
        at = end


def strip_webp(data: bytes) -> Stripped:
    """RFC 9649 section 2: RIFF chunks, padded to even lengths."""
    chunks = [(kind, chunk) for kind, chunk in _webp_chunks(data) if kind in _WEBP_KEPT]
    body = b"WEBP" + b"".join(_webp_told(kind, chunk) for kind, chunk in chunks)
    frames = sum(kind == b"ANMF" for kind, _ in chunks)
    return Stripped(b"RIFF" + struct.pack("<I", len(body)) + body, max(frames, 1))


_WEBP_KEPT = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"ANIM", b"ANMF"))
_WEBP_EXIF_AND_XMP = 0x08 | 0x04


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    whole = 8 + int.from_bytes(data[4:8], "little")
    if whole > len(data):
        raise damaged()
    at = 12
    while at + 8 <= whole:
        kind, length = struct.unpack_from("<4sI", data, at)
        if at + 8 + length > whole:
            raise damaged()
        yield kind, data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _webp_told(kind: bytes, chunk: bytes) -> bytes:
    if kind == b"VP8X" and chunk:
        chunk = bytes((chunk[0] & ~_WEBP_EXIF_AND_XMP,)) + chunk[1:]
    return kind + struct.pack("<I", len(chunk)) + chunk + b"\x00" * (len(chunk) % 2)


def strip_gif(data: bytes) -> Stripped:
    """GIF89a sections 18 to 27: a screen, then images and extensions in sub-blocks."""
    if len(data) < 13:
        raise damaged()
    at = 13 + _gif_colours(data[10])
    kept, frames = [data[:at]], 0
    while True:
        end = _gif_block_end(data, at)
        frames += data[at] == _GIF_IMAGE
        if _gif_keeps(data[at : at + 14]):
            kept.append(data[at:end])
        if data[at] == _GIF_TRAILER:
            return Stripped(b"".join(kept), max(frames, 1))
        at = end


_GIF_IMAGE, _GIF_EXTENSION, _GIF_TRAILER = 0x2C, 0x21, 0x3B
_GIF_CONTROL, _GIF_APPLICATION = 0xF9, 0xFF
_GIF_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")


def _gif_colours(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _gif_block_end(data: bytes, at: int) -> int:
    if at + 10 > len(data) and data[at : at + 1] != bytes((_GIF_TRAILER,)):
        raise damaged()
    match data[at]:
        case 0x2C:
            return _gif_sub_blocks_end(data, at + 10 + _gif_colours(data[at + 9]) + 1)
        case 0x21:
            return _gif_sub_blocks_end(data, at + 2)
        case 0x3B:
            return at + 1
    raise damaged()


def _gif_sub_blocks_end(data: bytes, at: int) -> int:
    while at < len(data):
        if data[at] == 0:
            return at + 1
        at += data[at] + 1
    raise damaged()


def _gif_keeps(head: bytes) -> bool:
    if head[0] != _GIF_EXTENSION:
        return True
    return head[1] == _GIF_CONTROL or (head[1] == _GIF_APPLICATION and head[3:14] in _GIF_LOOPS)


STRIPPERS: dict[str, Callable[[bytes], Stripped]] = {
    "JPEG": strip_jpeg,
    "PNG": strip_png,
    "WEBP": strip_webp,
    "GIF": strip_gif,
}

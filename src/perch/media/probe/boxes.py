"""The boxes of MP4 and MOV files (ISO/IEC 14496-12): whole or cut, and what they say beside the pictures."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from perch.media.limits import damaged

_MOST_BOXES = 10_000
_NESTED = frozenset((b"moov", b"trak", b"mdia"))
_TALKATIVE = frozenset((b"udta", b"meta", b"uuid", b"XMP_"))
_HANDLERS = frozenset((b"vide", b"soun"))


@dataclass(frozen=True, slots=True)
class Box:
    """One box: where its content starts, and where it ends."""

    kind: bytes
    start: int
    end: int


def is_quicktime(file: BinaryIO) -> bool:
    """Whether the major brand is Apple's own, which makes it a MOV."""
    file.seek(8)
    return file.read(4) == b"qt  "


def tells_more_than_pictures(file: BinaryIO) -> bool:
    """Whether there is user data, such as a place, or a track that is neither video nor sound.

    Raises MediaRefused for a file whose boxes reach beyond its end.
    """
    size = file.seek(0, 2)
    return any(
        box.kind in _TALKATIVE or (box.kind == b"hdlr" and _handler(file, box) not in _HANDLERS)
        for box in _boxes(file, 0, size)
    )


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    pending, seen = [(start, end)], 0
    while pending:
        at, stop = pending.pop()
        while at < stop:
            seen += 1
            box = _box(file, at, stop)
            if seen > _MOST_BOXES:
                raise damaged()
            yield box
            if box.kind in _NESTED:
                pending.append((box.start, box.end))
            at = box.end


def _box(file: BinaryIO, at: int, stop: int) -> Box:
    file.seek(at)
    head = file.read(16)
    if len(head) < 8:
        raise damaged()
    length, kind = struct.unpack_from(">I4s", head)
    start = at + 8
    if length == 1 and len(head) == 16:
        (length,) = struct.unpack_from(">Q", head, 8)
        start = at + 16
    box_end = stop if length == 0 else at + length
    if box_end < start or box_end > stop:
        raise damaged()
    return Box(kind, start, box_end)


def _handler(file: BinaryIO, box: Box) -> bytes:
    """Box content: version and flags, a predefined field, then the handler's type (section 8.4.3)."""
    file.seek(box.start + 8)
    return file.read(4)

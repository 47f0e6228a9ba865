"""X's limits for media, as known in November 2026, and our own caps on what is decoded.

https://docs.x.com/x-api/media/quickstart/best-practices. What X documents and what it takes differ for video:
since September 2026 20 minutes are reported for every account and 125 for Premium. Refused here is what no
account could post; ``doubt`` names what some could not.
"""

from dataclasses import dataclass
from typing import Literal

from perch.media.errors import MediaRefused, MediaTooLarge, MediaTypeRefused

MIB = 1 << 20
IMAGE_BYTES = 5 * MIB
GIF_BYTES = 15 * MIB
VIDEO_BYTES = 512 * MIB
PICTURE_SOURCE_BYTES = 32 * MIB
"""A camera's file may lose much of its size with its metadata, so more is read than X takes."""
LONGEST_ALT_TEXT = 1000

FRAME_PIXELS = 25_000_000
TOTAL_PIXELS = 300_000_000
"""X's bound for GIFs, ours for whatever has frames."""
IMAGE_SIDES = range(4, 8193)

GIF_WIDTH, GIF_HEIGHT, GIF_FRAMES = 1280, 1080, 350

VIDEO_SIDE_MIN = 32
VIDEO_ASPECT_MAX = 3.0
VIDEO_FRAME_RATE = 60
VIDEO_MS = range(500, 125 * 60_000 + 1)
VIDEO_MS_SURE = 140_000
"""What every account may post beyond doubt."""
VIDEO_WIDTH_SURE, VIDEO_HEIGHT_SURE = 1280, 1024

Kind = Literal["image", "gif", "video"]


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a file turned out to be by decoding it. Width and height are those of the upright picture.

    ``size`` is in bytes, after cleaning. ``duration_ms`` is None for still pictures, ``frames`` for all that
    are not GIFs.
    """

    kind: Kind
    media_type: str
    width: int
    height: int
    duration_ms: int | None
    frames: int | None
    size: int


def check(found: Inspected) -> None:
    """Raise MediaRefused for what X takes from nobody, and for what is too big to decode here."""
    {"image": _check_image, "gif": _check_gif, "video": _check_video}[found.kind](found)


def check_pixels(width: int, height: int, frames: int) -> None:
    """Must be asked before any pixel is decoded: a small file can announce a huge picture."""
    if width * height > FRAME_PIXELS:
        raise too_many_pixels()
    if width * height * frames > TOTAL_PIXELS:
        raise MediaRefused(
            f"{frames} frames of {width}×{height} make more than {TOTAL_PIXELS // 1_000_000} million pixels.",
            fix="Make it smaller or shorter.",
            rule="M002",
        )


def too_many_pixels() -> MediaRefused:
    """M006: more than may be decoded here."""
    return MediaRefused(
        f"The picture has more than {FRAME_PIXELS // 1_000_000} million pixels.",
        fix="Make it smaller.",
        rule="M006",
    )


def check_size(kind: Kind, size: int) -> None:
    """Raise MediaTooLarge; ``size`` in bytes."""
    most, rule, what = {
        "image": (IMAGE_BYTES, "M001", "picture"),
        "gif": (GIF_BYTES, "M002", "GIF"),
        "video": (VIDEO_BYTES, "M003", "video"),
    }[kind]
    if size > most:
        raise MediaTooLarge(
            f"The {what} has {size / MIB:.1f} MB; X takes {most // MIB} MB.",
            fix="Make it smaller.",
            rule=rule,
        )


def too_costly() -> MediaRefused:
    """M006: it was still being decoded when time or memory ran out."""
    return MediaRefused(
        "The file takes more time or memory to decode than is given to one.",
        fix="Make it smaller.",
        rule="M006",
    )


def damaged() -> MediaRefused:
    """M005: it does not decode, or not to its end."""
    return MediaRefused(
        "The file is damaged: it cannot be decoded to its end.", fix="Export it again.", rule="M005"
    )


def foreign(what: str) -> MediaTypeRefused:
    """M004: it may be sound, but X does not take the format; ``what`` is a sentence about it."""
    return MediaTypeRefused(
        f"{what} X takes JPEG, PNG, GIF and WebP pictures, and MP4 or MOV videos with H.264 and AAC.",
        fix="Export it in one of these formats.",
        rule="M004",
    )


def too_fast(rate: float) -> MediaRefused:
    """M003: ``rate`` in pictures a second."""
    return MediaRefused(
        f"The video has {rate:g} pictures a second; X takes {VIDEO_FRAME_RATE}.",
        fix="Export it with 30 or 60.",
        rule="M003",
    )


def doubt(kind: str, duration_ms: int | None, width: int, height: int) -> str | None:
    """What X may refuse for accounts without Premium, as a sentence, or None."""
    if kind != "video":
        return None
    if (duration_ms or 0) > VIDEO_MS_SURE:
        return "The video is longer than 140 seconds: X may refuse it for an account without Premium."
    if width * height > VIDEO_WIDTH_SURE * VIDEO_HEIGHT_SURE:
        return "The video is larger than 1280×1024: X may refuse it for an account without Premium."
    return None


def _check_image(found: Inspected) -> None:
    check_size("image", found.size)
    if found.width not in IMAGE_SIDES or found.height not in IMAGE_SIDES:
        raise MediaRefused(
            f"The picture has {found.width}×{found.height} pixels; X takes sides of 4 to 8192.",
            fix="Change its size.",
            rule="M006",
        )


def _check_gif(found: Inspected) -> None:
    check_size("gif", found.size)
    frames = found.frames or 1
    if frames > GIF_FRAMES:
        raise MediaRefused(
            f"The GIF has {frames} frames; X takes {GIF_FRAMES}.",
            fix="Shorten it, or make it a video.",
            rule="M002",
        )
    if found.width > GIF_WIDTH or found.height > GIF_HEIGHT:
        raise MediaRefused(
            f"The GIF has {found.width}×{found.height} pixels; X takes {GIF_WIDTH}×{GIF_HEIGHT}.",
            fix="Make it smaller, or make it a video.",
            rule="M002",
        )


def _check_video(found: Inspected) -> None:
    check_size("video", found.size)
    duration = found.duration_ms or 0
    if duration not in VIDEO_MS:
        raise MediaRefused(
            f"The video lasts {duration / 1000:.1f} s; X takes half a second to 125 minutes.",
            fix="Change its length.",
            rule="M003",
        )
    short, long = sorted((found.width, found.height))
    if short < VIDEO_SIDE_MIN or long > short * VIDEO_ASPECT_MAX:
        raise MediaRefused(
            f"The video has {found.width}×{found.height} pixels; X takes sides from 32 and shapes up to 3:1.",
            fix="Change its size.",
            rule="M003",
        )

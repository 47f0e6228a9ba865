"""Uploads (v2): in one shot or in chunks, their processing, their expiry, their alt text."""

import asyncio
import base64
import binascii
import math
import re
from dataclasses import dataclass, replace
from typing import Any

from starlette.datastructures import UploadFile

from perch.sandbox import charging, inspecting
from perch.sandbox.api import Answer, Call
from perch.sandbox.blobs import Blobs
from perch.sandbox.models import Media
from perch.sandbox.problems import Refused, forbidden, invalid

MEDIA_TYPES = frozenset({
    "video/mp4", "video/webm", "video/mp2t", "video/quicktime", "text/srt", "text/vtt", "image/jpeg",
    "image/gif", "image/bmp", "image/png", "image/webp", "image/pjpeg", "image/tiff", "model/gltf-binary",
    "model/vnd.usdz+zip",
})  # fmt: skip
CATEGORIES = frozenset({
    "amplify_video", "tweet_gif", "tweet_image", "tweet_video", "dm_gif", "dm_image", "dm_video",
    "subtitles",
})  # fmt: skip
CHUNK_LIMIT = 5 << 20
TOTAL_LIMIT = 17_179_869_184
ALT_TEXT_LIMIT = 1000
_ID = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Uploads:
    """The media operations, over the folder that holds the bytes."""

    blobs: Blobs

    async def one_shot(self, call: Call) -> Answer:
        """``POST /2/media/upload``, multipart or JSON. The old ``command=INIT`` way ends in a 400."""
        fields = await _fields(call, {"media", "media_category", "additional_owners", "media_type", "shared"})
        category = _category(fields.get("media_category"))
        data = _bytes(fields.get("media"))
        if len(data) > _one_shot_limit(category):
            raise Refused(413, None)
        media = _start(call, category, str(fields.get("media_type") or ""), len(data))
        self.blobs.append(media.id, data)
        finished = await self._finish(call, replace(media, received=len(data), segments=(0,)))
        return Answer({"data": _described(call, finished)})

    async def initialize(self, call: Call) -> Answer:
        body = await call.json()
        unknown = body.keys() - {"media_type", "total_bytes", "media_category", "shared", "additional_owners"}
        if unknown:
            raise invalid(f"[{min(unknown)}] is not a known parameter.", {name: [] for name in unknown})
        media_type = str(body.get("media_type"))
        if media_type not in MEDIA_TYPES:
            raise invalid("media_type is not a supported type.", {"media_type": [media_type]})
        total = body.get("total_bytes")
        if type(total) is not int or not 0 < total <= TOTAL_LIMIT:
            raise invalid("total_bytes is not valid.", {"total_bytes": [str(total)]})
        media = _start(call, _category(body.get("media_category") or _guess(media_type)), media_type, total)
        call.world.keep_media(media)
        ttl = _seconds_left(call, media)
        return Answer({"data": {"id": media.id, "media_key": media.key, "expires_after_secs": ttl}})

    async def append(self, call: Call) -> Answer:
        """One chunk, in order; a known one may be sent again. Over 5 MiB X's edge says 413, no body."""
        media = _mine(call, call.path("id"))
        if int(call.request.headers.get("content-length", 0)) > CHUNK_LIMIT * 2:
            raise Refused(413, None)
        fields = await _fields(call, {"media", "segment_index"})
        segment = _segment(fields.get("segment_index"))
        data = _bytes(fields.get("media"))
        if len(data) > CHUNK_LIMIT:
            raise Refused(413, None)
        if media.finalized_at:
            raise invalid("BadRequest: The upload is already finalized.", {"id": [media.id]})
        if segment not in media.segments:
            self._add(call, media, segment, data)
        return Answer({"data": {"expires_at": media.expires_at // 1000}})

    def _add(self, call: Call, media: Media, segment: int, data: bytes) -> None:
        if segment != len(media.segments):
            raise invalid("Segments must be appended in order.", {"segment_index": [str(segment)]})
        received = media.received + len(data)
        if received > media.total_bytes:
            raise invalid("More bytes were appended than total_bytes announced.", {"media": []})
        self.blobs.append(media.id, data)
        call.world.keep_media(replace(media, received=received, segments=(*media.segments, segment)))

    async def finalize(self, call: Call) -> Answer:
        media = _mine(call, call.path("id"))
        if media.received != media.total_bytes:
            raise invalid(f"Got {media.received} bytes of {media.total_bytes}.", {"id": [media.id]})
        finished = media if media.finalized_at else await self._finish(call, media)
        return Answer({"data": _described(call, finished)})

    async def _finish(self, call: Call, media: Media) -> Media:
        """Look at the bytes. An image that is none is refused at once; gifs and videos fail in processing."""
        found = await asyncio.to_thread(inspecting.inspect, self.blobs.path(media.id), media.category)
        world, now = call.world, call.world.now()
        waits = _processed(media)
        if found.error and not waits:
            raise invalid("BadRequest: The media is not supported or too large.", {"media": []})
        ready_at = now + int(world.settings.processing_s * world.config.pace * 1000) if waits else now
        finished = replace(
            media,
            media_type=found.media_type or media.media_type,
            width=found.width,
            height=found.height,
            duration_ms=found.duration_ms,
            error=found.error or (_unlucky(call, media) if waits else ""),
            finalized_at=now,
            ready_at=ready_at,
        )
        world.keep_media(finished)
        return finished

    async def status(self, call: Call) -> Answer:
        """``command=STATUS``. For a finished image X says 400: known from observation only."""
        if call.query.get("command", "STATUS") != "STATUS":
            raise invalid("command must be STATUS.", {"command": [call.query["command"]]})
        media = _mine(call, call.query.get("media_id", ""))
        if not _processed(media):
            raise invalid("BadRequest: Not found", {"media_id": [media.id]})
        return Answer({"data": _described(call, media)})

    async def metadata(self, call: Call) -> Answer:
        body = await call.json()
        media = _mine(call, body.get("id"))
        metadata = body.get("metadata")
        alt = metadata.get("alt_text", {}) if isinstance(metadata, dict) else {}
        text = alt.get("text", "") if isinstance(alt, dict) else None
        if not isinstance(text, str) or len(text) > ALT_TEXT_LIMIT:
            raise invalid("alt_text.text is at most 1000 characters.", {"metadata.alt_text.text": []})
        call.world.keep_media(replace(media, alt_text=text))
        charging.charge(call.world, call.app, charging.MEDIA_METADATA)
        return Answer({"data": {"id": media.id, "associated_metadata": {"alt_text": {"text": text}}}})


async def _fields(call: Call, known: set[str]) -> dict[str, Any]:
    if call.request.headers.get("content-type", "").startswith("multipart/form-data"):
        form = await call.request.form(max_part_size=CHUNK_LIMIT * 4)
        fields: dict[str, Any] = {
            name: await value.read() if isinstance(value, UploadFile) else value
            for name, value in form.items()
        }
    else:
        fields = await call.json()
    for name in sorted(fields.keys() - known):
        raise invalid(f"[{name}] is not a known parameter.", {name: []})
    return fields


def _bytes(value: Any) -> bytes:
    """Raw from a multipart body, base64 from a JSON one."""
    if isinstance(value, bytes):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, binascii.Error, ValueError) as error:
        raise invalid("media must be a file or base64 text.", {"media": []}) from error


def _segment(value: Any) -> int:
    try:
        segment = int(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise invalid("segment_index is missing.", {"segment_index": [str(value)]}) from error
    if not 0 <= segment <= 999:
        raise invalid("segment_index is 0 to 999.", {"segment_index": [str(value)]})
    return segment


def _category(value: Any) -> str:
    if str(value) not in CATEGORIES:
        raise invalid("media_category is not valid.", {"media_category": [str(value)]})
    return str(value)


def _guess(media_type: str) -> str:
    if media_type.startswith("video/"):
        return "tweet_video"
    return "tweet_gif" if media_type == "image/gif" else "tweet_image"


def _one_shot_limit(category: str) -> int:
    return inspecting.GIF_BYTES if category.endswith("gif") else inspecting.IMAGE_BYTES


def _start(call: Call, category: str, media_type: str, total: int) -> Media:
    now = call.world.now()
    return Media(
        call.world.new_id(),
        call.person.id,
        category,
        media_type,
        total,
        created_at=now,
        expires_at=now + int(call.world.settings.media_ttl_s * 1000),
    )


def _mine(call: Call, media_id: Any) -> Media:
    """This person's upload, still alive; which 4xx X gives for another's is not known, so it is the 400."""
    if not isinstance(media_id, str) or not _ID.fullmatch(media_id):
        raise invalid(f"The media id [{media_id}] is not valid.", {"media_id": [str(media_id)]})
    media = call.world.media.get(media_id)
    if media is None or media.expires_at <= call.world.now():
        raise invalid("BadRequest: Not found", {"media_id": [media_id]})
    if media.owner_id != call.person.id:
        raise forbidden("You are not permitted to perform this action.")
    return media


def _processed(media: Media) -> bool:
    return media.category.endswith(("gif", "video"))


def _unlucky(call: Call, media: Media) -> str:
    """The error that processing ends with although nothing is wrong with the file."""
    settings = call.world.settings
    is_hit = call.world.chance("processing", media.id) < settings.processing_error_rate
    return settings.processing_error if is_hit else ""


def _seconds_left(call: Call, media: Media) -> int:
    return max(0, math.ceil((media.expires_at - call.world.now()) / 1000))


def _described(call: Call, media: Media) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": media.id,
        "media_key": media.key,
        "size": media.received,
        "expires_after_secs": _seconds_left(call, media),
    }
    if _processed(media):
        return body | {"processing_info": _processing(call, media)}
    if media.category.endswith("image"):
        body["image"] = {"image_type": media.media_type, "w": media.width, "h": media.height}
    return body


def _processing(call: Call, media: Media) -> dict[str, Any]:
    """pending for the first third of the time, then in progress, then its end."""
    now, span = call.world.now(), max(1, media.ready_at - media.finalized_at)
    done = (now - media.finalized_at) / span
    again = max(1, math.ceil(call.world.settings.processing_s / 4))
    if now >= media.ready_at and media.error:
        error = {
            "code": 3 if media.error == "UnsupportedMedia" else 1,
            "name": media.error,
            "message": media.error,
        }
        return {"state": "failed", "progress_percent": 100, "error": error}
    if now >= media.ready_at:
        return {"state": "succeeded", "progress_percent": 100}
    if done < 1 / 3:
        return {"state": "pending", "check_after_secs": again}
    return {"state": "in_progress", "check_after_secs": again, "progress_percent": int(done * 100)}

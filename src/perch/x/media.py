"""Media of X: upload in one shot or in segments, wait for processing, describe.

https://docs.x.com/x-api/media/introduction. Nothing of it is public before a post names it, so every call
may be repeated, and an upload that X forgot (``RejectedReason.NOT_FOUND``) starts again from the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Final

from perch.x import members
from perch.x.errors import Rejected, RejectedReason
from perch.x.judging import judge, no_verdict, refusal
from perch.x.members import JsonObject
from perch.x.problems import Problem
from perch.x.wire import Answer, Request, post_json, post_multipart

SEGMENT_BYTES: Final = 1 << 20
"""X documents 5 MB and its edge refused that with an empty 413; 1 MiB passes."""
MAX_SEGMENTS: Final = 1000


class MediaCategory(StrEnum):
    """What a post may use the media for. With the wrong one the upload works and the post fails."""

    IMAGE = "tweet_image"
    GIF = "tweet_gif"
    VIDEO = "tweet_video"


class ProcessingState(StrEnum):
    """Where X's own processing stands."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Processing:
    """X's processing of an upload; ask again after ``check_after_secs``. ``error`` is X's own words."""

    state: ProcessingState
    check_after_secs: int
    progress_percent: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class UploadedMedia:
    """An upload as X sees it. ``expires_after_secs`` counts from the answer; None when X left it out."""

    id: str
    media_key: str | None
    size: int | None
    expires_after_secs: int | None
    processing: Processing | None

    @property
    def ready(self) -> bool:
        """Whether a post may name it now: processed, or nothing to process."""
        return self.processing is None or self.processing.state is ProcessingState.SUCCEEDED


@dataclass(frozen=True, slots=True)
class Segment:
    """Which bytes of the file go into which append."""

    index: int
    offset: int
    size: int


def plan_segments(total_bytes: int) -> Iterator[Segment]:
    """Cut a file into at most 1,000 segments of 1 MiB, or larger ones for files above that."""
    size = max(SEGMENT_BYTES, -(-total_bytes // MAX_SEGMENTS))
    for index, offset in enumerate(range(0, total_bytes, size)):
        yield Segment(index, offset, min(size, total_bytes - offset))


@dataclass(frozen=True, slots=True)
class UploadOnce:
    """Upload a small image whole, at most 5 MB."""

    repeatable: ClassVar[bool] = True

    media: bytes = field(repr=False)
    category: MediaCategory = MediaCategory.IMAGE

    def request(self) -> Request:
        return post_multipart("/2/media/upload", {"media_category": self.category}, self.media)

    def parse(self, answer: Answer) -> UploadedMedia:
        return _uploaded(answer)


@dataclass(frozen=True, slots=True)
class InitializeUpload:
    """Open an upload in segments. A 404 here is an outage and comes as ``Unavailable``."""

    repeatable: ClassVar[bool] = True

    media_type: str
    total_bytes: int
    category: MediaCategory

    def request(self) -> Request:
        opening = {
            "media_type": self.media_type,
            "total_bytes": self.total_bytes,
            "media_category": self.category,
        }
        return post_json("/2/media/upload/initialize", opening)

    def parse(self, answer: Answer) -> UploadedMedia:
        if answer.status == 404:
            raise no_verdict("X's media service did not answer.", answer, repeatable=True)
        return _uploaded(answer)


@dataclass(frozen=True, slots=True)
class AppendSegment:
    """Send one segment; segments go in order and may be sent again."""

    repeatable: ClassVar[bool] = True

    id: str
    segment_index: int
    media: bytes = field(repr=False)

    def __post_init__(self) -> None:
        _require_id(self.id)

    def request(self) -> Request:
        fields = {"segment_index": str(self.segment_index)}
        return post_multipart(f"/2/media/upload/{self.id}/append", fields, self.media)

    def parse(self, answer: Answer) -> None:
        """Any 2xx will do: X answers with an expiry, or with nothing."""
        _require_session(answer)
        refused = refusal(answer, repeatable=True)
        if refused is not None:
            raise refused


@dataclass(frozen=True, slots=True)
class FinalizeUpload:
    """Close an upload in segments; images and some videos are ready at once."""

    repeatable: ClassVar[bool] = True

    id: str

    def __post_init__(self) -> None:
        _require_id(self.id)

    def request(self) -> Request:
        return Request("POST", f"/2/media/upload/{self.id}/finalize")

    def parse(self, answer: Answer) -> UploadedMedia:
        _require_session(answer)
        return _uploaded(answer)


@dataclass(frozen=True, slots=True)
class UploadStatus:
    """Ask how processing goes; only while finalize or the last status told of processing."""

    repeatable: ClassVar[bool] = True

    id: str

    def __post_init__(self) -> None:
        _require_id(self.id)

    def request(self) -> Request:
        return Request("GET", "/2/media/upload", query=(("command", "STATUS"), ("media_id", self.id)))

    def parse(self, answer: Answer) -> UploadedMedia:
        _require_session(answer)
        return _uploaded(answer)


@dataclass(frozen=True, slots=True)
class DescribeMedia:
    """Set the alternative text, up to 1,000 characters; after finalize and before the post."""

    repeatable: ClassVar[bool] = True

    id: str
    alt_text: str

    def __post_init__(self) -> None:
        _require_id(self.id)

    def request(self) -> Request:
        described = {"id": self.id, "metadata": {"alt_text": {"text": self.alt_text}}}
        try:
            return post_json("/2/media/metadata", described)
        except UnicodeEncodeError:
            raise Rejected(RejectedReason.TEXT) from None

    def parse(self, answer: Answer) -> None:
        refused = refusal(answer, repeatable=True)
        if refused is not None:
            raise refused


def _require_id(media_id: str) -> None:
    if not members.is_x_id(media_id):
        raise Rejected(RejectedReason.MALFORMED_ID)


def _require_session(answer: Answer) -> None:
    # Inside an upload a 404 means that X dropped it, whatever the body looks like.
    if answer.status == 404:
        raise Rejected(RejectedReason.NOT_FOUND, problem=Problem.of(answer), head=answer.head)


def _uploaded(answer: Answer) -> UploadedMedia:
    document = judge(answer, repeatable=True)
    # The one-shot upload has been seen without its envelope; the older API spells the id differently.
    data = members.child(document, "data") or document
    media_id = members.x_id(data, "id", "media_id_string")
    if media_id is None:
        raise no_verdict("X took the media and gave no id that can be read.", answer, repeatable=True)
    return UploadedMedia(
        id=media_id,
        media_key=members.text(data, "media_key"),
        size=members.number(data, "size"),
        expires_after_secs=members.number(data, "expires_after_secs"),
        processing=_processing(members.child(data, "processing_info")),
    )


def _processing(info: JsonObject) -> Processing | None:
    state = members.text(info, "state")
    if state is None:
        return None
    known = state in [*ProcessingState]
    return Processing(
        # A state X invents later is one that is not over yet.
        state=ProcessingState(state) if known else ProcessingState.IN_PROGRESS,
        check_after_secs=members.number(info, "check_after_secs") or 1,
        progress_percent=members.number(info, "progress_percent"),
        error=_processing_error(members.child(info, "error")),
    )


def _processing_error(error: JsonObject) -> str | None:
    parts = (members.text(error, "name"), members.text(error, "message"))
    return ": ".join(part for part in parts if part) or None

import json
from collections.abc import Callable
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_multipart.multipart import Field, File, parse_form

from perch.x import errors
from perch.x.errors import RejectedReason
from perch.x.media import (
    SEGMENT_BYTES,
    AppendSegment,
    DescribeMedia,
    FinalizeUpload,
    InitializeUpload,
    MediaCategory,
    Processing,
    ProcessingState,
    UploadedMedia,
    UploadOnce,
    UploadStatus,
    plan_segments,
)
from perch.x.wire import Answer, Operation, Request

MEDIA_ID = "1880028106020515840"


def form_of(request: Request) -> dict[str, bytes]:
    """What a reader other than ours finds in a multipart body."""
    form: dict[str, bytes] = {}

    def on_field(field: Field) -> None:
        form[(field.field_name or b"").decode()] = field.value or b""

    def on_file(file: File) -> None:
        file.file_object.seek(0)
        form[(file.field_name or b"").decode()] = file.file_object.read()

    headers = {"Content-Type": (request.content_type or "").encode()}
    parse_form(headers, BytesIO(request.content or b""), on_field, on_file)
    return form


@given(st.integers(min_value=1, max_value=16 * 1024**3))
def test_segments_cover_a_file_once_in_order_and_are_at_most_a_thousand(total: int) -> None:
    segments = list(plan_segments(total))

    assert len(segments) <= 1000
    assert [segment.index for segment in segments] == list(range(len(segments)))
    assert [segment.offset for segment in segments[1:]] == [s.offset + s.size for s in segments[:-1]]
    assert segments[0].offset == 0
    assert sum(segment.size for segment in segments) == total
    assert max(segment.size for segment in segments) <= max(SEGMENT_BYTES, total // 1000 + 1)


def test_small_files_go_in_pieces_of_one_mebibyte() -> None:
    assert [segment.size for segment in plan_segments(2 * SEGMENT_BYTES + 1)] == [
        SEGMENT_BYTES,
        SEGMENT_BYTES,
        1,
    ]
    assert list(plan_segments(0)) == []


@given(st.binary(max_size=200))
def test_a_segment_arrives_byte_for_byte(media: bytes) -> None:
    request = AppendSegment(MEDIA_ID, 3, media).request()

    assert request.target == f"/2/media/upload/{MEDIA_ID}/append"
    assert form_of(request) == {"segment_index": b"3", "media": media}


def test_a_one_shot_upload_names_its_category() -> None:
    request = UploadOnce(b"\x89PNG", MediaCategory.GIF).request()

    assert (request.method, request.target) == ("POST", "/2/media/upload")
    assert form_of(request) == {"media_category": b"tweet_gif", "media": b"\x89PNG"}


def test_an_upload_opens_with_type_size_and_category() -> None:
    request = InitializeUpload("video/mp4", 12, MediaCategory.VIDEO).request()

    assert request.target == "/2/media/upload/initialize"
    assert json.loads(request.content or b"") == {
        "media_type": "video/mp4",
        "total_bytes": 12,
        "media_category": "tweet_video",
    }


def test_finalize_has_no_body_and_status_keeps_its_command() -> None:
    assert FinalizeUpload(MEDIA_ID).request() == Request("POST", f"/2/media/upload/{MEDIA_ID}/finalize")
    assert UploadStatus(MEDIA_ID).request().target == f"/2/media/upload?command=STATUS&media_id={MEDIA_ID}"


def test_alternative_text_is_set_as_documented(answer: Callable[..., Answer]) -> None:
    operation = DescribeMedia(MEDIA_ID, "Ein Barsch 🐟")

    assert operation.request().content == (
        f'{{"id":"{MEDIA_ID}","metadata":{{"alt_text":{{"text":"Ein Barsch 🐟"}}}}}}'.encode()
    )
    operation.parse(answer(200, {"data": {"id": MEDIA_ID}}))


def test_half_a_character_in_the_alternative_text_is_refused_before_sending() -> None:
    with pytest.raises(errors.Rejected) as caught:
        DescribeMedia(MEDIA_ID, "\udc00").request()

    assert caught.value.reason is RejectedReason.TEXT


@pytest.mark.parametrize(
    ("status", "body"), [(200, {"data": {"expires_at": 1785600000}}), (204, b""), (200, b"")]
)
def test_any_success_appends(answer: Callable[..., Answer], status: int, body: object) -> None:
    AppendSegment(MEDIA_ID, 0, b"x").parse(answer(status, body))


@pytest.mark.parametrize(
    ("info", "processing", "ready"),
    [
        (None, None, True),
        (
            {"state": "pending", "check_after_secs": 5},
            Processing(ProcessingState.PENDING, 5, None, None),
            False,
        ),
        (
            {"state": "in_progress", "progress_percent": 8},
            Processing(ProcessingState.IN_PROGRESS, 1, 8, None),
            False,
        ),
        (
            {"state": "transcoding"},
            Processing(ProcessingState.IN_PROGRESS, 1, None, None),
            False,
        ),
        (
            {"state": "succeeded", "progress_percent": 100},
            Processing(ProcessingState.SUCCEEDED, 1, 100, None),
            True,
        ),
        (
            {"state": "failed", "error": {"code": 3, "name": "UnsupportedMedia", "message": "Too long"}},
            Processing(ProcessingState.FAILED, 1, None, "UnsupportedMedia: Too long"),
            False,
        ),
    ],
)
def test_processing_is_told_until_the_media_is_ready(
    answer: Callable[..., Answer], info: object, processing: Processing | None, ready: bool
) -> None:
    data = {"id": MEDIA_ID, "media_key": f"7_{MEDIA_ID}", "size": 12, "expires_after_secs": 86400}
    body = {"data": data if info is None else {**data, "processing_info": info}}

    for operation in (FinalizeUpload(MEDIA_ID), UploadStatus(MEDIA_ID)):
        uploaded = operation.parse(answer(200, body))
        assert uploaded == UploadedMedia(MEDIA_ID, f"7_{MEDIA_ID}", 12, 86400, processing)
        assert uploaded.ready is ready


@pytest.mark.parametrize("body", [b"", b"<html>", {"title": "Not Found Error"}])
def test_an_upload_that_x_forgot_starts_again(answer: Callable[..., Answer], body: object) -> None:
    operations: list[Operation[object]] = [
        AppendSegment(MEDIA_ID, 0, b"x"),
        FinalizeUpload(MEDIA_ID),
        UploadStatus(MEDIA_ID),
    ]
    for operation in operations:
        with pytest.raises(errors.Rejected) as caught:
            operation.parse(answer(404, body))
        assert caught.value.reason is RejectedReason.NOT_FOUND


@pytest.mark.parametrize("body", [b"", {"title": "Not Found Error"}])
def test_a_404_on_opening_an_upload_is_an_outage(answer: Callable[..., Answer], body: object) -> None:
    with pytest.raises(errors.Unavailable):
        InitializeUpload("image/png", 1, MediaCategory.IMAGE).parse(answer(404, body))


@pytest.mark.parametrize("body", [b"", {}, {"data": {}}, {"data": {"id": "x"}}])
def test_an_upload_without_an_id_is_unavailable(answer: Callable[..., Answer], body: object) -> None:
    with pytest.raises(errors.Unavailable):
        UploadOnce(b"x").parse(answer(200, body))


def test_a_chunk_the_edge_finds_too_large_says_so(answer: Callable[..., Answer]) -> None:
    with pytest.raises(errors.Rejected) as caught:
        AppendSegment(MEDIA_ID, 0, b"x").parse(answer(413))

    assert caught.value.reason is RejectedReason.TOO_LARGE


@pytest.mark.parametrize("bad", ["", "1/../2", "7_1"])
def test_what_is_no_media_id_never_reaches_an_address(bad: str) -> None:
    for make in (
        lambda: AppendSegment(bad, 0, b""),
        lambda: FinalizeUpload(bad),
        lambda: UploadStatus(bad),
        lambda: DescribeMedia(bad, "a"),
    ):
        with pytest.raises(errors.Rejected):
            make()

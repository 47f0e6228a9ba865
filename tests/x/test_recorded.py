"""Answers that X really sent, each parsed into what it means.

Where a recording lacks its status, the table supplies the one X's pages document. Recordings of the retired
v1.1 upload say what v2 says without an envelope and are read by the same parsers.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from perch.x import errors
from perch.x.errors import ForbiddenReason, SpendBlock, XError
from perch.x.media import (
    AppendSegment,
    FinalizeUpload,
    InitializeUpload,
    MediaCategory,
    ProcessingState,
    UploadedMedia,
    UploadOnce,
    UploadStatus,
)
from perch.x.oauth2 import Client, ExchangeCode, RefreshGrant
from perch.x.posts import CreatePost, DeletePost
from perch.x.users import Me, XUser
from perch.x.wire import Answer, Operation
from perch.x.xpost import XPost

pytestmark = pytest.mark.conformance

RECORDED = Path(__file__).parents[2] / os.environ.get("SHARED", "../shared") / "recorded"

CREATE = CreatePost("Test Tweet")
DELETE = DeletePost("1456012973835788293")
ONCE = UploadOnce(b"")
INITIALIZE = InitializeUpload("video/mp4", 1, MediaCategory.VIDEO)
APPEND = AppendSegment("1", 0, b"")
FINALIZE = FinalizeUpload("1")
STATUS = UploadStatus("1")
REFRESH = RefreshGrant(Client("id"), "old")
EXCHANGE = ExchangeCode(Client("id"), "code", "http://127.0.0.1:5000/auth/x", "verifier")

SUCCESSES: Mapping[str, tuple[Operation[object], int, object]] = {
    "tweets_create_201": (CREATE, 201, "1456012973835788293"),
    "tweets_create_201_async": (CREATE, 201, "1522929456142245888"),
    "tweets_create_201_community": (CREATE, 201, "1234567890"),
    "pt_tweets_create": (CREATE, 201, "1445880548472328192"),
    "tweets_delete_200": (DELETE, 200, True),
    "users_me_200": (Me(), 200, ("1072250532645998596", "TweepyDev")),
    "pt_users_me": (Me(), 200, ("2244994945", "TwitterDev")),
    "media_v2_init": (INITIALIZE, 200, ("1912103767639719936", "3_1912103767639719936", 86400, True)),
    "media_v2_init_docs": (INITIALIZE, 200, ("1880028106020515840", "13_1880028106020515840", 1295999, True)),
    "media_v2_simple": (ONCE, 200, ("1726817595448610817", "3_1726817595448610817", 86400, True)),
    "media_v2_finalize_succeeded": (
        FINALIZE,
        200,
        ("1912090619981471744", "7_1912090619981471744", 86400, True),
    ),
    "media_v2_status_succeeded": (
        STATUS,
        200,
        ("1912090619981471744", "7_1912090619981471744", 83800, True),
    ),
    "media_v1_init": (INITIALIZE, 202, ("1726870404957175808", "7_1726870404957175808", 86400, True)),
    "media_v1_finalize_pending": (
        FINALIZE,
        200,
        ("1726870404957175808", "7_1726870404957175808", 86400, False),
    ),
    "media_v1_finalize_pending_2018": (
        FINALIZE,
        200,
        ("1049213484272144384", "13_1049213484272144384", 86400, False),
    ),
    "media_v1_status_succeeded": (
        STATUS,
        200,
        ("1726870404957175808", "7_1726870404957175808", 85119, True),
    ),
    "media_v1_chunked_mp4": (INITIALIZE, 202, ("1349803915521482754", None, 86400, True)),
    "media_v1_chunked_mp4_2": (APPEND, 204, None),
    "media_v1_chunked_mp4_3": (APPEND, 204, None),
    "media_v1_chunked_mp4_4": (FINALIZE, 201, ("1349803915521482754", None, 86400, True)),
    "media_v1_png_200": (ONCE, 200, ("1349010955083132928", None, 86400, True)),
    "media_v1_gif_200": (ONCE, 200, ("1349010951484399617", None, 86400, True)),
}

REFUSALS: Mapping[str, tuple[Operation[object], int, type[XError], object]] = {
    "tweets_create_403_duplicate": (CREATE, 403, errors.Forbidden, ForbiddenReason.DUPLICATE),
    # Only heads were recorded of these two: the status decides, and no words tell the reason.
    "tweets_create_403_duplicate_2023_headers": (CREATE, 403, errors.Forbidden, ForbiddenReason.OTHER),
    "tweets_create_403_2025_headers": (CREATE, 403, errors.Forbidden, ForbiddenReason.OTHER),
    "forbidden_403_generic_problem_json": (Me(), 403, errors.Forbidden, ForbiddenReason.OTHER),
    "credits_depleted_402": (CREATE, 402, errors.OutOfCredits, SpendBlock.CREDITS),
    "credits_depleted_402_aug2026": (CREATE, 402, errors.OutOfCredits, SpendBlock.CREDITS),
    "credits_depleted_402_headers_2026": (CREATE, 402, errors.OutOfCredits, SpendBlock.CREDITS),
    "oauth2_token_400_bad_code": (EXCHANGE, 400, errors.GrantLost, None),
    "oauth2_token_400_bad_refresh": (REFRESH, 400, errors.GrantLost, None),
    "oauth2_token_401_no_auth_header": (REFRESH, 401, errors.AppMisconfigured, None),
}


def recorded(name: str, expected_status: int) -> Answer:
    if not RECORDED.is_dir():
        pytest.skip(f"no recorded answers at {RECORDED} (set SHARED)")
    record = json.loads((RECORDED / f"{name}.json").read_text())
    assert record["status"] in (None, expected_status)
    body = b"" if record["body"] is None else json.dumps(record["body"]).encode()
    return Answer(expected_status, record["headers"] or {}, body)


def gist(result: object) -> object:
    """The part of a result that the table states."""
    match result:
        case XPost():
            return result.id
        case XUser():
            return result.id, result.username
        case UploadedMedia():
            return result.id, result.media_key, result.expires_after_secs, result.ready
    return result


@pytest.mark.parametrize("name", SUCCESSES)
def test_a_recorded_success_is_read(name: str) -> None:
    operation, status, expected = SUCCESSES[name]

    assert gist(operation.parse(recorded(name, status))) == expected


@pytest.mark.parametrize("name", REFUSALS)
def test_a_recorded_refusal_is_told_apart(name: str) -> None:
    operation, status, error, reason = REFUSALS[name]

    with pytest.raises(XError) as caught:
        operation.parse(recorded(name, status))

    assert type(caught.value) is error
    assert getattr(caught.value, "reason", getattr(caught.value, "block", None)) == reason


def test_every_recording_is_in_a_table() -> None:
    if not RECORDED.is_dir():
        pytest.skip(f"no recorded answers at {RECORDED} (set SHARED)")

    assert {path.stem for path in RECORDED.glob("*.json")} == {*SUCCESSES, *REFUSALS}


def test_the_head_of_a_recorded_answer_is_read() -> None:
    head = recorded("tweets_create_403_duplicate_2023_headers", 403).head

    assert head.transaction_id == "e92f067a164a24a1"
    assert head.date is not None
    assert head.date.isoformat() == "2023-04-25T11:28:02+00:00"
    (window,) = head.limits.windows
    assert (window.limit, window.remaining) == (40000, 39998)


def test_a_recorded_processing_state_is_read() -> None:
    uploaded = FINALIZE.parse(recorded("media_v1_finalize_pending", 200))

    assert uploaded.processing is not None
    assert uploaded.processing.state is ProcessingState.PENDING
    assert uploaded.processing.check_after_secs == 1

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from perch.x import errors
from perch.x.errors import ForbiddenReason, RejectedReason, SpendBlock, XError
from perch.x.judging import judge, refusal
from perch.x.limits import Scope
from perch.x.wire import Answer

FORBIDDEN = {"title": "Forbidden", "type": "about:blank", "status": 403}


def invalid(message: str, **parameters: list[str]) -> dict[str, object]:
    return {
        "errors": [{"parameters": parameters, "message": message}],
        "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": "https://api.twitter.com/2/problems/invalid-request",
    }


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("You are not allowed to create a Tweet with duplicate content.", ForbiddenReason.DUPLICATE),
        ("You are not allowed to create a Post with duplicate content.", ForbiddenReason.DUPLICATE),
        (
            "You attempted to reply to a Tweet that is deleted or not visible to you.",
            ForbiddenReason.NOT_VISIBLE_PARENT,
        ),
        (
            "Reply to this conversation is not allowed because you have not been mentioned or otherwise "
            "engaged by the author of the post you are replying to.",
            ForbiddenReason.REPLY_NOT_ALLOWED,
        ),
        (
            "Quoting this post is not allowed because you have not been mentioned or are not part of the "
            "conversation thread of the post you are quoting.",
            ForbiddenReason.QUOTE_NOT_ALLOWED,
        ),
        ("Posts are limited to a maximum of one cashtag", ForbiddenReason.CASHTAGS),
        ("The Tweet contains an invalid URL.", ForbiddenReason.INVALID_URL),
        (
            "This user is not allowed to post a video longer than 2 minutes.",
            ForbiddenReason.VIDEO_TOO_LONG,
        ),
        ("User video duration exceeded", ForbiddenReason.VIDEO_TOO_LONG),
        ("The user used for authentication is suspended", ForbiddenReason.SUSPENDED),
        ("You are not permitted to perform this action.", ForbiddenReason.NOT_PERMITTED),
        ("Mentions of strangers are restricted.", ForbiddenReason.OTHER),
    ],
)
def test_a_refusal_is_told_by_its_words(
    answer: Callable[..., Answer], body: str, reason: ForbiddenReason
) -> None:
    error = refusal(answer(403, {**FORBIDDEN, "detail": body}), repeatable=False)

    assert isinstance(error, errors.Forbidden)
    assert error.reason is reason
    assert error.sentence.endswith(f"X said: {body}")
    assert error.fix


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"type": "https://api.x.com/2/problems/user-suspended", "title": "Forbidden"}, "suspended"),
        ({"title": "Unsupported Authentication", "detail": "[OAuth 2.0]"}, "unsupported_authentication"),
        ({"type": "https://api.x.com/2/problems/oauth1-permissions"}, "missing_scope"),
        ({"errors": [{"code": 326, "message": "Your account is temporarily locked."}]}, "locked"),
        ({"errors": [{"code": 64, "message": "Your account is suspended."}]}, "suspended"),
        ({"errors": [{"code": 187, "message": "Status is a duplicate."}]}, "duplicate"),
        (b"<html><title>Attention Required!</title>", "edge"),
        (b"", "other"),
    ],
)
def test_a_refusal_is_told_by_its_type_code_or_speaker(
    answer: Callable[..., Answer], body: object, reason: str
) -> None:
    error = refusal(answer(403, body), repeatable=False)

    assert isinstance(error, errors.Forbidden)
    assert error.reason == reason


@pytest.mark.parametrize(
    ("status", "body", "block"),
    [
        (402, {"title": "CreditsDepleted", "type": "https://api.twitter.com/2/problems/credits"}, "credits"),
        (402, {"title": "Payment Required", "detail": "credits depleted"}, "credits"),
        (402, b"", "credits"),
        (403, {"title": "SpendCapReached", "detail": "…"}, "spend_cap"),
        (402, {"title": "SpendCapReached", "detail": "…"}, "spend_cap"),
        (
            429,
            {"title": "UsageCapExceeded", "type": "https://api.twitter.com/2/problems/usage-capped"},
            "usage_cap",
        ),
        (403, {"title": "Forbidden", "type": "https://api.x.com/2/problems/usage-capped"}, "usage_cap"),
    ],
)
def test_an_app_that_may_not_spend_is_told_apart(
    answer: Callable[..., Answer], status: int, body: object, block: str
) -> None:
    error = refusal(answer(status, body, x_rate_limit_remaining="1999"), repeatable=False)

    assert isinstance(error, errors.OutOfCredits)
    assert error.block is SpendBlock(block)


def test_a_rate_limit_names_the_reset_of_the_spent_window(answer: Callable[..., Answer]) -> None:
    error = refusal(
        answer(
            429,
            {"title": "Too Many Requests", "detail": "Too Many Requests", "type": "about:blank"},
            x_rate_limit_remaining="12",
            x_rate_limit_reset="1785600000",
            x_app_limit_24hour_remaining="0",
            x_app_limit_24hour_reset="1785686400",
        ),
        repeatable=False,
    )

    assert isinstance(error, errors.RateLimited)
    assert error.resets_at == datetime.fromtimestamp(1785686400, UTC)
    assert error.scope is Scope.APP_DAY


def test_a_rate_limit_without_headers_names_no_reset(answer: Callable[..., Answer]) -> None:
    error = refusal(answer(429), repeatable=True)

    assert isinstance(error, errors.RateLimited)
    assert (error.resets_at, error.scope) == (None, Scope.UNSAID)


def test_the_accounts_own_daily_cap_is_a_limit_not_a_refusal(answer: Callable[..., Answer]) -> None:
    body = {"errors": [{"code": 185, "message": "User is over daily status update limit."}]}

    error = refusal(answer(403, body), repeatable=False)

    assert isinstance(error, errors.RateLimited)
    assert error.scope is Scope.USER_DAY


@pytest.mark.parametrize("reason", ["client-not-enrolled", "user-not-enrolled", "official-client-forbidden"])
def test_an_app_that_x_does_not_let_in_is_the_operators_to_mend(
    answer: Callable[..., Answer], reason: str
) -> None:
    body = {
        "title": "Client Forbidden",
        "reason": reason,
        "type": "https://api.x.com/2/problems/client-forbidden",
    }

    assert isinstance(refusal(answer(403, body), repeatable=False), errors.AppMisconfigured)


@pytest.mark.parametrize("status", [302, 304, 404, 408, 500, 502, 503, 504, 520, 524, 530])
def test_what_proves_nothing_is_unconfirmed_for_a_post_and_unavailable_for_a_read(
    answer: Callable[..., Answer], status: int
) -> None:
    page = answer(status, b"<html><title>oops</title>")

    assert isinstance(refusal(page, repeatable=False), errors.Unconfirmed)
    assert isinstance(refusal(page, repeatable=True), errors.Unavailable)


def test_a_404_in_xs_own_words_is_not_found_for_a_read_but_proves_nothing_for_a_post(
    answer: Callable[..., Answer],
) -> None:
    lost = answer(
        404, {"title": "Not Found Error", "type": "https://api.x.com/2/problems/resource-not-found"}
    )

    read = refusal(lost, repeatable=True)

    assert isinstance(read, errors.Rejected)
    assert read.reason is RejectedReason.NOT_FOUND
    assert isinstance(refusal(lost, repeatable=False), errors.Unconfirmed)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, invalid("Your media IDs are invalid.", **{"media.media_ids": ["1"]}), "media_ids"),
        (
            400,
            invalid(
                "The query parameter [tweet.fields] is not one of [post.fields]", **{"tweet.fields": ["a"]}
            ),
            "fields_renamed",
        ),
        (400, invalid("The Tweet contains an invalid URL."), "invalid_url"),
        (400, {"errors": [{"message": "BadRequest: Not found"}]}, "not_found"),
        (400, invalid("You can only provide one of media, poll", poll=[""]), "parameters"),
        (400, b"<html><title>400 Bad Request</title>", "other"),
        (409, b"", "conflict"),
        (413, b"", "too_large"),
        (431, b"", "too_large"),
        (422, {"detail": "Something new"}, "other"),
    ],
)
def test_a_request_at_fault_says_what_is_wrong(
    answer: Callable[..., Answer], status: int, body: object, reason: str
) -> None:
    error = refusal(answer(status, body), repeatable=False)

    assert isinstance(error, errors.Rejected)
    assert error.reason == reason


def test_a_401_is_unauthorized_and_keeps_the_words(answer: Callable[..., Answer]) -> None:
    error = refusal(answer(401, {"title": "Unauthorized", "detail": "Unauthorized"}), repeatable=True)

    assert isinstance(error, errors.Unauthorized)
    assert error.sentence.endswith("X said: Unauthorized")


@pytest.mark.parametrize("status", range(300, 600))
def test_every_answer_but_success_is_an_error_that_tells_the_status_or_xs_words(
    answer: Callable[..., Answer], status: int
) -> None:
    silent = refusal(answer(status, x_transaction_id="abc"), repeatable=False)
    spoken = refusal(answer(status, {"detail": "Strange new refusal"}), repeatable=True)

    assert silent is not None
    assert f"HTTP {status}" in silent.sentence
    assert silent.head is not None
    assert silent.head.transaction_id == "abc"
    assert spoken is not None
    assert "Strange new refusal" in spoken.sentence


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"data": {"id"', b"[]", b"null"])
def test_a_success_that_cannot_be_read_is_no_success(answer: Callable[..., Answer], body: bytes) -> None:
    with pytest.raises(errors.Unconfirmed):
        judge(answer(201, body), repeatable=False)
    with pytest.raises(errors.Unavailable):
        judge(answer(200, body), repeatable=True)


def test_every_class_of_error_has_a_code_of_its_own() -> None:
    classes = XError.__subclasses__()

    assert len({cls.code for cls in classes} | {XError.code}) == len(classes) + 1
    assert all(400 <= cls.status < 600 for cls in classes)

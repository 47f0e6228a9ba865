"""From an answer of X to its document, or to the one error that says what to do next.

The only place where X's words are compared. Sources:
https://docs.x.com/x-api/fundamentals/response-codes-and-errors and bodies seen in public issue threads.
"""

from collections.abc import Mapping

from perch.x import members
from perch.x.errors import (
    AppMisconfigured,
    Forbidden,
    ForbiddenReason,
    OutOfCredits,
    RateLimited,
    Rejected,
    RejectedReason,
    SpendBlock,
    Unauthorized,
    Unavailable,
    Unconfirmed,
    XError,
)
from perch.x.limits import Scope
from perch.x.members import JsonObject
from perch.x.problems import Problem, Speaker
from perch.x.wire import Answer, Head


def judge(answer: Answer, *, repeatable: bool) -> JsonObject:
    """The JSON object of a 2xx answer. Raises the ``XError`` that any other answer amounts to."""
    refused = refusal(answer, repeatable=repeatable)
    if refused is not None:
        raise refused
    document = members.parse_object(answer.body)
    if document is None:
        raise no_verdict("X's answer cannot be read.", answer, repeatable=repeatable)
    return document


def refusal(answer: Answer, *, repeatable: bool) -> XError | None:
    """The error an answer amounts to, or None for 2xx, whatever its body says."""
    if 200 <= answer.status < 300:
        return None
    problem, head = Problem.of(answer), answer.head
    block = _spend_block(answer.status, problem)
    if block is not None:
        return OutOfCredits(block, problem=problem, head=head)
    match answer.status:
        case 401:
            return _unauthorized(problem, head)
        case 403:
            return _forbidden(problem, head)
        case 404 if repeatable and problem.speaker is Speaker.X:
            return Rejected(RejectedReason.NOT_FOUND, problem=problem, head=head)
        case 404 | 408:
            # A 404 for a path that exists is an outage of X's routing, and routing may fail after the work.
            return no_verdict("X did not handle the call.", answer, repeatable=repeatable)
        case 429:
            return _rate_limited(problem, head)
        case status if 400 <= status < 500:
            return Rejected(_rejected_reason(status, problem), problem=problem, head=head)
    return no_verdict("X gave no verdict.", answer, repeatable=repeatable)


def no_verdict(sentence: str, answer: Answer, *, repeatable: bool) -> Unavailable | Unconfirmed:
    """An answer that tells nothing of the outcome."""
    return _no_verdict(sentence, Problem.of(answer), answer.head, repeatable=repeatable)


def no_answer(sentence: str, *, repeatable: bool, head: Head | None = None) -> Unavailable | Unconfirmed:
    """No whole answer at all, although bytes of the request were written."""
    return _no_verdict(sentence, None, head, repeatable=repeatable)


def _no_verdict(
    sentence: str, problem: Problem | None, head: Head | None, *, repeatable: bool
) -> Unavailable | Unconfirmed:
    if repeatable:
        fix = "Nothing to do: Perch tries again."
        return Unavailable(sentence, fix=fix, problem=problem, head=head)
    fix = "Look on X whether it happened before you do it again."
    return Unconfirmed(f"{sentence} It may have happened.", fix=fix, problem=problem, head=head)


_BLOCK_TYPES = {
    "credits": SpendBlock.CREDITS,
    "creditsdepleted": SpendBlock.CREDITS,
    "spendcapreached": SpendBlock.SPEND_CAP,
    "usagecapped": SpendBlock.USAGE_CAP,
    "usagecapexceeded": SpendBlock.USAGE_CAP,
}


def _spend_block(status: int, problem: Problem) -> SpendBlock | None:
    if status not in (402, 403, 429):
        return None
    for name in (problem.type, problem.title):
        block = _BLOCK_TYPES.get("".join(filter(str.isalpha, name)).lower())
        if block is not None:
            return block
    return SpendBlock.CREDITS if status == 402 else None


def _unauthorized(problem: Problem, head: Head) -> Unauthorized:
    return Unauthorized(
        "X no longer accepts the login of this account.",
        fix="Nothing to do yet: Perch renews the login once. If that fails, connect the account again.",
        problem=problem,
        head=head,
    )


def _rate_limited(problem: Problem, head: Head) -> RateLimited:
    window = head.limits.blocking()
    if window is None:
        return RateLimited(None, Scope.UNSAID, problem=problem, head=head)
    return RateLimited(window.resets_at, window.scope, problem=problem, head=head)


def _forbidden(problem: Problem, head: Head) -> XError:
    if problem.type == "client-forbidden" or problem.title == "Client Forbidden":
        return AppMisconfigured(
            "X does not let this X app in.",
            fix="Open the app at console.x.com: it must belong to a project and be enrolled.",
            problem=problem,
            head=head,
        )
    if _DAILY_LIMIT_CODE in problem.codes:
        return RateLimited(None, Scope.USER_DAY, problem=problem, head=head)
    return Forbidden(_forbidden_reason(problem), problem=problem, head=head)


# "User is over daily status update limit": the account's own cap over all its clients, gone by tomorrow.
_DAILY_LIMIT_CODE = 185

# Codes of the older API, https://docs.x.com/x-api/fundamentals/response-codes-and-errors
_FORBIDDEN_CODES: Mapping[int, ForbiddenReason] = {
    64: ForbiddenReason.SUSPENDED,
    186: ForbiddenReason.NOT_PERMITTED,
    187: ForbiddenReason.DUPLICATE,
    261: ForbiddenReason.MISSING_SCOPE,
    326: ForbiddenReason.LOCKED,
    385: ForbiddenReason.NOT_VISIBLE_PARENT,
    433: ForbiddenReason.REPLY_NOT_ALLOWED,
}

_FORBIDDEN_TYPES: Mapping[str, ForbiddenReason] = {
    "user-suspended": ForbiddenReason.SUSPENDED,
    "unsupported-authentication": ForbiddenReason.UNSUPPORTED_AUTHENTICATION,
    "oauth1-permissions": ForbiddenReason.MISSING_SCOPE,
    "oauth2-permissions": ForbiddenReason.MISSING_SCOPE,
}

# Fragments that survive X's renaming of "Tweet" to "Post"; the first that fits decides.
_FORBIDDEN_WORDS: tuple[tuple[str, ForbiddenReason], ...] = (
    ("duplicate content", ForbiddenReason.DUPLICATE),
    ("deleted or not visible", ForbiddenReason.NOT_VISIBLE_PARENT),
    ("reply to this conversation is not allowed", ForbiddenReason.REPLY_NOT_ALLOWED),
    ("quoting this", ForbiddenReason.QUOTE_NOT_ALLOWED),
    ("one cashtag", ForbiddenReason.CASHTAGS),
    ("invalid url", ForbiddenReason.INVALID_URL),
    ("post a video longer than", ForbiddenReason.VIDEO_TOO_LONG),
    ("video duration exceeded", ForbiddenReason.VIDEO_TOO_LONG),
    ("authentication is suspended", ForbiddenReason.SUSPENDED),
    ("your account is suspended", ForbiddenReason.SUSPENDED),
    ("temporarily locked", ForbiddenReason.LOCKED),
    ("app permissions", ForbiddenReason.MISSING_SCOPE),
    ("required scope", ForbiddenReason.MISSING_SCOPE),
    ("not permitted to perform this action", ForbiddenReason.NOT_PERMITTED),
)


def _forbidden_reason(problem: Problem) -> ForbiddenReason:
    if problem.speaker is Speaker.EDGE:
        return ForbiddenReason.EDGE
    by_type = _FORBIDDEN_TYPES.get(problem.type)
    if by_type is not None:
        return by_type
    if problem.title.lower() == "unsupported authentication":
        return ForbiddenReason.UNSUPPORTED_AUTHENTICATION
    by_code = next((_FORBIDDEN_CODES[code] for code in problem.codes if code in _FORBIDDEN_CODES), None)
    if by_code is not None:
        return by_code
    words = problem.words.lower()
    return next((reason for part, reason in _FORBIDDEN_WORDS if part in words), ForbiddenReason.OTHER)


_REJECTED_STATUS: Mapping[int, RejectedReason] = {
    409: RejectedReason.CONFLICT,
    413: RejectedReason.TOO_LARGE,
    431: RejectedReason.TOO_LARGE,
}


def _rejected_reason(status: int, problem: Problem) -> RejectedReason:
    by_status = _REJECTED_STATUS.get(status)
    if by_status is not None:
        return by_status
    words = problem.words.lower()
    if "media.media_ids" in problem.parameters or "media ids are invalid" in words:
        return RejectedReason.MEDIA_IDS
    if "tweet.fields" in problem.parameters or "[tweet.fields]" in words:
        return RejectedReason.FIELDS_RENAMED
    if "invalid url" in words:
        return RejectedReason.INVALID_URL
    if "badrequest: not found" in words:
        return RejectedReason.NOT_FOUND
    known = problem.parameters or problem.type == "invalid-request"
    return RejectedReason.PARAMETERS if known else RejectedReason.OTHER

"""What can come of a call to X other than success, cut by what the caller does next.

XError
 ├─ Unreachable         no byte of the request was written: send again whenever you like
 ├─ Unavailable         a repeatable call got no usable answer: repeat it later
 ├─ Unconfirmed         bytes were written, no verdict came back: look before you send again
 ├─ RateLimited         X did not process it: wait until ``resets_at``
 ├─ Unauthorized        the access token was refused: refresh it once
 ├─ OutOfCredits        the X app may not spend: pause all its accounts
 ├─ Forbidden           X understood and refuses, see ``reason``
 ├─ Rejected            the request itself is at fault, see ``reason``; some are found before sending
 ├─ GrantLost           code or refresh token is worthless: the person must connect again
 └─ AppMisconfigured    the X app or its credentials: the operator's to mend, never the account's fault

``Unavailable`` is raised by repeatable calls only, ``Unconfirmed`` by the others only.
"""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from perch.errors import PerchError
from perch.x.limits import Scope
from perch.x.problems import Problem
from perch.x.wire import Head


class XError(PerchError):
    """X did not do what it was asked.

    ``problem`` keeps X's own words, ``head`` the limits and the transaction id; both are None when no
    answer came.
    """

    code: ClassVar[str] = "x_error"
    status: ClassVar[int] = 502

    def __init__(
        self,
        sentence: str,
        *,
        fix: str | None = None,
        problem: Problem | None = None,
        head: Head | None = None,
    ) -> None:
        said = f" X said: {problem.words}" if problem else ""
        super().__init__(sentence + said, fix=fix)
        self.problem = problem
        self.head = head


class Unreachable(XError):
    """DNS, connection or TLS failed before any byte of the request was written."""

    code = "x_unreachable"
    status = 503


class Unavailable(XError):
    """A call that may be repeated ended without a usable answer: 5xx, timeout, cut or foreign body."""

    code = "x_unavailable"
    status = 503


class Unconfirmed(XError):
    """A call that must not be repeated blindly ended without a verdict: it may have happened."""

    code = "x_unconfirmed"
    status = 504


class RateLimited(XError):
    """X turned the call away unprocessed. ``resets_at`` is None when X did not say."""

    code = "x_rate_limited"
    status = 503

    def __init__(
        self, resets_at: datetime | None, scope: Scope, *, problem: Problem | None, head: Head | None
    ) -> None:
        super().__init__(
            "X takes no more calls of this kind for now.",
            fix="Nothing to do: Perch waits until X opens the window again.",
            problem=problem,
            head=head,
        )
        self.resets_at = resets_at
        self.scope = scope


class Unauthorized(XError):
    """401: the access token is expired, revoked or broken; X does not tell which."""

    code = "x_unauthorized"
    status = 409


class SpendBlock(StrEnum):
    """Why the X app may not spend."""

    CREDITS = "credits"
    SPEND_CAP = "spend_cap"
    USAGE_CAP = "usage_cap"


class OutOfCredits(XError):
    """The X app's credits, spending limit or usage cap is used up, for every account of the app."""

    code = "x_out_of_credits"
    status = 503

    def __init__(self, block: SpendBlock, *, problem: Problem | None, head: Head | None) -> None:
        sentence, fix = _SPENDING[block]
        super().__init__(sentence, fix=fix, problem=problem, head=head)
        self.block = block


class ForbiddenReason(StrEnum):
    """Why X refuses, as far as its words tell."""

    DUPLICATE = "duplicate"
    NOT_VISIBLE_PARENT = "not_visible_parent"
    REPLY_NOT_ALLOWED = "reply_not_allowed"
    QUOTE_NOT_ALLOWED = "quote_not_allowed"
    CASHTAGS = "cashtags"
    INVALID_URL = "invalid_url"
    VIDEO_TOO_LONG = "video_too_long"
    SUSPENDED = "suspended"
    LOCKED = "locked"
    MISSING_SCOPE = "missing_scope"
    UNSUPPORTED_AUTHENTICATION = "unsupported_authentication"
    NOT_PERMITTED = "not_permitted"
    EDGE = "edge"
    """Not X's application but the edge in front of it turned the call away."""
    OTHER = "other"


class Forbidden(XError):
    """403: X understood the call and refuses it."""

    code = "x_forbidden"
    status = 422

    def __init__(self, reason: ForbiddenReason, *, problem: Problem | None, head: Head | None) -> None:
        sentence, fix = _FORBIDDEN[reason]
        super().__init__(sentence, fix=fix, problem=problem, head=head)
        self.reason = reason


class RejectedReason(StrEnum):
    """What is wrong with the request."""

    MEDIA_IDS = "media_ids"
    """Not ready, expired, or another account's: uploading again may help once."""
    FIELDS_RENAMED = "fields_renamed"
    """X no longer knows ``tweet.fields``: read again with ``post.fields``."""
    INVALID_URL = "invalid_url"
    NOT_FOUND = "not_found"
    TOO_LARGE = "too_large"
    CONFLICT = "conflict"
    TEXT = "text"
    MALFORMED_ID = "malformed_id"
    PARAMETERS = "parameters"
    OTHER = "other"


class Rejected(XError):
    """The request is at fault: sending the same again would fail the same way."""

    code = "x_rejected"
    status = 422

    def __init__(
        self, reason: RejectedReason, *, problem: Problem | None = None, head: Head | None = None
    ) -> None:
        sentence, fix = _REJECTED[reason]
        super().__init__(sentence, fix=fix, problem=problem, head=head)
        self.reason = reason


class GrantLost(XError):
    """The token endpoint knows the code or refresh token no more; decisive, unlike a 401 elsewhere."""

    code = "x_grant_lost"
    status = 409


class AppMisconfigured(XError):
    """X refuses the app: its credentials, its callback, its project or its enrolment."""

    code = "x_app_misconfigured"
    status = 503


_SPENDING = {
    SpendBlock.CREDITS: (
        "The X app has no credits left.",
        "Top up credits at console.x.com, then resume.",
    ),
    SpendBlock.SPEND_CAP: (
        "The X app has reached its spending limit for this billing cycle.",
        "Raise the limit at console.x.com or wait for the next cycle, then resume.",
    ),
    SpendBlock.USAGE_CAP: (
        "The X app has used up what its plan allows in this period.",
        "Raise the plan at console.x.com or wait for the next period, then resume.",
    ),
}

_RECONNECT = "Connect the account again and allow everything X asks about."

_FORBIDDEN = {
    ForbiddenReason.DUPLICATE: (
        "X refused the post: this account has posted the same text before.",
        "Change the text, or drop the post.",
    ),
    ForbiddenReason.NOT_VISIBLE_PARENT: (
        "X refused the reply: the post it answers is deleted or not visible to this account.",
        "Open the post on x.com; if it is there, send again.",
    ),
    ForbiddenReason.REPLY_NOT_ALLOWED: (
        "X refused the reply: its author has neither mentioned nor quoted this account.",
        "Reply on x.com yourself, or publish it as a post of its own.",
    ),
    ForbiddenReason.QUOTE_NOT_ALLOWED: (
        "X refused the quote: this account is not part of that conversation.",
        "Drop the quoted post, or quote it on x.com yourself.",
    ),
    ForbiddenReason.CASHTAGS: (
        "X refused the post: only one cashtag is allowed.",
        "Leave a single $TICKER in the text.",
    ),
    ForbiddenReason.INVALID_URL: (
        "X refused the post: it blocks a link in the text.",
        "Remove or replace the link.",
    ),
    ForbiddenReason.VIDEO_TOO_LONG: (
        "X refused the post: the video is too long for this account.",
        "Cut the video shorter.",
    ),
    ForbiddenReason.SUSPENDED: (
        "X has suspended this account.",
        "Open x.com as this account and follow what it says there.",
    ),
    ForbiddenReason.LOCKED: (
        "X has locked this account for now.",
        "Open x.com as this account and unlock it.",
    ),
    ForbiddenReason.MISSING_SCOPE: ("X refused: the account has not allowed Perch to do this.", _RECONNECT),
    ForbiddenReason.UNSUPPORTED_AUTHENTICATION: (
        "X refused: this call does not accept the kind of login in use.",
        _RECONNECT,
    ),
    ForbiddenReason.NOT_PERMITTED: (
        "X refused and gave no reason. Often the text is too long, or the account is restricted.",
        "Shorten the text, and open x.com as this account to see whether it is restricted.",
    ),
    ForbiddenReason.EDGE: (
        "The edge in front of X turned the call away.",
        "Try again later; if it stays, X may be blocking this server's address.",
    ),
    ForbiddenReason.OTHER: ("X refused.", "Read X's words, then change the post or drop it."),
}

_REJECTED = {
    RejectedReason.MEDIA_IDS: (
        "X does not accept the attached media.",
        "Upload the media again; if it fails again, convert it to another format.",
    ),
    RejectedReason.FIELDS_RENAMED: (
        "X has renamed the fields of its posts.",
        "Update Perch if this does not pass by itself.",
    ),
    RejectedReason.INVALID_URL: ("X does not accept a link in the text.", "Remove or replace the link."),
    RejectedReason.NOT_FOUND: ("X knows nothing under this id.", "Check whether it was deleted on x.com."),
    RejectedReason.TOO_LARGE: ("X finds the request too large.", "Use a smaller file or a shorter text."),
    RejectedReason.CONFLICT: ("X sees a conflict with an earlier change.", "Look at x.com, then send again."),
    RejectedReason.TEXT: (
        "The text holds half of a character and cannot be sent. Nothing was sent.",
        "Delete the broken character (often an emoji cut in two) and type it again.",
    ),
    RejectedReason.MALFORMED_ID: (
        "This is not an id of X: those have 1 to 19 digits. Nothing was sent.",
        "Paste the address of the post or the account again.",
    ),
    RejectedReason.PARAMETERS: (
        "X does not accept a part of the request.",
        "Read X's words, then change the post.",
    ),
    RejectedReason.OTHER: ("X does not accept the request.", "Read X's words, then change the post."),
}

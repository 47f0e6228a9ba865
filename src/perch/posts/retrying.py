"""What follows from an answer of X: one pure decision, and its closed set of outcomes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from perch.errors import PerchError
from perch.jobs import Pace
from perch.x import errors as x

MOST_SENDS = 2
"""How often the bytes of one card may go out without a verdict before a person is asked."""


class PauseReason(StrEnum):
    """Why posts stay scheduled although they are due."""

    CREDITS = "credits"
    LOGIN = "login"
    APP = "app"
    ACCOUNT = "account"
    BUDGET = "budget"


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a card when an answer comes.

    ``sent_at``: when its last attempt was begun. ``after_unknown``: an earlier attempt of the same bytes had
    no verdict. ``parent_at``: when the card it answers went out.
    """

    sent_at: datetime | None = None
    after_unknown: bool = False
    uploads_refused: int = 0
    parent_refused: int = 0
    parent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RetryAt:
    """X has not seen it, or turned it away unprocessed: try again then."""

    at: datetime


@dataclass(frozen=True, slots=True)
class RefreshFirst:
    """The access token was refused: renew it once, then make a new attempt."""


@dataclass(frozen=True, slots=True)
class UploadAgain:
    """X has forgotten the media: hand it over anew, then make a new attempt."""


@dataclass(frozen=True, slots=True)
class LookFirst:
    """It may be out there: nothing may be sent before that is known. ``at`` is the first look."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """X says that it has the post already, and an earlier attempt explains it: only the id is missing."""


@dataclass(frozen=True, slots=True)
class AskPerson:
    """Perch must not go on by itself: neither the same bytes nor others may be sent."""

    why: str


@dataclass(frozen=True, slots=True)
class PauseUntilMended:
    """Not the post's fault: it stays scheduled until a person mends the cause."""

    reason: PauseReason


@dataclass(frozen=True, slots=True)
class GiveUp:
    """X refuses this post, and would again."""


Decision = RetryAt | RefreshFirst | UploadAgain | LookFirst | Found | AskPerson | PauseUntilMended | GiveUp

_PAUSING_REFUSALS = {
    x.ForbiddenReason.SUSPENDED: PauseReason.ACCOUNT,
    x.ForbiddenReason.LOCKED: PauseReason.ACCOUNT,
    x.ForbiddenReason.MISSING_SCOPE: PauseReason.LOGIN,
    x.ForbiddenReason.UNSUPPORTED_AUTHENTICATION: PauseReason.LOGIN,
}
_FORGOTTEN_MEDIA = (
    "X has forgotten the media of this post. With other media it would be another post, so Perch does not"
    " send it again by itself."
)


_NOTHING_KNOWN = Past()


def decide(
    error: PerchError, past: Past = _NOTHING_KNOWN, *, now: datetime, tries: int, refreshed: bool, pace: Pace
) -> Decision:
    """What to do after this error. ``tries`` counts the earlier ones, ``refreshed`` says the token is new."""
    match error:
        case x.Unconfirmed():
            return LookFirst(first_look(past.sent_at or now, now, pace))
        case x.Unreachable() | x.Unavailable():
            return RetryAt(now + backoff(tries, pace))
        case x.RateLimited(resets_at=resets_at):
            return RetryAt(max(resets_at or now + timedelta(seconds=pace.rate_unknown), now))
        case x.Unauthorized():
            # X has days on which it refuses everybody; when that means a lost login is the keyring's to say.
            return RetryAt(now + backoff(tries, pace)) if refreshed else RefreshFirst()
        case x.GrantLost():
            return PauseUntilMended(PauseReason.LOGIN)
        case x.OutOfCredits():
            return PauseUntilMended(PauseReason.CREDITS)
        case x.AppMisconfigured():
            return PauseUntilMended(PauseReason.APP)
        case x.Forbidden(reason=reason):
            return _forbidden(reason, past, now, tries, pace)
        case x.Rejected(reason=x.RejectedReason.MEDIA_IDS):
            return _media_refused(past)
        case _:
            return GiveUp()


def _forbidden(reason: x.ForbiddenReason, past: Past, now: datetime, tries: int, pace: Pace) -> Decision:
    match reason:
        case x.ForbiddenReason.EDGE:
            return RetryAt(now + backoff(tries, pace))
        case x.ForbiddenReason.DUPLICATE if past.after_unknown:
            return Found()
        case x.ForbiddenReason.NOT_VISIBLE_PARENT if (wait := _parent_wait(past, now, pace)) is not None:
            return RetryAt(now + timedelta(seconds=wait))
        case _ if reason in _PAUSING_REFUSALS:
            return PauseUntilMended(_PAUSING_REFUSALS[reason])
        case _:
            return GiveUp()


def _parent_wait(past: Past, now: datetime, pace: Pace) -> float | None:
    """How long X may need to see a parent that went out a moment ago; None when that is no excuse."""
    if past.parent_at is None or past.parent_refused >= len(pace.parent_waits):
        return None
    is_fresh = now - past.parent_at <= timedelta(seconds=pace.parent_waits[-1])
    return pace.parent_waits[past.parent_refused] if is_fresh or past.parent_refused else None


def _media_refused(past: Past) -> Decision:
    if past.after_unknown:
        return AskPerson(_FORGOTTEN_MEDIA)
    return GiveUp() if past.uploads_refused else UploadAgain()


def is_about_media(error: PerchError) -> bool:
    """Whether X no longer takes the ids it gave for the media."""
    return isinstance(error, x.Rejected) and error.reason is x.RejectedReason.MEDIA_IDS


def first_look(sent_at: datetime, now: datetime, pace: Pace) -> datetime:
    """When to look for the first time for what was sent at ``sent_at`` and got no verdict."""
    return max(now, sent_at + timedelta(seconds=pace.looks[0]))


def backoff(tries: int, pace: Pace) -> timedelta:
    """Doubles from a few seconds to a quarter of an hour."""
    return timedelta(seconds=min(pace.retry_first * 2 ** min(tries, 20), pace.retry_most))

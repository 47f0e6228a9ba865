"""What follows from an answer of X: one pure decision, and its closed set of outcomes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from perch.errors import PerchError
from perch.jobs import Pace
from perch.x import errors as x


class PauseReason(StrEnum):
    """Why posts stay scheduled although they are due."""

    CREDITS = "credits"
    LOGIN = "login"
    APP = "app"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class RetryAt:
    """X has not seen it, or turned it away unprocessed: try again then."""

    at: datetime


@dataclass(frozen=True, slots=True)
class RefreshFirst:
    """The access token was refused: renew it once, then make a new attempt."""


@dataclass(frozen=True, slots=True)
class LookFirst:
    """It may be out there: nothing may be sent before that is known."""


@dataclass(frozen=True, slots=True)
class PauseUntilMended:
    """Not the post's fault: it stays scheduled until a person mends the cause."""

    reason: PauseReason


@dataclass(frozen=True, slots=True)
class GiveUp:
    """X refuses this post, and would again."""


Decision = RetryAt | RefreshFirst | LookFirst | PauseUntilMended | GiveUp

_PAUSING_REFUSALS = {
    x.ForbiddenReason.SUSPENDED: PauseReason.ACCOUNT,
    x.ForbiddenReason.LOCKED: PauseReason.ACCOUNT,
    x.ForbiddenReason.MISSING_SCOPE: PauseReason.LOGIN,
    x.ForbiddenReason.UNSUPPORTED_AUTHENTICATION: PauseReason.LOGIN,
}


def decide(error: PerchError, *, now: datetime, tries: int, refreshed: bool, pace: Pace) -> Decision:
    """What to do after this error. ``tries`` counts the earlier ones, ``refreshed`` says the token is new."""
    match error:
        case x.Unconfirmed():
            return LookFirst()
        case x.Unreachable() | x.Unavailable():
            return RetryAt(now + backoff(tries, pace))
        case x.RateLimited(resets_at=resets_at):
            return RetryAt(max(resets_at or now + timedelta(seconds=pace.rate_unknown), now))
        case x.Unauthorized():
            return PauseUntilMended(PauseReason.LOGIN) if refreshed else RefreshFirst()
        case x.GrantLost():
            return PauseUntilMended(PauseReason.LOGIN)
        case x.OutOfCredits():
            return PauseUntilMended(PauseReason.CREDITS)
        case x.AppMisconfigured():
            return PauseUntilMended(PauseReason.APP)
        case x.Forbidden(reason=reason) if reason in _PAUSING_REFUSALS:
            return PauseUntilMended(_PAUSING_REFUSALS[reason])
        case x.Forbidden(reason=x.ForbiddenReason.EDGE):
            return RetryAt(now + backoff(tries, pace))
        case _:
            return GiveUp()


def backoff(tries: int, pace: Pace) -> timedelta:
    """Doubles from a few seconds to a quarter of an hour."""
    return timedelta(seconds=min(pace.retry_first * 2 ** min(tries, 20), pace.retry_most))


def deletion_again_at(error: PerchError, *, now: datetime, tries: int, pace: Pace) -> datetime | None:
    """When to ask X again to delete a card; None when it refuses, and would again.

    What a person has to mend is looked at again as seldom as a pause is.
    """
    match error:
        case x.RateLimited(resets_at=resets_at):
            return max(resets_at or now + timedelta(seconds=pace.rate_unknown), now)
        case x.Unreachable() | x.Unavailable() | x.Forbidden(reason=x.ForbiddenReason.EDGE):
            return now + backoff(tries, pace)
        case x.Unauthorized() | x.GrantLost() | x.OutOfCredits() | x.AppMisconfigured():
            return now + timedelta(seconds=pace.probe)
        case _:
            return None

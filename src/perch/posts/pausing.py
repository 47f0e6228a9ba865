"""What an answer of X means for more than the one post: an account or a whole X app pauses, or rests.

A pause has a cause that somebody mends, and Perch probes it slowly where trying again may show that it is
mended. A rest ends by itself, when X's rate window does. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zlib import crc32

from perch.errors import PerchError
from perch.jobs import Pace
from perch.posts.retrying import Decision, PauseReason, PauseUntilMended
from perch.x.errors import RateLimited, XError
from perch.x.limits import Limits, Scope, Window


class Whose(StrEnum):
    """Whose posts stand still."""

    ACCOUNT = "account"
    APP = "app"


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is sent until the cause is mended; ``probe_at`` is when Perch itself tries one post again."""

    whose: Whose
    reason: PauseReason
    sentence: str
    fix: str
    probe_at: datetime | None


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing is sent until X's rate window opens again."""

    whose: Whose
    until: datetime


@dataclass(frozen=True, slots=True)
class UnsaidRest:
    """A rest whose end X did not name: as long as ``waits`` says for the first one in a row, the second, …"""

    whose: Whose
    since: datetime
    waits: tuple[timedelta, ...]


@dataclass(frozen=True, slots=True)
class Mended:
    """X took a post that was sent as a probe: what paused its account or app is over."""


Brake = Pause | Rest | UnsaidRest | Mended

_APP_WIDE = {PauseReason.CREDITS, PauseReason.APP}
_NO_LOGIN = (
    "X does not accept the sign-in of @{} any more, so nothing can be sent from it.",
    "Connect @{} again; what waits goes out after that.",
)
_LONGEST = timedelta(hours=24)  # X has no longer window; a reset further away is a broken header
_SPREAD = 0.03


def after_refusal(
    error: PerchError, decision: Decision, account_id: int, now: datetime, pace: Pace
) -> tuple[Brake, ...]:
    """What stands still after this error besides its post."""
    if isinstance(decision, PauseUntilMended):
        return (_pause(error, decision.reason, now, pace),)
    if isinstance(error, RateLimited):
        return _rests(error, account_id, now, pace)
    return ()


def after_success(limits: Limits, account_id: int, now: datetime, pace: Pace) -> tuple[Brake, ...]:
    """X took it, and perhaps said that it was the last one for a while: no 429 has to be provoked."""
    return _said(limits.windows, account_id, now, pace)


def words(pause: Pause, username: str) -> tuple[str, str]:
    """What happened and what to do, for people who see it away from the post that met it."""
    if pause.reason == PauseReason.LOGIN and f"@{username}" not in pause.sentence:
        sentence, fix = _NO_LOGIN
        return sentence.format(username), fix.format(username)
    if pause.whose is Whose.ACCOUNT and f"@{username}" not in pause.sentence:
        return f"@{username}: {pause.sentence}", pause.fix
    return pause.sentence, pause.fix


def is_app_wide(reason: str) -> bool:
    """Whether the cause stops every account of the X app."""
    return reason in _APP_WIDE


def _pause(error: PerchError, reason: PauseReason, now: datetime, pace: Pace) -> Pause:
    whose = Whose.APP if is_app_wide(reason) else Whose.ACCOUNT
    # Trying shows whether there is money again; a login that X has ended does not come back by itself.
    probe_at = now + timedelta(seconds=pace.probe) if whose is Whose.APP else None
    return Pause(whose, reason, _in_our_words(error), error.fix or "", probe_at)


def _in_our_words(error: PerchError) -> str:
    """X's own words stand on the receipt of the post that met them."""
    problem = error.problem if isinstance(error, XError) else None
    return error.sentence.removesuffix(f" X said: {problem.words}") if problem else error.sentence


def _rests(error: RateLimited, account_id: int, now: datetime, pace: Pace) -> tuple[Brake, ...]:
    windows = error.head.limits.windows if error.head else ()
    said = _said((*windows, Window(error.scope, None, 0, error.resets_at)), account_id, now, pace)
    if said:
        return said
    # An end that has passed by our clock: clocks differ, so it is tried soon, and less and less often.
    first = pace.rate_unknown if error.resets_at is None else pace.retry_first
    return (UnsaidRest(_whose(error.scope), now, _doubling(first, pace.rate_most)),)


def _said(windows: Iterable[Window], account_id: int, now: datetime, pace: Pace) -> tuple[Brake, ...]:
    """A rest for each side that has spent a window, until the strictest of its own."""
    ends: dict[Whose, datetime] = {}
    for window in windows:
        if window.spent and window.resets_at is not None and window.resets_at > now:
            whose = _whose(window.scope)
            ends[whose] = max(ends.get(whose, now), min(window.resets_at, now + _LONGEST))
    return tuple(Rest(whose, _spread(end, account_id, now, pace)) for whose, end in ends.items())


def _whose(scope: Scope) -> Whose:
    return Whose.APP if scope is Scope.APP_DAY else Whose.ACCOUNT


def _spread(end: datetime, account_id: int, now: datetime, pace: Pace) -> datetime:
    """A little later, and for each account a little differently: not all of them knock at the same second."""
    most = min((end - now).total_seconds() * _SPREAD, pace.rate_spread)
    share = (1 + crc32(str(account_id).encode()) / 2**32) / 2
    return end + timedelta(seconds=most * share)


def _doubling(first: float, most: float) -> tuple[timedelta, ...]:
    waits = [first]
    while waits[-1] < most:
        waits.append(min(waits[-1] * 2, most))
    return tuple(timedelta(seconds=wait) for wait in waits)

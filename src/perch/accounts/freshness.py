"""Whether an access token is used, renewed or given up; pure.

X's access tokens live two hours, refresh tokens about six months and for one use. Every renewal is a chance
to lose the pair, so none happens before it is needed:
https://docs.x.com/fundamentals/authentication/oauth-2-0/user-access-token
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from perch.accounts.models import RefreshState

RENEW_BELOW = timedelta(minutes=10)
REPLAY_BELOW = timedelta(minutes=3)
"""After a lost answer the present token is kept this long: the replay that settles it may end the grant."""
USABLE_ABOVE = timedelta(seconds=30)
RENEWED_AGAIN_AFTER = timedelta(minutes=10)
"""X has days on which it answers 401 to every token: one that was just renewed is not renewed again."""
OUTAGE = timedelta(hours=1)
"""Only 401s that last longer than this mean that the login itself is lost."""
RUN_GAP = timedelta(minutes=20)
"""401s further apart than this are not one run: a post is tried again sooner."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A grant as its row tells, ``refused`` when X has answered 401 to its access token.

    ``refused_since`` is when X began to answer 401, to this token or to those before it.
    """

    state: RefreshState
    refreshable: bool
    expires_at: datetime
    rotated_at: datetime
    until: datetime | None
    refused: bool = False
    refused_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """The access token is good for a call."""


@dataclass(frozen=True, slots=True)
class Renew:
    """Refresh before use."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody else is refreshing."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The token is of no use just now, and asking for another would not help."""

    why: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Only a new consent helps."""

    why: str


Verdict = Use | Renew | Wait | Hold | GiveUp


def judge(grant: Standing, now: datetime) -> Verdict:
    """What to do with a grant at this moment."""
    left = timedelta(0) if grant.refused else grant.expires_at - now
    holding = grant.until is not None and grant.until > now
    if grant.state is RefreshState.DEAD:
        return GiveUp("X no longer accepts the login")
    if grant.state is RefreshState.INFLIGHT and holding:
        return Wait()
    if not grant.refreshable:
        return Use() if left > USABLE_ABOVE else _unrenewable(grant, now)
    if left > _renewed_below(grant):
        return Use()
    if holding:
        return Use() if left > USABLE_ABOVE else Hold("X's login service gave no answer a moment ago")
    if _was_renewed_in_vain(grant, now):
        return _while_refused(grant, now)
    return Renew()


def is_uncertain(state: RefreshState) -> bool:
    """Whether X may have spent the refresh token already; an abandoned refresh counts as a lost answer."""
    return state in (RefreshState.UNKNOWN, RefreshState.INFLIGHT)


def _renewed_below(grant: Standing) -> timedelta:
    if is_uncertain(grant.state):
        return REPLAY_BELOW
    # A token that was short-lived from the start is renewed at half its life, not at every use.
    return min(RENEW_BELOW, (grant.expires_at - grant.rotated_at) / 2)


def _unrenewable(grant: Standing, now: datetime) -> Hold | GiveUp:
    if grant.refused and grant.expires_at - now > USABLE_ABOVE:
        return _while_refused(grant, now)
    return GiveUp("its consent has run out and cannot be renewed")


def _was_renewed_in_vain(grant: Standing, now: datetime) -> bool:
    # After a lost answer a 401 has a reason, and the replay is what settles it.
    if not grant.refused or grant.refused_since is None or is_uncertain(grant.state):
        return False
    return grant.refused_since <= grant.rotated_at and now - grant.rotated_at < RENEWED_AGAIN_AFTER


def _while_refused(grant: Standing, now: datetime) -> Hold | GiveUp:
    if grant.refused_since is not None and now - grant.refused_since >= OUTAGE:
        return GiveUp("X has refused its login for over an hour")
    return Hold("X refuses a login that it should accept")

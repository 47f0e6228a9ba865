"""What follows from each answer of X: one table."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.accounts.errors import AppBroken, ReconnectNeeded, XUnavailable
from perch.jobs import Pace
from perch.posts.retrying import (
    GiveUp,
    LookFirst,
    PauseReason,
    PauseUntilMended,
    RefreshFirst,
    RetryAt,
    backoff,
    decide,
)
from perch.x import errors as x
from perch.x.errors import ForbiddenReason, RejectedReason, SpendBlock
from perch.x.limits import Scope

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
PACE = Pace()


def at(seconds):
    return RetryAt(NOW + timedelta(seconds=seconds))


def limited(resets_at):
    return x.RateLimited(resets_at, Scope.UNSAID, problem=None, head=None)


def unauthorized():
    return x.Unauthorized("No.", fix="Nothing.", problem=None, head=None)


def forbidden(reason):
    return x.Forbidden(reason, problem=None, head=None)


TABLE = [
    (x.Unconfirmed("Lost."), LookFirst()),
    (x.Unreachable("Down."), at(5)),
    (x.Unavailable("Odd."), at(5)),
    (XUnavailable("Odd."), at(5)),
    (limited(NOW + timedelta(seconds=77)), at(77)),
    (limited(NOW - timedelta(seconds=77)), at(0)),
    (limited(None), at(900)),
    (unauthorized(), RefreshFirst()),
    (x.GrantLost("Gone."), PauseUntilMended(PauseReason.LOGIN)),
    (ReconnectNeeded("ada", "it was disconnected"), PauseUntilMended(PauseReason.LOGIN)),
    (x.AppMisconfigured("Not enrolled."), PauseUntilMended(PauseReason.APP)),
    (AppBroken("Not enrolled."), PauseUntilMended(PauseReason.APP)),
    *(
        (x.OutOfCredits(block, problem=None, head=None), PauseUntilMended(PauseReason.CREDITS))
        for block in SpendBlock
    ),
    (forbidden(ForbiddenReason.SUSPENDED), PauseUntilMended(PauseReason.ACCOUNT)),
    (forbidden(ForbiddenReason.LOCKED), PauseUntilMended(PauseReason.ACCOUNT)),
    (forbidden(ForbiddenReason.MISSING_SCOPE), PauseUntilMended(PauseReason.LOGIN)),
    (forbidden(ForbiddenReason.UNSUPPORTED_AUTHENTICATION), PauseUntilMended(PauseReason.LOGIN)),
    (forbidden(ForbiddenReason.EDGE), at(5)),
    *(
        (forbidden(reason), GiveUp())
        for reason in (
            ForbiddenReason.DUPLICATE, ForbiddenReason.NOT_VISIBLE_PARENT, ForbiddenReason.REPLY_NOT_ALLOWED,
            ForbiddenReason.QUOTE_NOT_ALLOWED, ForbiddenReason.CASHTAGS, ForbiddenReason.INVALID_URL,
            ForbiddenReason.VIDEO_TOO_LONG, ForbiddenReason.NOT_PERMITTED, ForbiddenReason.OTHER,
        )
    ),
    *((x.Rejected(reason), GiveUp()) for reason in RejectedReason),
]  # fmt: skip


@pytest.mark.parametrize(("error", "decision"), TABLE, ids=lambda value: repr(value)[:60])
def test_each_answer_has_one_consequence(error, decision):
    assert decide(error, now=NOW, tries=0, refreshed=False, pace=PACE) == decision


def test_the_table_knows_every_reason_to_be_forbidden():
    told = {error.reason for error, _ in TABLE if isinstance(error, x.Forbidden)}
    assert told == set(ForbiddenReason)


def test_a_fresh_token_that_is_refused_too_waits_for_a_person():
    decision = decide(unauthorized(), now=NOW, tries=0, refreshed=True, pace=PACE)
    assert decision == PauseUntilMended(PauseReason.LOGIN)


@given(st.integers(0, 10_000))
def test_waiting_grows_and_stays_within_its_bounds(tries):
    wait = backoff(tries, PACE)
    assert timedelta(seconds=PACE.retry_first) <= wait <= timedelta(seconds=PACE.retry_most)
    assert wait <= backoff(tries + 1, PACE)


@given(st.integers(0, 40), st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_nothing_is_ever_tried_again_in_the_past(tries, resets_at):
    for error in (x.Unreachable("Down."), limited(resets_at), limited(None)):
        decision = decide(error, now=NOW, tries=tries, refreshed=False, pace=PACE)
        assert isinstance(decision, RetryAt)
        assert decision.at >= NOW

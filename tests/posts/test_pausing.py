"""What stands still after an answer of X, and until when: tables."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.jobs import Pace
from perch.posts.pausing import (
    Pause,
    Rest,
    UnsaidRest,
    Whose,
    after_refusal,
    after_success,
    is_app_wide,
    words,
)
from perch.posts.retrying import PauseReason, PauseUntilMended, RetryAt
from perch.x import errors as x
from perch.x.limits import Limits, Scope, Window
from perch.x.wire import Head

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
PACE = Pace()
SOON = timedelta(minutes=10)


def window(scope, remaining, ends_in):
    return Window(scope, 100, remaining, NOW + ends_in)


def limited(*windows, resets_at=None, scope=Scope.UNSAID):
    head = Head(429, limits=Limits(windows)) if windows else None
    return x.RateLimited(resets_at, scope, problem=None, head=head)


def refused(error, decision=None):
    return after_refusal(error, decision or RetryAt(NOW), 7, NOW, PACE)


def test_credits_pause_the_whole_app_and_are_probed():
    error = x.OutOfCredits(x.SpendBlock.CREDITS, problem=None, head=None)
    [pause] = refused(error, PauseUntilMended(PauseReason.CREDITS))
    assert isinstance(pause, Pause)
    assert (pause.whose, pause.probe_at) == (Whose.APP, NOW + timedelta(hours=1))


@pytest.mark.parametrize("reason", [PauseReason.LOGIN, PauseReason.ACCOUNT])
def test_what_a_person_has_to_do_at_x_pauses_one_account_and_is_not_probed(reason):
    [pause] = refused(x.GrantLost("Gone."), PauseUntilMended(reason))
    assert isinstance(pause, Pause)
    assert (pause.whose, pause.probe_at) == (Whose.ACCOUNT, None)
    assert "@ada" in " ".join(words(pause, "ada"))


def test_causes_are_of_an_app_or_of_an_account():
    wide = {reason for reason in PauseReason if is_app_wide(reason)}
    assert wide == {PauseReason.CREDITS, PauseReason.APP}


@pytest.mark.parametrize(
    ("scope", "whose"),
    [
        (Scope.WINDOW, Whose.ACCOUNT),
        (Scope.USER_DAY, Whose.ACCOUNT),
        (Scope.UNSAID, Whose.ACCOUNT),
        (Scope.APP_DAY, Whose.APP),
    ],
)
def test_a_spent_window_lets_its_side_rest(scope, whose):
    [rest] = refused(limited(window(scope, 0, SOON), resets_at=NOW + SOON, scope=scope))
    assert isinstance(rest, Rest)
    assert rest.whose is whose
    assert NOW + SOON < rest.until <= NOW + SOON * 1.03


def test_of_two_windows_of_one_side_the_strictest_counts():
    [rest] = refused(limited(window(Scope.WINDOW, 0, SOON), window(Scope.USER_DAY, 0, 2 * SOON)))
    assert isinstance(rest, Rest)
    assert rest.until > NOW + 2 * SOON


def test_account_and_app_rest_each_until_their_own_window():
    rests = refused(limited(window(Scope.WINDOW, 0, SOON), window(Scope.APP_DAY, 0, 6 * SOON)))
    ends = {rest.whose: rest.until for rest in rests if isinstance(rest, Rest)}
    assert NOW + SOON < ends[Whose.ACCOUNT] < NOW + 2 * SOON < ends[Whose.APP]


def test_a_rest_that_x_names_no_end_of_doubles_up_to_a_cap():
    [rest] = refused(limited())
    assert isinstance(rest, UnsaidRest)
    assert [wait.total_seconds() / 60 for wait in rest.waits] == [15, 30, 60, 120, 240]


def test_an_end_that_has_passed_by_our_clock_is_tried_soon_and_less_and_less_often():
    [rest] = refused(limited(resets_at=NOW - SOON, scope=Scope.WINDOW))
    assert isinstance(rest, UnsaidRest)
    assert rest.waits[0] == timedelta(seconds=5)
    assert rest.waits[-1] == timedelta(hours=4)


def test_an_end_in_the_far_future_is_a_broken_header():
    [rest] = refused(limited(window(Scope.WINDOW, 0, timedelta(days=900))))
    assert isinstance(rest, Rest)
    assert rest.until <= NOW + timedelta(hours=24, minutes=1)


def test_the_last_call_of_a_window_is_followed_by_a_rest_and_no_other_is():
    spent = Limits((window(Scope.WINDOW, 0, SOON), window(Scope.APP_DAY, 9, SOON)))
    [rest] = after_success(spent, 7, NOW, PACE)
    assert isinstance(rest, Rest)
    assert rest.whose is Whose.ACCOUNT
    assert after_success(Limits((window(Scope.WINDOW, 1, SOON),)), 7, NOW, PACE) == ()
    assert after_success(Limits(), 7, NOW, PACE) == ()


def test_what_is_the_post_s_own_stops_nothing_else():
    assert refused(x.Unreachable("Down.")) == ()


@given(st.integers(0, 10**6), st.integers(1, 86_400))
def test_accounts_wake_a_little_apart_and_never_early(account_id, seconds):
    ends = timedelta(seconds=seconds)
    [rest] = after_success(Limits((window(Scope.WINDOW, 0, ends),)), account_id, NOW, PACE)
    [again] = after_success(Limits((window(Scope.WINDOW, 0, ends),)), account_id, NOW, PACE)
    assert rest == again
    assert isinstance(rest, Rest)
    late = (rest.until - NOW - ends).total_seconds()
    assert 0 < late <= min(30, seconds * 0.03)

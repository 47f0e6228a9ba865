from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from perch.x.limits import Limits, Scope

NAMES = [
    prefix + part
    for prefix in ("x-rate-limit-", "x-app-limit-24hour-", "x-user-limit-24hour-")
    for part in ("limit", "remaining", "reset")
]


def test_an_answer_without_limit_headers_names_no_window() -> None:
    assert Limits.of({"date": "today"}) == Limits()
    assert Limits().strictest() is None
    assert Limits().blocking() is None


def test_the_spent_daily_window_wins_over_an_open_short_one() -> None:
    limits = Limits.of(
        {
            "x-rate-limit-limit": "100",
            "x-rate-limit-remaining": "93",
            "x-rate-limit-reset": "1785600000",
            "x-user-limit-24hour-limit": "17",
            "x-user-limit-24hour-remaining": "0",
            "x-user-limit-24hour-reset": "1785686400",
        }
    )

    strictest = limits.strictest()

    assert strictest is not None
    assert strictest.scope is Scope.USER_DAY
    assert strictest.spent
    assert strictest.resets_at == datetime.fromtimestamp(1785686400, UTC)
    assert limits.blocking() == strictest


def test_of_two_spent_windows_the_one_that_resets_last_is_strictest() -> None:
    limits = Limits.of(
        {
            "x-rate-limit-remaining": "0",
            "x-rate-limit-reset": "2000",
            "x-app-limit-24hour-remaining": "0",
            "x-app-limit-24hour-reset": "1000",
        }
    )

    strictest = limits.strictest()

    assert strictest is not None
    assert strictest.scope is Scope.WINDOW


def test_without_a_spent_window_the_one_with_the_least_left_is_strictest() -> None:
    limits = Limits.of({"x-rate-limit-remaining": "9", "x-app-limit-24hour-remaining": "3"})

    strictest = limits.strictest()

    assert strictest is not None
    assert strictest.scope is Scope.APP_DAY
    assert limits.blocking() is None


def test_a_reset_without_a_rest_blocks_after_a_refusal() -> None:
    window = Limits.of({"x-rate-limit-reset": "1785600000"}).blocking()

    assert window is not None
    assert window.resets_at == datetime.fromtimestamp(1785600000, UTC)


def test_a_reset_beyond_the_calendar_is_no_time_at_all() -> None:
    (window,) = Limits.of({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "9" * 19}).windows

    assert window.spent
    assert window.resets_at is None


@given(st.dictionaries(st.sampled_from(NAMES), st.text()))
def test_whatever_the_headers_hold_the_limits_can_be_read(headers: dict[str, str]) -> None:
    limits = Limits.of(headers)

    blocking = limits.blocking()

    assert blocking is None or blocking in limits.windows

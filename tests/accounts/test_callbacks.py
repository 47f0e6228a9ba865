import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.accounts.callbacks import read
from perch.accounts.errors import CallbackBroken
from perch.x.oauth2 import Denied, Granted


def test_a_code_with_its_state_is_a_grant() -> None:
    assert read([("state", "s"), ("code", "c")]) == Granted("c", "s")


def test_what_is_not_oauths_is_ignored_even_when_repeated() -> None:
    assert read([("utm", "1"), ("utm", "2"), ("state", "s"), ("code", "c")]) == Granted("c", "s")


@pytest.mark.parametrize("name", ["code", "state", "error", "error_description"])
def test_a_repeated_parameter_is_refused(name: str) -> None:
    query = [("code", "c"), ("state", "s"), (name, "again")]

    with pytest.raises(CallbackBroken, match=name):
        read([*query, (name, "and again")])


@pytest.mark.parametrize("value", ["x" * 2049, "c\x00", "c\nd", "\u202ec", "c\ud800"])
def test_values_that_x_never_makes_are_refused(value: str) -> None:
    with pytest.raises(CallbackBroken):
        read([("code", value), ("state", "s")])


def test_a_denial_needs_no_state() -> None:
    assert read([("error", "access_denied")]) == Denied("access_denied", None, None)


@given(
    st.lists(st.tuples(st.sampled_from(["code", "state", "error", "x"]) | st.text(), st.text()), max_size=6)
)
def test_any_query_is_a_grant_a_denial_or_refused(query: list[tuple[str, str]]) -> None:
    try:
        outcome = read(query)
    except CallbackBroken:
        return
    names = [name for name, _ in query]
    if isinstance(outcome, Granted):
        assert names.count("code") == names.count("state") == 1
        assert ("code", outcome.code) in query

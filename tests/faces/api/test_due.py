"""When a machine says a post is due."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.web.api.due import NotYet, WrongTime, due_at

NOW = datetime(2026, 11, 20, 9, 0, 0, 123456, tzinfo=UTC)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.integers(0, 3_000 * 86_400), OFFSETS)
def test_an_instant_means_the_same_in_every_offset(seconds, offset):
    instant = NOW + timedelta(seconds=seconds)
    assert due_at(instant.astimezone(offset).isoformat(), NOW) == instant


@given(st.text(max_size=40))
def test_anything_else_is_refused_in_a_sentence(said):
    if said in {"now", "next-free-slot"}:
        return
    with pytest.raises(WrongTime, match=r"scheduled_at .*\."):
        due_at(said, NOW)


@pytest.mark.parametrize(
    "said",
    [
        "2027-02-30T09:00:00Z", "2027-01-01T24:00:00Z", "2027-01-01T09:00:61Z", "2027-W01-1T09:00:00Z",
        "20270101T090000Z", "2027-01-01", "2027-01-01T09:00:00+1", "2027-01-01T09:00:00 +01:00",
        "2027-01-01T09:00:00+24:00", "٢٠٢٧-٠١-٠١T٠٩:٠٠:٠٠Z", "Now", "tomorrow", "1800000000", "",
        "2026-11-20T08:58:59Z", "2037-01-01T00:00:00Z",
    ],
)  # fmt: skip
def test_what_is_no_instant_to_be_due_at_is_refused(said):
    with pytest.raises(WrongTime):
        due_at(said, NOW)


def test_a_moment_ago_still_means_now():
    assert due_at("2026-11-20T08:59:30Z", NOW) == NOW
    assert due_at("now", NOW) == NOW


def test_no_time_is_a_draft():
    assert due_at(None, NOW) is None


def test_slots_are_refused_as_not_built():
    with pytest.raises(NotYet):
        due_at("next-free-slot", NOW)

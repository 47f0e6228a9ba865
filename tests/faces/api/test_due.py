"""When a machine says a post is due."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.posts.dues import AtWall, NextFreeSlot
from perch.posts.errors import WrongTime
from perch.web.api.due import LocalTime, when

NOW = datetime(2026, 11, 20, 9, 0, 0, 123456, tzinfo=UTC)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.integers(0, 3_000 * 86_400), OFFSETS)
def test_an_instant_means_the_same_in_every_offset(seconds, offset):
    instant = NOW + timedelta(seconds=seconds)
    assert when(instant.astimezone(offset).isoformat(), NOW) == instant


@given(st.text(max_size=40))
def test_anything_else_is_refused_in_a_sentence(said):
    if said in {"now", "next-free-slot"}:
        return
    with pytest.raises(WrongTime, match=r"scheduled_at .*\."):
        when(said, NOW)


@pytest.mark.parametrize(
    "said",
    [
        "2027-02-30T09:00:00Z", "2027-01-01T24:00:00Z", "2027-01-01T09:00:61Z", "2027-W01-1T09:00:00Z",
        "20270101T090000Z", "2027-01-01", "2027-01-01T09:00:00+1", "2027-01-01T09:00:00 +01:00",
        "2027-01-01T09:00:00+24:00", "٢٠٢٧-٠١-٠١T٠٩:٠٠:٠٠Z", "Now", "tomorrow", "1800000000", "",
        "0001-01-01T00:00:00+14:00",
    ],
)  # fmt: skip
def test_what_is_no_instant_to_be_due_at_is_refused(said):
    with pytest.raises(WrongTime):
        when(said, NOW)


def test_now_slots_and_no_time_have_words_of_their_own():
    assert when("now", NOW) == NOW
    assert when("next-free-slot", NOW) == NextFreeSlot()
    assert when(None, NOW) is None


def test_a_local_time_keeps_its_zone_and_which_of_two_hours_it_means():
    said = LocalTime(local="2026-10-25T02:30", zone="Europe/Berlin", fold=1)
    local = datetime.fromisoformat("2026-10-25T02:30")
    assert when(said, NOW) == AtWall(local, "Europe/Berlin", 1)
    assert when(LocalTime(local="2026-10-25T02:30:00"), NOW) == AtWall(local)


@pytest.mark.parametrize("said", ["2026-10-25T02:30Z", "2026-10-25", "02:30", "2026-02-30T09:00", ""])
def test_a_local_time_has_no_offset_and_exists(said):
    with pytest.raises(WrongTime):
        when(LocalTime(local=said), NOW)

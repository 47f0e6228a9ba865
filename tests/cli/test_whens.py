"""When, as people type it."""

from datetime import UTC, datetime

import pytest

from perch.cli.whens import when
from perch.posts.dues import AtWall, NextFreeSlot
from perch.posts.errors import WrongTime

# A Friday, 09:00 in London and already Saturday in Auckland.
NOW = datetime(2026, 11, 20, 11, 30, tzinfo=UTC)


def at(said, zone="Europe/Berlin"):
    return when(said, NOW, zone)


def wall(shown):
    return AtWall(datetime.fromisoformat(shown))


def test_now_and_the_next_slot():
    assert at(None) == at("now") == NOW
    assert at("next") == NextFreeSlot()


def test_with_an_offset_an_instant_without_one_a_reading_of_the_account_s_clock():
    assert at("2026-12-01T09:00+01:00") == datetime(2026, 12, 1, 8, tzinfo=UTC)
    assert at("2026-12-01t09:00z") == datetime(2026, 12, 1, 9, tzinfo=UTC)
    assert at("2026-12-01T09:00") == at("2026-12-01 09:00") == wall("2026-12-01T09:00")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("tomorrow 9am", "2026-11-21T09:00"), ("tomorrow at 12am", "2026-11-21T00:00"),
        ("today 12:05pm", "2026-11-20T12:05"), ("mon 17:30", "2026-11-23T17:30"),
        ("Friday 8:00", "2026-11-27T08:00"), ("sat 11 pm", "2026-11-21T23:00"),
    ],
)  # fmt: skip
def test_a_day_and_a_time(said, shown):
    assert at(said) == wall(shown)


def test_tomorrow_is_tomorrow_where_the_account_is():
    assert at("tomorrow 9am", "Pacific/Auckland") == wall("2026-11-22T09:00")


@pytest.mark.parametrize(
    "said",
    [
        "tomorrow",
        "9am",
        "mon 25:00",
        "mon 9",
        "mon 13pm",
        "mon 0am",
        "someday 9am",
        "mon 9:60",
        " ",
        "x" * 99,
    ],
)
def test_anything_else_is_refused_in_a_sentence(said):
    with pytest.raises(WrongTime, match="not a time"):
        at(said)

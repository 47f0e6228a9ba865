"""Readings of wall clocks: no clock change makes a post early, double or missing."""

from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perch.clock import UnknownZone, zone, zone_rules
from perch.posts.walls import Wall, kept

FIRST, LAST = datetime(2026, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
ZONES = (resources.files("tzdata") / "zones").read_text().split()
DAY = timedelta(days=1)


def local(shown):
    return datetime.fromisoformat(shown)


LOCALS = st.datetimes(local("2026-01-01"), local("2030-12-31"))


def offset(name, at):
    return at.astimezone(zone(name)).utcoffset()


@cache
def transitions(name):
    """Every instant from 2026 to 2030 at which the zone's clocks are put forward or back."""
    found, at, before = [], FIRST, offset(name, FIRST)
    while at < LAST:
        after = offset(name, at + DAY)
        if after != before:
            low, high = at, at + DAY
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) / 2
                low, high = (middle, high) if offset(name, middle) == before else (low, middle)
            found.append(high.replace(microsecond=0))
        at, before = at + DAY, after
    return tuple(found)


def test_every_zone_and_every_change_of_five_years_is_looked_at():
    changing = [name for name in ZONES if transitions(name)]
    assert len(ZONES) > 500
    assert len(changing) > 100
    assert len(transitions("Europe/Berlin")) == 10


def test_a_daily_reading_comes_once_a_day_and_never_early_across_every_change_of_every_zone():
    # Most names are other names for the same clock.
    clocks = {tuple((at, offset(name, at)) for at in (FIRST, *transitions(name))): name for name in ZONES}
    for name in clocks.values():
        for change in transitions(name):
            around = change.astimezone(zone(name)).replace(tzinfo=None, hour=0, minute=0, second=0)
            moved = offset(name, change) - offset(name, change - timedelta(seconds=1))
            for minute in range(0, 24 * 60, 30):
                walls = [
                    Wall(around + timedelta(days=day, minutes=minute), name) for day in (-2, -1, 0, 1, 2)
                ]
                instants = [wall.at for wall in walls]
                spans = [after - before for before, after in pairwise(instants)]
                assert set(spans) <= {DAY, DAY - moved, DAY + moved}, (name, walls)
                assert sum(spans, timedelta()) in (4 * DAY, 4 * DAY - moved), (name, walls)
                for wall in walls:
                    assert timedelta() <= wall.skipped <= max(moved, timedelta()), (name, wall)
                    shown = Wall.read(wall.at, name)
                    assert shown.local == wall.local + wall.skipped
                    assert shown.fold == 0


@settings(deadline=None)
@given(st.sampled_from(ZONES), LOCALS, st.integers(0, 1))
def test_a_reading_that_exists_is_the_reading_of_its_instant(name, shown, fold):
    wall = Wall(shown.replace(microsecond=0), name, fold)
    read = Wall.read(wall.at, name)
    assert read.local == wall.local + wall.skipped
    assert read.at == wall.at
    assert kept(wall.iso, name, fold) == wall


@settings(deadline=None)
@given(st.sampled_from(ZONES), LOCALS.map(lambda local: local.replace(tzinfo=UTC)))
def test_an_instant_that_is_read_means_itself(name, at):
    assert Wall.read(at, name).at == at.replace(microsecond=0)


def test_an_hour_that_is_skipped_moves_forward_and_says_by_how_much():
    wall = Wall(local("2027-03-28T02:30"), "Europe/Berlin")
    assert wall.at == datetime(2027, 3, 28, 1, 30, tzinfo=UTC)
    assert wall.skipped == timedelta(hours=1)
    assert Wall(wall.local, wall.zone, fold=1).at == wall.at


def test_an_hour_that_comes_twice_is_the_first_unless_the_second_is_asked_for():
    first = Wall(local("2026-10-25T02:30"), "Europe/Berlin")
    assert first.at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert Wall(first.local, first.zone, fold=1).at == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "name", ["", "Berlin", "../../etc/passwd", "Europe", "zone.tab", "a\x00b", "Europe/Berlin/", "é"]
)
def test_what_is_no_zone_is_refused_in_a_sentence(name):
    with pytest.raises(UnknownZone, match="no time zone"):
        zone(name)


def test_the_edition_of_the_rules_is_known():
    assert zone_rules()[:2] == "20"

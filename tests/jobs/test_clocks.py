"""A clock that jumps makes nothing due: work stops at once, and goes on when the clock can be believed."""

from datetime import UTC, datetime, timedelta

import pytest

from perch.jobs.clocks import ClockGuard, Tick, agree, jumped

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class TwoClocks:
    """A wall clock that can be set, beside an elapsed clock that cannot."""

    def __init__(self):
        self.wall, self.seconds = NOON, 0.0

    def now(self):
        return self.wall

    def elapsed(self):
        return self.seconds

    def pass_by(self, seconds):
        self.wall += timedelta(seconds=seconds)
        self.seconds += seconds


@pytest.fixture
def clock():
    return TwoClocks()


@pytest.fixture
def x():
    """What X says the time is; None when it cannot be reached."""
    return {"time": NOON}


@pytest.fixture
def guard(clock, x):
    async def their_time():
        return x["time"]

    return ClockGuard(clock, 60.0, their_time)


@pytest.mark.parametrize(
    ("wall", "elapsed", "moved"),
    [(5, 5, 0), (3600, 3600, 0), (3605, 5, 3600), (-3595, 5, -3600), (5, 3605, -3600)],
)
def test_a_jump_is_what_the_wall_moved_beyond_the_time_that_passed(wall, elapsed, moved):
    after = Tick(NOON + timedelta(seconds=wall), 100.0 + elapsed)
    assert jumped(Tick(NOON, 100.0), after) == timedelta(seconds=moved)


def test_two_clocks_agree_when_they_are_near_and_never_when_one_is_silent():
    assert agree(NOON, NOON + MINUTE, MINUTE)
    assert not agree(NOON, NOON + 2 * MINUTE, MINUTE)
    assert not agree(NOON, None, MINUTE)


def test_time_that_passes_and_small_corrections_hold_nothing(clock, guard):
    for seconds in (0.1, 5, 86400):
        clock.pass_by(seconds)
        assert guard.may_dispatch()
    clock.wall += timedelta(seconds=59)
    assert guard.may_dispatch()


@pytest.mark.parametrize("days", [30, -1])
async def test_work_stops_with_the_jump_and_goes_on_when_x_agrees(clock, x, guard, days):
    clock.wall += timedelta(days=days)
    assert not guard.may_dispatch()
    for _ in range(5):
        clock.pass_by(5)
        await guard.tick()
    assert not guard.may_dispatch()
    clock.wall -= timedelta(days=days)
    for turn in range(4):
        clock.pass_by(5)
        x["time"] = clock.now()
        await guard.tick()
        assert guard.may_dispatch() == (turn >= 2)


async def test_after_a_jump_to_the_right_time_x_says_so_and_work_goes_on(clock, x, guard):
    clock.wall += timedelta(days=1)
    x["time"] = clock.wall
    for _ in range(4):
        await guard.tick()
    assert guard.may_dispatch()


async def test_while_x_cannot_be_asked_nothing_is_believed(clock, x, guard):
    clock.wall += timedelta(days=1)
    x["time"] = None
    for _ in range(10):
        await guard.tick()
    assert not guard.may_dispatch()


async def test_what_was_written_down_before_a_jump_cannot_be_reckoned_with_for_a_while(clock, x, guard):
    assert guard.is_right(300, clock.wall)
    clock.wall += timedelta(hours=1)
    assert not guard.is_right(300, clock.wall)
    x["time"] = clock.wall
    for _ in range(3):
        clock.pass_by(5)
        await guard.tick()
    assert guard.may_dispatch()
    assert not guard.is_right(300, clock.now())
    clock.pass_by(300)
    assert guard.is_right(300, clock.now())


@pytest.mark.parametrize("ahead", [-900, -70, 70, 900])
async def test_a_clock_that_was_always_wrong_never_jumps_and_is_not_right(clock, guard, ahead):
    clock.pass_by(3600)
    assert guard.may_dispatch()
    assert not guard.is_right(300, clock.now() - timedelta(seconds=ahead))
    assert not guard.is_right(300, None)

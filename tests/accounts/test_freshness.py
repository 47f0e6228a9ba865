from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.accounts.freshness import OUTAGE, GiveUp, Hold, Renew, Standing, Use, Verdict, Wait, judge
from perch.accounts.models import RefreshState

SILENT = "X's login service gave no answer a moment ago"
REFUSED = "X refuses a login that it should accept"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
IDLE, INFLIGHT, UNKNOWN, DEAD = (
    RefreshState.IDLE, RefreshState.INFLIGHT, RefreshState.UNKNOWN, RefreshState.DEAD
)  # fmt: skip


def standing(
    state: RefreshState, left: float, *, until: float | None = None, since: float | None = None, **more: bool
) -> Standing:
    """A grant with ``left`` minutes to live, held or claimed for ``until`` more seconds.

    X has been answering 401 for ``since`` minutes.
    """
    return Standing(
        state=state,
        refreshable=more.get("refreshable", True),
        expires_at=NOW + timedelta(minutes=left),
        rotated_at=NOW + timedelta(minutes=left - 120),
        until=None if until is None else NOW + timedelta(seconds=until),
        refused=more.get("refused", False),
        refused_since=None if since is None else NOW - timedelta(minutes=since),
    )


@pytest.mark.parametrize(
    ("grant", "verdict"),
    [
        (standing(IDLE, 120), Use()),
        (standing(IDLE, 10.1), Use()),
        (standing(IDLE, 10), Renew()),
        (standing(IDLE, -500), Renew()),
        (standing(IDLE, 120, refused=True), Renew()),
        (standing(IDLE, 9, until=10), Use()),
        (standing(IDLE, 0.4, until=10), Hold(SILENT)),
        (standing(IDLE, 120, until=10, refused=True), Hold(SILENT)),
        (standing(IDLE, 9, until=-1), Renew()),
        (standing(INFLIGHT, 9, until=10), Wait()),
        (standing(INFLIGHT, 120, until=10), Wait()),
        (standing(INFLIGHT, 9, until=-1), Use()),
        (standing(INFLIGHT, 2.9, until=-1), Renew()),
        (standing(UNKNOWN, 9), Use()),
        (standing(UNKNOWN, 3), Renew()),
        (standing(UNKNOWN, 2, until=10), Use()),
        (standing(UNKNOWN, 0.4, until=10), Hold(SILENT)),
        (standing(UNKNOWN, 9, refused=True), Renew()),
        (standing(IDLE, 0.6, refreshable=False), Use()),
        (standing(IDLE, 119, refused=True, since=2), Hold(REFUSED)),
        (standing(IDLE, 119, refused=True, since=59), Hold(REFUSED)),
        (standing(IDLE, 110, refused=True, since=59), Renew()),
        (standing(UNKNOWN, 119, refused=True, since=2), Renew()),
        (standing(IDLE, 60, refused=True, refreshable=False, since=59), Hold(REFUSED)),
    ],
)
def test_each_standing_has_one_verdict(grant: Standing, verdict: Verdict) -> None:
    assert judge(grant, NOW) == verdict


@pytest.mark.parametrize(
    "grant",
    [
        standing(DEAD, 120),
        standing(DEAD, 120, until=10),
        standing(IDLE, 0.5, refreshable=False),
        standing(IDLE, 119, refused=True, since=60),
        standing(IDLE, 60, refreshable=False, refused=True, since=60),
        standing(IDLE, 0.5, refreshable=False, refused=True),
    ],
)
def test_what_cannot_be_renewed_is_given_up(grant: Standing) -> None:
    assert isinstance(judge(grant, NOW), GiveUp)


def test_a_token_short_lived_from_the_start_is_renewed_at_half_its_life() -> None:
    short = replace(
        standing(IDLE, 0), expires_at=NOW + timedelta(minutes=4), rotated_at=NOW - timedelta(minutes=1)
    )

    assert judge(short, NOW) == Use()
    assert judge(short, NOW + timedelta(minutes=2)) == Renew()


standings = st.builds(
    standing,
    st.sampled_from(RefreshState),
    st.floats(-300, 300),
    until=st.none() | st.floats(-100, 100),
    since=st.floats(0, 200),
    refreshable=st.booleans(),
    refused=st.booleans(),
)


@given(standings)
def test_a_token_is_used_only_while_a_call_can_finish_with_it(grant: Standing) -> None:
    if judge(grant, NOW) == Use():
        assert not grant.refused
        assert grant.state is not RefreshState.DEAD
        assert grant.expires_at - NOW > timedelta(seconds=30)


@given(standings)
def test_a_refresh_needs_a_token_and_nobody_else_at_it(grant: Standing) -> None:
    if judge(grant, NOW) == Renew():
        assert grant.refreshable
        assert grant.until is None or grant.until <= NOW


@given(standings)
def test_every_waiting_ends(grant: Standing) -> None:
    if isinstance(judge(grant, NOW), Wait | Hold):
        later = max(grant.until or NOW, NOW + OUTAGE)
        assert not isinstance(judge(grant, later), Wait | Hold)

from datetime import UTC, datetime, timedelta

import pytest

from perch.accounts.health import Health, Tokens, judge
from perch.accounts.models import RefreshState

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def tokens(
    state: RefreshState = RefreshState.IDLE,
    *,
    left: float = 60,
    idle_days: float = 0,
    refused_for: float | None = None,
    refreshable: bool = True,
) -> Tokens:
    """A grant whose access token lives ``left`` more minutes, refused for ``refused_for`` minutes so far."""
    return Tokens(
        refreshable=refreshable,
        expires_at=NOW + timedelta(minutes=left),
        state=state,
        rotated_at=NOW - timedelta(days=idle_days),
        refused_since=None if refused_for is None else NOW - timedelta(minutes=refused_for),
        refused_at=None if refused_for is None else NOW,
    )


@pytest.mark.parametrize(
    ("held", "health"),
    [
        (tokens(), Health.GOOD),
        (tokens(RefreshState.INFLIGHT), Health.GOOD),
        (tokens(left=-9999), Health.GOOD),
        (tokens(left=-9999, idle_days=149), Health.GOOD),
        (tokens(left=-9999, idle_days=150), Health.EXPIRING),
        (tokens(refused_for=0), Health.GOOD),
        (tokens(refused_for=59), Health.UNCERTAIN),
        (tokens(refused_for=60), Health.RECONNECT),
        (tokens(RefreshState.UNKNOWN), Health.UNCERTAIN),
        (tokens(RefreshState.DEAD), Health.RECONNECT),
        (tokens(refreshable=False), Health.GOOD),
        (tokens(refreshable=False, left=0), Health.RECONNECT),
    ],
)
def test_each_standing_of_tokens_has_one_word(held: Tokens, health: Health) -> None:
    assert judge(held, NOW) == health

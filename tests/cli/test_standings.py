"""What a terminal calls a post."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from perch.cli import standings
from perch.posts.models import PostState
from perch.posts.standing import Standing

NOW = datetime(2026, 11, 21, 17, 30, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("standing", "word"),
    [
        (Standing(PostState.SCHEDULED, LATER), "scheduled"),
        (Standing(PostState.SCHEDULED, LATER, paused_reason="credits", rests_until=LATER), "scheduled"),
        (Standing(PostState.SCHEDULED, NOW, paused_reason="credits"), "paused: credits"),
        (Standing(PostState.SCHEDULED, NOW, rests_until=LATER), "rests until 21 Nov 19:30"),
        (Standing(PostState.SCHEDULED, NOW, rests_until=NOW), "scheduled"),
        (Standing(PostState.PUBLISHING, NOW, is_checking=True), "checking"),
    ],
)
def test_a_word_says_why_a_post_that_is_due_is_not_out(standing: Standing, word: str) -> None:
    assert standings.word(standing, ZoneInfo("Europe/Berlin"), NOW) == word

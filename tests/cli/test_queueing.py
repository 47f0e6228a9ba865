"""What ``perch queue`` calls a post."""

from datetime import UTC, datetime, timedelta

import pytest

from perch.accounts.models import XAccount, XApp
from perch.cli.queueing import _state
from perch.posts.models import Post, PostState, Segment
from perch.posts.queries import Listed
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
def test_the_queue_says_why_a_post_that_is_due_is_not_out(standing: Standing, word: str) -> None:
    post = Post(state=standing.state, due_at=standing.due_at, zone="Europe/Berlin")
    assert _state(Listed(post, XAccount(), XApp(), Segment(), 1, standing), NOW) == word

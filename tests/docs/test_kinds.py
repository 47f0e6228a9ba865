"""docs/receipts.md explains every kind of line that a story can hold, and every state that people read."""

from collections.abc import Callable
from datetime import UTC, datetime

from perch.posts.models import PostState
from perch.posts.standing import Standing
from perch.posts.telling import KINDS
from perch.web import states

Rows = Callable[[str], list[list[str]]]
PAGE = "docs/receipts.md"
_NOW = datetime(2026, 11, 20, tzinfo=UTC)
# Their pages come with approvals.
_NOT_YET = {PostState.AWAITING_APPROVAL, PostState.REJECTED, PostState.EXPIRED}


def test_every_kind_of_line_is_explained_and_no_unknown_one(rows: Rows) -> None:
    explained = [row[0].strip("`") for row in rows(PAGE) if len(row) == 2 and row[0].startswith("`")]
    assert sorted(explained) == sorted(KINDS)


def test_every_state_is_explained_in_the_word_that_people_read(rows: Rows) -> None:
    shown = {states.of_post(Standing(state, due_at=None), _NOW).word for state in set(PostState) - _NOT_YET}
    shown |= {state.word for state, _ in states.MEANINGS} | {"deleting", "waiting"}
    explained = {row[0] for row in rows(PAGE) if len(row) == 3 and row[0] != "state"}
    assert explained == shown

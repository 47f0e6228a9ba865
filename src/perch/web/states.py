"""The states of posts as people see them: a shape and a word, never a colour alone. Pure."""

from dataclasses import dataclass
from datetime import datetime

from perch.posts.models import PostState, SegmentState


@dataclass(frozen=True, slots=True)
class State:
    """``shape`` names a drawing in the icon sheet, ``word`` stands beside it."""

    shape: str
    word: str


LIVE = State("live", "live")
SENDING = State("sending", "sending")
NEEDS_YOU = State("needs-you", "needs you")
REFUSED = State("refused", "refused")
SCHEDULED = State("scheduled", "scheduled")
PAUSED = State("paused", "paused")

_POSTS = {
    PostState.DRAFT: State("draft", "draft"),
    PostState.AWAITING_APPROVAL: State("approval", "needs approval"),
    PostState.REJECTED: State("refused", "rejected"),
    PostState.SCHEDULED: SCHEDULED,
    PostState.PUBLISHING: SENDING,
    PostState.PUBLISHED: LIVE,
    PostState.PARTLY_PUBLISHED: State("partly", "partly live"),
    PostState.REFUSED: REFUSED,
    PostState.NEEDS_YOU: NEEDS_YOU,
    PostState.MISSED: State("missed", "missed"),
    PostState.CANCELLED: State("ended", "cancelled"),
    PostState.EXPIRED: State("ended", "expired"),
}

_CARDS = {
    SegmentState.WAITING: SCHEDULED,
    SegmentState.PUBLISHED: LIVE,
    SegmentState.REFUSED: REFUSED,
    SegmentState.NEEDS_YOU: NEEDS_YOU,
    SegmentState.DROPPED: State("ended", "dropped"),
}

MEANINGS = (
    (SCHEDULED, "It waits for its time, or for the next try."),
    (SENDING, "It is on its way to X."),
    (LIVE, "X has it, and readers can see it."),
    (_POSTS[PostState.PARTLY_PUBLISHED], "Some cards of the thread are out, the rest were refused."),
    (PAUSED, "Something else has to be mended first: a sign-in, or credits at X. It goes out after that."),
    (NEEDS_YOU, "X did not answer. Look whether it is there, and tell Perch."),
    (REFUSED, "X turned it away, with a reason. Nothing was published."),
    (_POSTS[PostState.CANCELLED], "A person stopped it before it was sent."),
)


def of_post(state: str, *, paused_reason: str | None, due_at: datetime | None, now: datetime) -> State:
    """What a post's row is called. A post whose time has come, and that nothing holds, is about to go."""
    if state == PostState.SCHEDULED and paused_reason:
        return PAUSED
    if state == PostState.SCHEDULED and due_at is not None and due_at <= now:
        return State("scheduled", "waiting")
    return _POSTS[PostState(state)]


def of_card(state: str) -> State:
    """What one card of a thread is called."""
    return _CARDS[SegmentState(state)]

"""The states of posts as people see them: a shape and a word, never a colour alone. Pure."""

from dataclasses import dataclass
from datetime import datetime

from perch.posts.models import PostState, Segment, SegmentState
from perch.posts.standing import Standing


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
WAITING = State("scheduled", "waiting")
PAUSED = State("paused", "paused")
CHECKING = State("checking", "checking")
DELETING = State("sending", "deleting")
DELETED = State("ended", "deleted on X")
PARTLY = State("partly", "partly live")
MISSED = State("missed", "missed")

_POSTS = {
    PostState.DRAFT: State("draft", "draft"),
    PostState.AWAITING_APPROVAL: State("approval", "needs approval"),
    PostState.REJECTED: State("refused", "rejected"),
    PostState.SCHEDULED: SCHEDULED,
    PostState.PUBLISHING: SENDING,
    PostState.PUBLISHED: LIVE,
    PostState.PARTLY_PUBLISHED: PARTLY,
    PostState.REFUSED: REFUSED,
    PostState.NEEDS_YOU: NEEDS_YOU,
    PostState.MISSED: MISSED,
    PostState.CANCELLED: State("ended", "cancelled"),
    PostState.EXPIRED: State("ended", "expired"),
}

_CARDS = {
    SegmentState.WAITING: WAITING,
    SegmentState.PUBLISHED: LIVE,
    SegmentState.REFUSED: REFUSED,
    SegmentState.NEEDS_YOU: NEEDS_YOU,
    SegmentState.DROPPED: State("ended", "dropped"),
}

MEANINGS = (
    (SCHEDULED, "It waits for its time, or for the next try."),
    (SENDING, "It is on its way to X."),
    (CHECKING, "X did not answer. Perch looks whether it is there, and sends nothing before it knows."),
    (LIVE, "X has it, and readers can see it."),
    (PARTLY, "Some cards of the thread are out, the rest are not. Its receipt offers three ways on."),
    (PAUSED, "Something else has to be mended first: a sign-in, or credits at X. It goes out after that."),
    (NEEDS_YOU, "Perch could not find out whether it is on X. Look, and tell Perch."),
    (MISSED, "Its time passed while nothing could be sent. Decide whether it still goes out."),
    (REFUSED, "X turned it away, with a reason. Nothing was published."),
    (_POSTS[PostState.CANCELLED], "A person stopped it, or took back what was out of it."),
    (DELETED, "It was published, and a person had Perch delete it on X."),
)


def of_post(standing: Standing, now: datetime) -> State:
    """What a post is called. A post whose time has come, and that nothing holds, is about to go."""
    if standing.is_deleting:
        return DELETING
    if standing.is_deleted:
        return DELETED
    if standing.is_checking:
        return CHECKING
    if standing.is_paused(now):
        return PAUSED
    if standing.state == PostState.SCHEDULED and standing.due_at is not None and standing.due_at <= now:
        return WAITING
    return _POSTS[standing.state]


def of_card(segment: Segment, *, is_checking: bool = False) -> State:
    """What one card of a thread is called."""
    if segment.deleted_at:
        return DELETED
    if segment.delete_at:
        return DELETING
    return CHECKING if is_checking else _CARDS[SegmentState(segment.state)]

"""What each outcome changes: a decision becomes one recording. Pure."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from perch.errors import PerchError
from perch.jobs import Pace
from perch.posts.chain import Detail
from perch.posts.models import Attempt, AttemptState, CardLike, PostLike, PostState, SegmentState
from perch.posts.retrying import (
    AskPerson,
    Decision,
    Found,
    GiveUp,
    LookFirst,
    PauseUntilMended,
    RefreshFirst,
    RetryAt,
    UploadAgain,
    backoff,
    first_look,
)
from perch.posts.steps import Recording
from perch.x.errors import Forbidden, Rejected, Unavailable, Unconfirmed, Unreachable, XError
from perch.x.wire import Reply
from perch.x.xpost import XPost

POST_CREATED = "post"
_LOOKS = "Nothing to do: Perch looks on X whether the post is there."
_LOOK_YOURSELF = "Look at the account on X, then say on the receipt whether the post is there."


def published(
    post: PostLike, segment: CardLike, attempt_id: int, now: datetime, reply: Reply[XPost], *, is_last: bool
) -> Recording:
    """X answered with an id."""
    x_post_id = reply.result.id
    outcome: Detail = {
        "status": reply.head.status,
        "x_post_id": x_post_id,
        "transaction": reply.head.transaction_id,
    }
    return Recording(
        post_id=post.id,
        at=now,
        attempt_id=attempt_id,
        attempt=_ended(AttemptState.OK, now, outcome),
        segment_id=segment.id,
        segment=live(x_post_id, now),
        post=progress(now, is_last=is_last),
        spend=charge(post, segment, now),
        happenings=(
            ("answered", {**outcome, "card": segment.position + 1}),
            ("recorded", {"spent_micros": segment.price_micros, "card": segment.position + 1}),
        ),
    )


def failed(
    post: PostLike,
    segment: CardLike,
    attempt_id: int | None,
    now: datetime,
    error: PerchError,
    decision: Decision,
) -> Recording:
    """Anything but success; ``attempt_id`` is None when it failed before anything was armed."""
    told: Detail = {"code": error.code, "sentence": error.sentence, "fix": error.fix, **_head(error)}
    attempt = _attempt(error, decision, now, told) if attempt_id else {}
    changes, segment_changes, happening = _consequence(post, segment, now, error, decision)
    return Recording(
        post_id=post.id,
        at=now,
        attempt_id=attempt_id,
        attempt=attempt,
        segment_id=segment.id,
        segment=segment_changes,
        post=changes,
        happenings=((happening[0], {**told, **happening[1]}),),
    )


def not_sent(post: PostLike, segment: CardLike, attempt_id: int | None, now: datetime) -> Recording:
    """Nothing was written to the socket: the post goes back to where it was, at once."""
    detail: Detail = {"sentence": "Perch was held up before sending, so nothing was sent. It tries again."}
    return Recording(
        post_id=post.id,
        at=now,
        attempt_id=attempt_id,
        attempt=_ended(AttemptState.NOT_SENT, now, detail),
        post=_back_in_line(segment, now, None, post.tries),
        happenings=(("not_sent", detail),),
    )


def never_begun(post: PostLike, segment: CardLike, attempt: Attempt, now: datetime) -> Recording:
    """Found armed in a lane that nobody held. It may have begun since, and then this is not kept."""
    return replace(not_sent(post, segment, attempt.id, now), attempt_was=AttemptState.ARMED)


def stumbled(post: PostLike, now: datetime, pace: Pace) -> Recording:
    """Perch itself failed at this post: it stays queued, and is tried less and less often."""
    told: Detail = {"sentence": "Perch stumbled over this post and tries again. Its log says why."}
    changes = {"why": told["sentence"], "try_at": now + backoff(post.tries, pace), "tries": post.tries + 1}
    return Recording(post_id=post.id, at=now, post=changes, happenings=(("waiting", told),))


def lost_answer(post: PostLike, segment: CardLike, attempt: Attempt, now: datetime, pace: Pace) -> Recording:
    """Found sending in a lane that nobody held: only a look at X can tell. A late answer still counts."""
    sentence = "Perch stopped while X was answering, so it is not known whether the post is on X."
    looking = LookFirst(first_look(attempt.sent_at or now, now, pace))
    recording = failed(post, segment, attempt.id, now, Unconfirmed(sentence), looking)
    return replace(recording, attempt_was=AttemptState.SENDING)


def live(x_post_id: str, now: datetime) -> dict[str, object]:
    """What a segment's row says once X has it."""
    return {"state": SegmentState.PUBLISHED, "x_post_id": x_post_id, "published_at": now}


def _consequence(
    post: PostLike, segment: CardLike, now: datetime, error: PerchError, decision: Decision
) -> tuple[dict[str, object], dict[str, object], tuple[str, Detail]]:
    why: dict[str, object] = {"why": error.sentence, "fix": error.fix, "rule": error.rule}
    match decision:
        case RetryAt(at=at):
            waiting = {**why, **_back_in_line(segment, now, at, post.tries + 1)}
            return waiting, {}, ("waiting", {"try_at": at.isoformat()})
        case RefreshFirst():
            return {}, {}, ("login_refused", {})
        case PauseUntilMended(reason=reason):
            paused = {**why, **_back_in_line(segment, now, None, post.tries), "paused_reason": reason}
            return paused, {}, ("paused", {"reason": reason})
        case UploadAgain():
            waiting = {**why, **_back_in_line(segment, now, None, post.tries)}
            return waiting, {}, ("waiting", {"try_at": now.isoformat()})
        case LookFirst() | Found():
            checking = {**why, "state": PostState.PUBLISHING, "fix": _LOOKS, "try_at": None}
            return checking, {}, ("unknown", {"card": segment.position + 1})
        case AskPerson(why=sentence):
            return needs_you(sentence), IN_QUESTION, ("needs_you", {"sentence": sentence})
        case GiveUp():
            state = PostState.PARTLY_PUBLISHED if segment.position else PostState.REFUSED
            ended = {**why, "state": state, "finished_at": now}
            return ended, {"state": SegmentState.REFUSED}, ("refused", {"card": segment.position + 1})
    assert_never(decision)


IN_QUESTION: dict[str, object] = {"state": SegmentState.NEEDS_YOU}
"""What a segment's row says while only a person can tell what became of it."""


def needs_you(sentence: str) -> dict[str, object]:
    """What a post's row says from then on."""
    return {
        "state": PostState.NEEDS_YOU, "why": sentence, "fix": _LOOK_YOURSELF, "rule": None, "try_at": None,
    }  # fmt: skip


def _back_in_line(segment: CardLike, now: datetime, try_at: datetime | None, tries: int) -> dict[str, object]:
    # A thread whose first card is out stays in publishing: it can no longer be edited as a whole.
    state = PostState.PUBLISHING if segment.position else PostState.SCHEDULED
    return {"state": state, "try_at": try_at and max(try_at, now + timedelta(milliseconds=1)), "tries": tries}


def progress(now: datetime, *, is_last: bool) -> dict[str, object]:
    """What a post's row says once a card of it is out."""
    calm: dict[str, object] = {"tries": 0, "try_at": None, "why": None, "fix": None, "rule": None}
    return {**calm, "state": PostState.PUBLISHED, "finished_at": now} if is_last else calm


def charge(post: PostLike, segment: CardLike, now: datetime) -> dict[str, object]:
    """The row of ``spend`` for a card that X has made."""
    return {
        "workspace_id": post.workspace_id, "account_id": post.account_id, "post_id": post.id,
        "at": now, "what": POST_CREATED, "micros": segment.price_micros,
    }  # fmt: skip


def _attempt(error: PerchError, decision: Decision, now: datetime, told: Detail) -> dict[str, object]:
    match decision:
        case LookFirst(at=at):
            return _unknown(at, told)
        case Found():
            return _unknown(now, told)
        case AskPerson():
            return _ended(AttemptState.NEEDS_YOU, now, told)
        case _:
            was_sent = not isinstance(error, Unreachable | Unavailable)
            return _ended(AttemptState.REJECTED if was_sent else AttemptState.NOT_SENT, now, told)


def _unknown(look_at: datetime, outcome: Detail) -> dict[str, object]:
    return {"state": AttemptState.UNKNOWN, "look_at": look_at, "outcome": _kept(outcome)}


def _ended(state: AttemptState, now: datetime, outcome: Detail) -> dict[str, object]:
    return {"state": state, "ended_at": now, "look_at": None, "outcome": _kept(outcome)}


def _kept(outcome: Detail) -> str:
    return json.dumps(outcome, sort_keys=True)


def _head(error: PerchError) -> Detail:
    if not isinstance(error, XError) or error.head is None:
        return {}
    said = error.problem.words if error.problem else None
    reason = error.reason if isinstance(error, Forbidden | Rejected) else None
    return {
        "status": error.head.status, "transaction": error.head.transaction_id, "said": said, "reason": reason,
    }  # fmt: skip

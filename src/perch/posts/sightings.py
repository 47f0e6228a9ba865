"""What a look at X changes: each sighting becomes one recording. Pure."""

import json
from datetime import datetime
from typing import assert_never

from perch.posts import outcomes
from perch.posts.chain import Detail
from perch.posts.looking import Absent, LookAgain
from perch.posts.models import AttemptState, SegmentState
from perch.posts.retrying import MOST_SENDS
from perch.posts.steps import Recording
from perch.posts.unsettled import Question
from perch.x.xpost import snowflake_time

_SEVERAL = "Several posts on X could be this one, so Perch cannot tell which it is."
_ALIKE = "A post on X resembles this one, but Perch cannot tell whether it is this one."
_TWICE = "This post was sent twice and is not on X either time, so Perch does not send it again by itself."
_WHICH = "X has a post with this text, but there is an older one that it may mean."
_NO_LINK = "X says that it has this post, but does not show it. The thread goes on once its address is known."


def seen(question: Question, x_post_id: str, now: datetime, posts: int) -> Recording:
    """It is there: published, and what it costs is spent."""
    post, segment = question.post, question.segment
    at = snowflake_time(x_post_id)
    return _recording(
        question, now,
        attempt=_ended(AttemptState.FOUND, now, {"x_post_id": x_post_id}),
        segment=outcomes.live(x_post_id, at),
        post=outcomes.progress(now, is_last=question.is_last),
        spend=outcomes.charge(post, segment, now),
        happening=("found", {"x_post_id": x_post_id, **_look(question, posts)}),
    )  # fmt: skip


def not_seen(question: Question, proof: LookAgain | Absent, now: datetime, posts: int) -> Recording:
    """A whole timeline without it: one more look, or proof that it is not there."""
    match proof:
        case LookAgain(at=at, absences=absences, absent_at=absent_at):
            attempt = {"look_at": at, "absences": absences, "absent_at": absent_at}
            return _later(question, now, attempt, {"absences": absences, **_look(question, posts)})
        case Absent() if question.is_out:
            return _without_link(question, now)
        case Absent() if question.sends >= MOST_SENDS:
            return asks(question, _TWICE, now)
        case Absent():
            return _absent(question, now, posts)
    assert_never(proof)


def unclear(question: Question, x_post_ids: tuple[str, ...], now: datetime) -> Recording:
    """Only a person can tell which it is, or whether it is."""
    return asks(question, _SEVERAL if len(x_post_ids) > 1 else _ALIKE, now, seen=x_post_ids)


def failed(question: Question, at: datetime, sentence: str, now: datetime) -> Recording:
    """No look came about: that proves nothing, and is told once for each cause."""
    told = json.dumps({"sentence": sentence}, sort_keys=True)
    is_news = question.attempt.evidence != told
    attempt = {"look_at": at, "looks": question.attempt.looks + 1, "evidence": told}
    happening = ("look_failed", {"sentence": sentence}) if is_news else None
    return _recording(question, now, attempt=attempt, happening=happening)


def cannot(question: Question, sentence: str, now: datetime) -> Recording:
    """No look will come about. What X said it has is out, with a link or without."""
    return _without_link(question, now) if question.is_out else asks(question, sentence, now)


def asks(question: Question, sentence: str, now: datetime, seen: tuple[str, ...] = ()) -> Recording:
    """Nothing is sent any more before a person has looked."""
    return _recording(
        question, now,
        attempt=_ended(AttemptState.NEEDS_YOU, now, {"seen": list(seen)}),
        segment=outcomes.IN_QUESTION,
        post=outcomes.needs_you(sentence),
        happening=("needs_you", {"sentence": sentence, "card": question.segment.position + 1}),
    )  # fmt: skip


def _later(question: Question, now: datetime, attempt: dict[str, object], facts: Detail) -> Recording:
    changes = {**attempt, "looks": question.attempt.looks + 1}
    return _recording(question, now, attempt=changes, happening=("looked", facts))


def _absent(question: Question, now: datetime, posts: int) -> Recording:
    """Proven: the very same bytes go out once more, and the post is no longer held."""
    return _recording(
        question, now,
        attempt=_ended(AttemptState.ABSENT, now, {"posts": posts}),
        post={"try_at": None, "why": None, "fix": None, "rule": None},
        happening=("absent", _look(question, posts)),
    )  # fmt: skip


def _without_link(question: Question, now: datetime) -> Recording:
    """X refused it as a duplicate of itself, so it is out; a thread cannot go on below what has no id."""
    if question.has_double or not question.is_last:
        return asks(question, _WHICH if question.has_double else _NO_LINK, now)
    return _recording(
        question, now,
        attempt=_ended(AttemptState.FOUND, now, {"x_post_id": None}),
        segment={"state": SegmentState.PUBLISHED, "published_at": question.attempt.sent_at},
        post=outcomes.progress(now, is_last=True),
        spend=outcomes.charge(question.post, question.segment, now),
        happening=("found", {"x_post_id": None, "card": question.segment.position + 1}),
    )  # fmt: skip


def _recording(
    question: Question,
    now: datetime,
    *,
    attempt: dict[str, object],
    segment: dict[str, object] | None = None,
    post: dict[str, object] | None = None,
    spend: dict[str, object] | None = None,
    happening: tuple[str, Detail] | None = None,
) -> Recording:
    return Recording(
        post_id=question.post.id,
        at=now,
        attempt_id=question.attempt.id,
        attempt_was=AttemptState.UNKNOWN,
        attempt=attempt,
        segment_id=question.segment.id,
        segment=segment or {},
        post=post or {},
        spend=spend,
        happenings=(happening,) if happening else (),
    )


def _ended(state: AttemptState, now: datetime, evidence: dict[str, object]) -> dict[str, object]:
    return {
        "state": state, "ended_at": now, "look_at": None, "evidence": json.dumps(evidence, sort_keys=True),
    }  # fmt: skip


def _look(question: Question, posts: int) -> Detail:
    return {"n": question.attempt.looks + 1, "posts": posts, "card": question.segment.position + 1}

"""Every statement that reads attempts without a verdict, and what their cards went through."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from perch.accounts.models import XAccount, XApp
from perch.posts import queries
from perch.posts.models import Attempt, AttemptState, CardLike, Post, Segment
from perch.posts.retrying import Past
from perch.x.errors import ForbiddenReason, RejectedReason
from perch.x.posts import RecordedPost

_NO_VERDICT = (AttemptState.UNKNOWN, AttemptState.ABSENT, AttemptState.NEEDS_YOU)


@dataclass(frozen=True, slots=True)
class Question:
    """An attempt that may be on X.

    ``sends``: how many of its card went out without a verdict, itself too. ``has_double``: another card of
    the account with the same text is out.
    """

    attempt: Attempt
    segment: Segment
    post: Post
    is_last: bool
    sends: int
    has_double: bool

    @property
    def is_out(self) -> bool:
        """Whether X itself said that it has the post."""
        return _reason(self.attempt) == ForbiddenReason.DUPLICATE


@dataclass(frozen=True, slots=True)
class Left:
    """An attempt that a stopped process left armed or sending."""

    attempt: Attempt
    segment: Segment
    post: Post


async def due_questions(session: AsyncSession, account_id: int, now: datetime) -> list[Question]:
    """What should be looked for on X now, for one account."""
    later, double, tried = aliased(Segment), aliased(Segment), aliased(Attempt)
    is_last = ~exists().where(later.post_id == Segment.post_id, later.position > Segment.position)
    has_double = exists().where(
        double.account_id == account_id,
        double.id != Segment.id,
        double.text == Segment.text,
        double.x_post_id.is_not(None),
    )
    sends = (
        select(func.count())
        .where(tried.segment_id == Segment.id, tried.state.in_(_NO_VERDICT))
        .scalar_subquery()
    )
    statement = (
        select(Attempt, Segment, Post, is_last, sends, has_double)
        .join(Segment, Segment.id == Attempt.segment_id)
        .join(Post, Post.id == Segment.post_id)
        .where(
            Segment.account_id == account_id,
            Attempt.look_at <= now,
            Attempt.state == AttemptState.UNKNOWN,
        )
        .order_by(Attempt.id)
    )
    return [Question(*row) for row in await session.execute(statement)]


async def whose(session: AsyncSession, account_id: int) -> tuple[XAccount, XApp]:
    """The account that looks, and its X app."""
    row = await session.execute(
        select(XAccount, XApp).join(XApp, XApp.id == XAccount.app_id).where(XAccount.id == account_id)
    )
    account, app = row.one()
    return account, app


async def known_among(session: AsyncSession, x_post_ids: Collection[str]) -> set[str]:
    """Those of these ids that already belong to a card."""
    return set(await session.scalars(select(Segment.x_post_id).where(Segment.x_post_id.in_(x_post_ids))))


async def past(session: AsyncSession, segment: CardLike) -> Past:
    """What a card went through so far, its last attempt included."""
    rows = (
        await session.scalars(select(Attempt).where(Attempt.segment_id == segment.id).order_by(Attempt.n))
    ).all()
    parent_at = await session.scalar(
        select(Segment.published_at).where(
            Segment.post_id == segment.post_id, Segment.position == segment.position - 1
        )
    )
    return _past(rows, parent_at)


def _past(attempts: Sequence[Attempt], parent_at: datetime | None) -> Past:
    if not attempts:
        return Past(parent_at=parent_at)
    *earlier, last = attempts
    reasons = [_reason(one) for one in earlier]
    return Past(
        sent_at=last.sent_at,
        after_unknown=any(one.state in _NO_VERDICT and one.payload == last.payload for one in earlier),
        uploads_refused=reasons.count(RejectedReason.MEDIA_IDS),
        parent_refused=reasons.count(ForbiddenReason.NOT_VISIBLE_PARENT),
        parent_at=parent_at,
    )


def _reason(attempt: Attempt) -> str | None:
    reason: str | None = json.loads(attempt.outcome or "{}").get("reason")
    return reason


async def to_repeat(session: AsyncSession, segment: CardLike) -> Attempt | None:
    """The attempt whose very bytes must go out again, since only those are known not to be there.

    Not the bytes of a text that a person has changed since, nor of media that X has forgotten.
    """
    absent = await session.scalar(
        select(Attempt)
        .where(Attempt.segment_id == segment.id, Attempt.state == AttemptState.ABSENT)
        .order_by(Attempt.n.desc())
        .limit(1)
    )
    if absent is None or _reason(absent) == RejectedReason.MEDIA_IDS:
        return None
    return absent if RecordedPost(absent.payload).read().text == segment.text else None


def media_ids_of(attempt: Attempt) -> tuple[str, ...]:
    """X's ids of the media that an attempt names."""
    return tuple(json.loads(attempt.media_ids))


async def left_behind(session: AsyncSession, now: datetime) -> Sequence[Left]:
    """Attempts that were armed or sending in a lane nobody holds any more."""
    statement = (
        select(Attempt, Segment, Post)
        .join(Segment, queries.from_attempt(Segment))
        .join(Post, Post.id == Segment.post_id)
        .join(XAccount, XAccount.id == Segment.account_id)
        .where(
            queries.is_undecided(),
            Attempt.state.in_((AttemptState.ARMED, AttemptState.SENDING)),
            or_(XAccount.lane_until.is_(None), XAccount.lane_until <= now),
        )
    )
    # Sorted here: the order would cost SQLite the index of live attempts.
    left = [Left(*row) for row in await session.execute(statement)]
    return sorted(left, key=lambda one: one.attempt.id)

"""A database that was put back from a backup: what is overdue in it may be out already.

Nothing that was due while the database did not see it goes out by itself. People look on X and resume what is
not there, one by one or all at once; what becomes due from now on goes out as always.
"""

from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from perch.notices.telling import News, mended, tell
from perch.posts import chain, outcomes, queries, steps
from perch.posts.models import LIVE_ATTEMPTS, RESTORED, Attempt, AttemptState, Post, Segment

_UNTIL_SOMEBODY_LOOKED = timedelta(days=3650)
_SENTENCE = "This database was put back from a backup, so it is not known what went out since."
_FIX = "Look on X. Try this post now if it is not there, or cancel it if it is."
_NEWS = News(
    cause=RESTORED,
    kind=RESTORED,
    sentence=f"{_SENTENCE} Posts that were due are held back.",
    fix="Look on X; resume each post that is not there, or all of them with perch release.",
)


async def hold_back(session: AsyncSession, now: datetime) -> int:
    """Pause every open post that is due, and tell everybody. Returns how many there are.

    One that was on its way is put to a person at once: with more cards to come, finding one is not enough.
    """
    questioned = await _question(session, now)
    overdue = select(Post.id).where(
        Post.state.in_(queries.OPEN_STATES), Post.due_at <= now, Post.paused_reason.is_distinct_from(RESTORED)
    )
    held = list(await session.scalars(overdue.order_by(Post.id)))
    await session.execute(
        update(Post)
        .where(Post.id.in_(overdue))
        .values(
            paused_reason=RESTORED, try_at=now + _UNTIL_SOMEBODY_LOOKED, why=_SENTENCE, fix=_FIX, rule=None
        ),
        execution_options={"synchronize_session": False},
    )
    detail = {"reason": RESTORED, "sentence": _SENTENCE, "fix": _FIX}
    await chain.append(session, [chain.Happening(one, now, "paused", detail) for one in held])
    await tell(session, [_NEWS], now)
    return len(held) + questioned


async def release(session: AsyncSession, now: datetime, name: str) -> int:
    """Somebody has looked: all that was held back goes out. Returns how many."""
    released = list(
        await session.scalars(
            update(Post)
            .where(Post.paused_reason == RESTORED, Post.state.in_(queries.OPEN_STATES))
            .values(paused_reason=None, try_at=None, why=None, fix=None)
            .returning(Post.id),
            execution_options={"synchronize_session": False},
        )
    )
    await chain.append(
        session, [chain.Happening(one, now, "resumed", {"name": name}) for one in sorted(released)]
    )
    await mended(session, [RESTORED], now)
    return len(released)


async def settled(session: AsyncSession, reason: str | None, now: datetime) -> None:
    """A post was decided on that waited for this reason: with the last one held back the notice ends."""
    if reason != RESTORED:
        return
    left = await session.scalar(
        select(func.count()).where(Post.paused_reason == RESTORED, Post.state.in_(queries.OPEN_STATES))
    )
    if not left:
        await mended(session, [RESTORED], now)


async def _question(session: AsyncSession, now: datetime) -> int:
    found = await session.execute(
        select(Segment.post_id, Segment.id, Segment.position, Attempt.id)
        .join(Attempt, Attempt.segment_id == Segment.id)
        .where(Attempt.state.in_(LIVE_ATTEMPTS))
    )
    recordings = [_in_question(*row, now) for row in found]
    await steps.record(session, recordings)
    return len(recordings)


def _in_question(
    post_id: int, segment_id: int, position: int, attempt_id: int, now: datetime
) -> steps.Recording:
    return steps.Recording(
        post_id=post_id, at=now, post=outcomes.needs_you(_SENTENCE),
        segment_id=segment_id, segment=outcomes.IN_QUESTION,
        attempt_id=attempt_id, attempt={"state": AttemptState.NEEDS_YOU, "look_at": None},
        happenings=(("needs_you", {"sentence": _SENTENCE, "card": position + 1}),),
    )  # fmt: skip

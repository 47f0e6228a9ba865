"""What posts may cost: reserved when claimed, spent when a card is out, given back when they leave the line.

A post holds a reservation while it is ``publishing`` or in question, and at no other time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from perch.budget import reserving
from perch.budget.prices import Price
from perch.notices import queries as notices
from perch.notices import telling
from perch.notices.telling import News
from perch.posts import chain
from perch.posts.models import Post, PostState, Segment, SegmentState
from perch.posts.retrying import PauseReason

HOLDING = (PostState.PUBLISHING, PostState.NEEDS_YOU)
"""The states in which a post keeps what is reserved for it."""

_QUIET = {"synchronize_session": False}
_FIX = "Raise PERCH_MONTHLY_BUDGET and restart Perch, or wait for the next month."


@dataclass(frozen=True, slots=True)
class Outcome:
    """A post after something came of it: what was reserved before, what of that was spent, its state now."""

    post_id: int
    reserved: int
    spent: int
    state: str

    @property
    def keeps(self) -> int:
        """What stays reserved."""
        return max(0, self.reserved - self.spent) if self.state in HOLDING else 0


async def afford(
    session: AsyncSession, cap_micros: int | None, at: datetime, post_ids: Iterable[int]
) -> set[int]:
    """Those of the claimed posts that the budget has room for, earliest due first; the others wait."""
    ids = set(post_ids)
    if cap_micros is None or not ids:
        return ids
    wishes = await _wishes(session, ids)
    granted = await reserving.reserve(session, cap_micros, at, [wish for _, _, wish in wishes])
    pairs = list(zip(wishes, granted, strict=True))
    if raised := [
        {"id": post_id, "reserved_micros": reserved + wish}
        for (post_id, reserved, wish), ok in pairs
        if ok and wish
    ]:
        await session.execute(update(Post), raised)
    await _make_wait(session, cap_micros, at, [post_id for (post_id, _, _), ok in pairs if not ok])
    return {post_id for (post_id, _, _), ok in pairs if ok}


async def settle(session: AsyncSession, at: datetime, outcomes: Sequence[Outcome], spent: int) -> None:
    """Bring posts and month in line with what came of them; ``spent`` counts what was not reserved too."""
    changed = {one.post_id: one for one in outcomes if one.keeps != one.reserved}
    if changed:
        await session.execute(
            update(Post), [{"id": one.post_id, "reserved_micros": one.keeps} for one in changed.values()]
        )
    released = sum(one.reserved - one.keeps for one in changed.values())
    await reserving.settle(session, at, released=released, spent=spent)


async def follow(session: AsyncSession, post: Post, at: datetime, *, spent: int = 0) -> None:
    """After a person has moved a post: what its row says now decides what stays reserved for it."""
    found = await session.execute(select(Post.reserved_micros, Post.state).where(Post.id == post.id))
    for reserved, state in found:
        await settle(session, at, [Outcome(post.id, reserved, spent, state)], spent)


async def try_again(session: AsyncSession, at: datetime, name: str) -> None:
    """Somebody says that there is room: what waits for the budget is looked at again."""
    await notices.end_of_kind(session, reserving.KIND, at)
    waiting = (
        await session.scalars(
            select(Post.id)
            .where(Post.paused_reason == PauseReason.BUDGET)
            .order_by(Post.id)
            .with_for_update()
        )
    ).all()
    await session.execute(
        update(Post).where(Post.id.in_(waiting)).values(paused_reason=None, try_at=None),
        execution_options=_QUIET,
    )
    await chain.append(session, [chain.Happening(one, at, "resumed", {"name": name}) for one in waiting])


async def _wishes(session: AsyncSession, ids: set[int]) -> list[tuple[int, int, int]]:
    """(post, what is reserved, what more it takes), earliest due first."""
    unsent = (
        select(func.coalesce(func.sum(Segment.price_micros), 0))
        .where(Segment.post_id == Post.id, Segment.state == SegmentState.WAITING)
        .scalar_subquery()
    )
    found = await session.execute(
        select(Post.id, Post.reserved_micros, unsent).where(Post.id.in_(ids)).order_by(Post.due_at, Post.id)
    )
    return [(post_id, reserved, max(0, price - reserved)) for post_id, reserved, price in found]


async def _make_wait(session: AsyncSession, cap_micros: int, at: datetime, ids: Sequence[int]) -> None:
    if not ids:
        return
    sentence = f"This month's budget of {Price(cap_micros).show()} has no room for it."
    begun = exists().where(Segment.post_id == Post.id, Segment.x_post_id.is_not(None))
    await session.execute(
        update(Post)
        .where(Post.id.in_(ids))
        .values(
            state=case((begun, PostState.PUBLISHING), else_=PostState.SCHEDULED),
            paused_reason=PauseReason.BUDGET, try_at=reserving.next_month(at), why=sentence, fix=_FIX,
        ),
        execution_options=_QUIET,
    )  # fmt: skip
    told: chain.Detail = {"reason": PauseReason.BUDGET, "sentence": sentence, "fix": _FIX}
    await chain.append(session, [chain.Happening(post_id, at, "paused", told) for post_id in ids])
    await telling.tell(session, [_news(cap_micros, at)], at)


def _news(cap_micros: int, at: datetime) -> News:
    month = reserving.month_of(at)
    return News(
        cause=f"{PauseReason.BUDGET}:{reserving.INSTANCE}:{month}",
        kind=reserving.KIND,
        sentence=f"The budget of {Price(cap_micros).show()} for {month} is used up, so posts wait.",
        fix=_FIX,
    )

"""New rules for the world's zones: posts that are due by a wall clock follow it to another instant."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from perch.clock import Clock, zone_rules
from perch.db.instance import fact, state_fact
from perch.posts import chain
from perch.posts.models import Post, PostState
from perch.posts.walls import kept

_FACT = "zone_rules"
_AT_ONCE = 1000
_WAITING = (PostState.SCHEDULED, PostState.AWAITING_APPROVAL)


async def follow_rules(session: AsyncSession, clock: Clock, rules: str | None = None) -> int:
    """After a start with another edition of the rules: how many posts were moved."""
    rules = rules or zone_rules()
    if await fact(session, _FACT) == rules:
        return 0
    moved = 0
    async for posts in _by_a_wall(session):
        moved += await _move(session, clock, posts, rules)
    await state_fact(session, _FACT, rules)
    return moved


async def _by_a_wall(session: AsyncSession) -> AsyncIterator[Sequence[Post]]:
    last = 0
    while True:
        found = await session.scalars(
            select(Post)
            .where(Post.id > last, Post.state.in_(_WAITING), Post.local_time.is_not(None))
            .order_by(Post.id)
            .limit(_AT_ONCE)
            .with_for_update()
        )
        posts = found.all()
        if not posts:
            return
        yield posts
        last = posts[-1].id
        session.expunge_all()


async def _move(session: AsyncSession, clock: Clock, posts: Sequence[Post], rules: str) -> int:
    now, rows, lines = clock.now(), [], []
    for post in posts:
        wall = kept(post.local_time or "", post.zone or "UTC", post.fold)
        due_at = wall.at + timedelta(seconds=post.jitter_s)
        # What was moved up to a present moment, or is late anyway, stays.
        if due_at == post.due_at or post.due_at is None or post.due_at <= now:
            continue
        rows.append({"id": post.id, "due_at": due_at, "version": post.version + 1})
        facts = {"zone": wall.zone, "rules": rules, "due_at": due_at.isoformat()}
        lines.append(chain.Happening(post.id, now, "due_moved", facts))
    if rows:
        await session.execute(update(Post), rows)
        await chain.append(session, lines)
    return len(rows)

"""What a person may change of a post that was accepted and not sent: cancel it."""

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from perch.clock import Clock
from perch.posts import affording, chain, missing, queries, restoring
from perch.posts.errors import TooLate
from perch.posts.models import Post, PostState


async def cancel(session: AsyncSession, clock: Clock, post: Post, name: str) -> None:
    """Stop a post that has not been sent. Raises TooLate once its bytes may be on their way."""
    now = clock.now()
    # The lock comes first: a statement of its own then sees an attempt that was armed a moment ago.
    await session.execute(select(Post.id).where(Post.id == post.id).with_for_update())
    stopped = await session.scalar(
        update(Post)
        .where(
            Post.id == post.id,
            Post.state.in_((PostState.DRAFT, PostState.MISSED, *queries.OPEN_STATES)),
            ~queries.is_under_way(),
        )
        .values(
            state=PostState.CANCELLED, version=Post.version + 1, fence=None, finished_at=now, updated_at=now
        )
        .returning(Post.id)
    )
    if stopped is None:
        raise TooLate(
            "This post can no longer be cancelled.", fix="Look at its receipt; delete it on X if it is live."
        )
    await affording.follow(session, post, now)
    await missing.settled(session, post.account_id, now)
    await restoring.settled(session, post.paused_reason, now)
    await chain.append(session, [chain.Happening(post.id, now, "cancelled", {"name": name})])

"""Posts that wait or are paused go on: one by hand, an account's after its cause is mended, an app's."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts.models import AppKind, XAccount, XApp
from perch.clock import Clock
from perch.jobs import Engine
from perch.posts import chain, queries
from perch.posts.errors import TooLate
from perch.posts.models import Post
from perch.posts.retrying import PauseReason
from perch.posts.scheduling import DRAIN


async def resume(session: AsyncSession, clock: Clock, engine: Engine, post: Post, name: str) -> None:
    """Try a waiting or paused post now."""
    resumed = await session.scalar(
        update(Post)
        .where(Post.id == post.id, Post.state.in_(queries.OPEN_STATES))
        .values(paused_reason=None, try_at=None)
        .returning(Post.id)
    )
    if resumed is None:
        raise TooLate("This post is not waiting.", fix="Look at its receipt.")
    await wake(session, clock, engine, post, "resumed", {"name": name})


async def resume_account(
    session: AsyncSession, clock: Clock, engine: Engine, account_id: int, reasons: Sequence[PauseReason]
) -> int:
    """After a cause is mended: its posts go on. Returns how many."""
    resumed = await session.scalars(
        update(Post)
        .where(Post.account_id == account_id, Post.paused_reason.in_(reasons))
        .values(paused_reason=None, try_at=None)
        .returning(Post.id)
    )
    engine.wake(session, DRAIN, str(account_id), clock.now())
    return len(resumed.all())


async def resume_apps(session: AsyncSession, kinds: Collection[AppKind]) -> None:
    """After a start with these X apps set up: posts that waited for theirs go on with the next sweep."""
    theirs = select(XAccount.id).join(XApp, XApp.id == XAccount.app_id).where(XApp.kind.in_(kinds))
    await session.execute(
        update(Post)
        .where(Post.paused_reason == PauseReason.APP, Post.account_id.in_(theirs))
        .values(paused_reason=None, try_at=None)
    )


async def wake(
    session: AsyncSession, clock: Clock, engine: Engine, post: Post, kind: str, detail: chain.Detail
) -> None:
    """A line of the story, and a hint to go on."""
    now: datetime = clock.now()
    await chain.append(session, [chain.Happening(post.id, now, kind, detail)])
    engine.wake(session, DRAIN, str(post.account_id), now)

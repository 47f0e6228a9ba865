"""Posts that wait or are paused go on: one by hand, an account's or an app's after its cause is mended."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts.models import AppKind, XAccount, XApp
from perch.clock import Clock
from perch.jobs import Engine
from perch.notices.models import Notice
from perch.posts import affording, braking, chain, queries, restoring
from perch.posts.errors import TooLate
from perch.posts.models import Post
from perch.posts.retrying import PauseReason
from perch.posts.scheduling import DRAIN

CAUSES = tuple(PauseReason)
_RESTART = "the restart"


async def resume(session: AsyncSession, clock: Clock, engine: Engine, post: Post, name: str) -> None:
    """Try a waiting or paused post now. What paused its account or app counts as mended with it."""
    waited_for = post.paused_reason
    resumed = await session.scalar(
        update(Post)
        .where(Post.id == post.id, Post.state.in_(queries.OPEN_STATES))
        # A time for the try, and be it now, is a decision: nobody asks whether it is too late.
        .values(paused_reason=None, try_at=clock.now())
        .returning(Post.id)
    )
    if resumed is None:
        raise TooLate("This post is not waiting.", fix="Look at its receipt.")
    await restoring.settled(session, waited_for, clock.now())
    await wake(session, clock, engine, post, "resumed", {"name": name})
    await resume_account(session, clock, engine, post.account_id, CAUSES, name)


async def resume_account(
    session: AsyncSession,
    clock: Clock,
    engine: Engine,
    account_id: int,
    reasons: Collection[PauseReason],
    name: str,
) -> int:
    """After a cause is mended: its posts go on. Returns how many of them had met it.

    Where the cause was its app's, the app's other accounts go on with the next sweep.
    """
    now = clock.now()
    account = await _account(session, account_id)
    app = await session.get_one(XApp, account.app_id)
    freed: list[int] = []
    if app.paused_reason in reasons:
        freed += await braking.release_app(session, app, reasons, now, name)
    freed += await braking.release_account(session, account, reasons, now, name)
    engine.wake(session, DRAIN, str(account_id), now)
    return len(freed)


async def resume_notice(
    session: AsyncSession, clock: Clock, engine: Engine, workspace_id: int, notice: Notice, name: str
) -> None:
    """What a notice told of is mended, somebody says."""
    if notice.kind == PauseReason.BUDGET:
        await affording.try_again(session, clock.now(), name)
    for account_id in await _told_of(session, workspace_id, notice):
        await resume_account(session, clock, engine, account_id, CAUSES, name)
    engine.ask_for_sweep()


async def resume_apps(session: AsyncSession, clock: Clock, kinds: Collection[AppKind]) -> None:
    """After a start with these X apps set up, and perhaps another budget: what waited for them goes on."""
    now = clock.now()
    for app in await session.scalars(select(XApp).where(XApp.kind.in_(kinds)).with_for_update()):
        await braking.release_app(session, app, [PauseReason.APP], now, _RESTART)
    await affording.try_again(session, now, _RESTART)


async def wake(
    session: AsyncSession, clock: Clock, engine: Engine, post: Post, kind: str, detail: chain.Detail
) -> None:
    """A line of the story, and a hint to go on."""
    now: datetime = clock.now()
    await chain.append(session, [chain.Happening(post.id, now, kind, detail)])
    engine.wake(session, DRAIN, str(post.account_id), now)


async def _account(session: AsyncSession, account_id: int) -> XAccount:
    # An app's row is locked before its accounts', wherever both are.
    await session.execute(
        select(XApp.id)
        .where(XApp.id == select(XAccount.app_id).where(XAccount.id == account_id).scalar_subquery())
        .with_for_update()
    )
    found = await session.scalars(
        select(XAccount)
        .where(XAccount.id == account_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found.one()


async def _told_of(session: AsyncSession, workspace_id: int, notice: Notice) -> Sequence[int]:
    """The accounts of this workspace that a notice is about: itself, or one of the app's."""
    subject = notice.cause.rpartition(":")[2]
    statement = (
        select(XAccount.id)
        .join(XApp, XApp.id == XAccount.app_id)
        .where(XAccount.workspace_id == workspace_id)
        .order_by(XAccount.id)
    )
    own = await session.scalars(statement.where(XAccount.public_id == subject))
    if found := own.all():
        return found
    return (await session.scalars(statement.where(XApp.public_id == subject).limit(1))).all()

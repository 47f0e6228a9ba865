"""What a person may do to a post after it was accepted: cancel it, resume it, settle an unknown outcome."""

import re
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts.models import AppKind, XAccount, XApp
from perch.budget.models import Spend
from perch.clock import Clock
from perch.jobs import Engine
from perch.posts import chain, outcomes, queries
from perch.posts.errors import NotTheirs, PostNotFound, TooLate
from perch.posts.models import Attempt, AttemptState, Post, PostState, Segment, SegmentState
from perch.posts.retrying import PauseReason
from perch.posts.scheduling import DRAIN
from perch.x.xpost import snowflake_at

_X_POST = re.compile(r"(?:.*?(?P<username>[A-Za-z0-9_]+)/status/)?(?P<id>[0-9]{1,19})/?(?:[?#].*)?")
_NOBODY = {"i", "web"}  # x.com/i/status/… and x.com/i/web/status/… name no account
_SKEW = timedelta(minutes=1)


async def cancel(session: AsyncSession, clock: Clock, post: Post, name: str) -> None:
    """Stop a post that has not been sent. Raises TooLate once its bytes may be on their way."""
    now = clock.now()
    # The lock comes first: a statement of its own then sees an attempt that was armed a moment ago.
    await session.execute(select(Post.id).where(Post.id == post.id).with_for_update())
    stopped = await session.scalar(
        update(Post)
        .where(
            Post.id == post.id,
            Post.state.in_((PostState.DRAFT, *queries.OPEN_STATES)),
            ~queries.is_under_way(),
        )
        .values(state=PostState.CANCELLED, version=Post.version + 1, finished_at=now, updated_at=now)
        .returning(Post.id)
    )
    if stopped is None:
        raise TooLate(
            "This post can no longer be cancelled.", fix="Look at its receipt; delete it on X if it is live."
        )
    await chain.append(session, [chain.Happening(post.id, now, "cancelled", {"name": name})])


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
    await _wake(session, clock, engine, post, "resumed", {"name": name})


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


async def found(
    session: AsyncSession, clock: Clock, engine: Engine, post: Post, address: str, name: str
) -> None:
    """A person looked and the post is there. Raises NotTheirs for an address that cannot be it."""
    segment, attempt = await _unknown(session, post)
    now = clock.now()
    x_post_id = await _theirs(session, post, attempt, address, now)
    attempt.state, attempt.evidence = AttemptState.FOUND, f"{name} pasted {x_post_id}"
    await session.execute(
        update(Segment).where(Segment.id == segment.id).values(**outcomes.live(x_post_id, now))
    )
    await session.execute(insert(Spend).values(**outcomes.charge(post, segment, now)))
    await _go_on(session, clock, engine, post, {"how": "found", "name": name, "x_post_id": x_post_id})


async def send_again(session: AsyncSession, clock: Clock, engine: Engine, post: Post, name: str) -> None:
    """A person looked and the post is not there: one more attempt."""
    segment, attempt = await _unknown(session, post)
    attempt.state, attempt.evidence = AttemptState.ABSENT, f"{name} says it is not there"
    segment.state = SegmentState.WAITING
    await session.flush()
    await _go_on(session, clock, engine, post, {"how": "send_again", "name": name})


async def drop(session: AsyncSession, clock: Clock, post: Post, name: str) -> None:
    """A person gives the post up, whatever became of it."""
    segment, _ = await _unknown(session, post)
    segment.state = SegmentState.DROPPED
    now = clock.now()
    post.state, post.finished_at, post.updated_at = PostState.CANCELLED, now, now
    await session.flush()
    await chain.append(session, [chain.Happening(post.id, now, "settled", {"how": "drop", "name": name})])


async def _unknown(session: AsyncSession, post: Post) -> tuple[Segment, Attempt]:
    # The row is taken first, so that two people who press two buttons do not both win.
    taken = await session.scalar(
        select(Post)
        .where(Post.id == post.id, Post.state == PostState.NEEDS_YOU)
        .with_for_update()
        # What was read before may be older than the lock, and a change to the same value is no change.
        .execution_options(populate_existing=True)
    )
    if taken is None:
        raise TooLate("This post is settled already.", fix="Look at its receipt.")
    segment = await session.scalar(
        select(Segment).where(Segment.post_id == post.id, Segment.state == SegmentState.NEEDS_YOU)
    )
    attempts = await queries.attempts(session, segment.id) if segment else ()
    if segment is None or not attempts:
        raise PostNotFound("Nothing of this post is in question.")
    return segment, attempts[-1]


async def _theirs(session: AsyncSession, post: Post, attempt: Attempt, address: str, now: datetime) -> str:
    match = _X_POST.fullmatch(address.strip())
    if match is None:
        raise NotTheirs("This is not the address of a post.", fix="Open the post on X and copy its address.")
    await _of_this_account(session, post, match["username"])
    x_post_id = match["id"]
    if int(x_post_id) <= int(attempt.since_id):
        raise NotTheirs(
            "This post is older than the attempt, so it is another one.", fix="Copy the newer one."
        )
    if int(x_post_id) > int(snowflake_at(now + _SKEW)):
        raise NotTheirs("No post has this id yet.", fix="Open the post on X and copy its address.")
    # An id is one post on all of X, so it does not matter whose account holds it here.
    if await session.scalar(select(Segment.id).where(Segment.x_post_id == x_post_id)) is not None:
        raise NotTheirs("This address belongs to another post.", fix="Copy the right one.")
    return x_post_id


async def _of_this_account(session: AsyncSession, post: Post, username: str | None) -> None:
    account = await session.get_one(XAccount, post.account_id)
    if username is None or username.lower() in {*_NOBODY, account.username.lower()}:
        return
    raise NotTheirs(
        f"This is a post of @{username}, not of @{account.username}.",
        fix="Copy the right address; if the account was renamed on X, paste the number at its end alone.",
    )


async def _go_on(
    session: AsyncSession, clock: Clock, engine: Engine, post: Post, detail: chain.Detail
) -> None:
    now = clock.now()
    more = await queries.first_waiting(session, post.id)
    post.state = PostState.PUBLISHING if more else PostState.PUBLISHED
    post.why = post.fix = post.rule = post.try_at = None
    post.finished_at = None if more else now
    await session.flush()
    await _wake(session, clock, engine, post, "settled", detail)


async def _wake(
    session: AsyncSession, clock: Clock, engine: Engine, post: Post, kind: str, detail: chain.Detail
) -> None:
    now: datetime = clock.now()
    await chain.append(session, [chain.Happening(post.id, now, kind, detail)])
    engine.wake(session, DRAIN, str(post.account_id), now)

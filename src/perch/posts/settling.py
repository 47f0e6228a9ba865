"""An outcome that only a person can tell: it is there, send it again, or drop it."""

import re
from datetime import datetime, timedelta

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts.models import XAccount
from perch.budget.models import Spend
from perch.clock import Clock
from perch.jobs import Engine
from perch.posts import affording, chain, outcomes, queries
from perch.posts.errors import NotTheirs, PostNotFound, TooLate
from perch.posts.models import Attempt, AttemptState, Post, PostState, Segment, SegmentState
from perch.posts.resuming import wake
from perch.x.xpost import snowflake_at

_X_POST = re.compile(r"(?:.*?(?P<username>[A-Za-z0-9_]+)/status/)?(?P<id>[0-9]{1,19})/?(?:[?#].*)?")
_NOBODY = {"i", "web"}  # x.com/i/status/… and x.com/i/web/status/… name no account
_SKEW = timedelta(minutes=1)


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
    await affording.follow(session, post, now, spent=segment.price_micros)


async def send_again(session: AsyncSession, clock: Clock, engine: Engine, post: Post, name: str) -> None:
    """A person looked and the post is not there: one more attempt."""
    segment, attempt = await _unknown(session, post)
    attempt.state, attempt.evidence = AttemptState.ABSENT, f"{name} says it is not there"
    segment.state = SegmentState.WAITING
    await session.flush()
    await _go_on(session, clock, engine, post, {"how": "send_again", "name": name})


async def drop(session: AsyncSession, clock: Clock, post: Post, name: str) -> None:
    """A person gives the post up, whatever became of it. Cards of a thread that are out stay out."""
    segment, _ = await _unknown(session, post)
    segment.state = SegmentState.DROPPED
    now = clock.now()
    post.state, post.finished_at, post.updated_at = await _without(session, post), now, now
    await session.flush()
    await affording.follow(session, post, now)
    await chain.append(session, [chain.Happening(post.id, now, "settled", {"how": "drop", "name": name})])


async def _without(session: AsyncSession, post: Post) -> PostState:
    live = await session.scalar(
        select(func.count()).where(Segment.post_id == post.id, Segment.state == SegmentState.PUBLISHED)
    )
    return PostState.PARTLY_PUBLISHED if live else PostState.CANCELLED


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
        raise TooLate("Nothing of this post is in question now.", fix="Look at its receipt.")
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
    await wake(session, clock, engine, post, "settled", detail)

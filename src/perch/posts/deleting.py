"""Deleting on X what is live: the newest card first, each removal durable before the next is asked for.

A deletion may be repeated: X says of a post that is gone that nothing was there. So a crash costs a
request and never more.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts import lanes
from perch.budget import reserving
from perch.budget.prices import Charge, price_of
from perch.clock import Clock
from perch.db import Database
from perch.errors import PerchError
from perch.jobs import Engine, Pace
from perch.posts import chain, queries
from perch.posts.errors import TooLate
from perch.posts.models import Post, PostState, Segment, SegmentState
from perch.posts.publishing import Line, Lines
from perch.posts.retrying import backoff
from perch.posts.scheduling import DRAIN
from perch.x import errors as x
from perch.x.posts import DeletePost

DELETE = "delete"
POST_DELETED = "delete"
log = structlog.get_logger(__name__)


async def ask(session: AsyncSession, clock: Clock, engine: Engine, post: Post, name: str) -> None:
    """Have every live card of a post deleted on X. Raises TooLate when nothing of it is live."""
    taken = await session.scalar(
        select(Post)
        .where(
            Post.id == post.id,
            Post.state.in_((PostState.PUBLISHED, PostState.PARTLY_PUBLISHED)),
            ~queries.is_deleting(),
            queries.is_live(),
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if taken is None:
        raise TooLate("Nothing of this post can be deleted on X now.", fix="Look at its receipt.")
    now = clock.now()
    asked = await session.scalars(
        update(Segment)
        .where(Segment.post_id == post.id, Segment.x_post_id.is_not(None), Segment.deleted_at.is_(None))
        .values(delete_at=now)
        .returning(Segment.id)
    )
    detail: chain.Detail = {"name": name, "cards": len(asked.all())}
    post.why = post.fix = post.rule = None
    post.tries, post.updated_at = 0, now
    await session.flush()
    await chain.append(session, [chain.Happening(post.id, now, "delete_asked", detail)])
    engine.wake(session, DELETE, str(post.account_id), now)


def try_again_at(error: PerchError, *, now: datetime, tries: int, pace: Pace) -> datetime | None:
    """When to ask X again; None when it refuses, and would again. Pure.

    What a person has to mend is looked at again as seldom as a pause is.
    """
    match error:
        case x.RateLimited(resets_at=resets_at):
            return max(resets_at or now + timedelta(seconds=pace.rate_unknown), now)
        case x.Unreachable() | x.Unavailable() | x.Forbidden(reason=x.ForbiddenReason.EDGE):
            return now + backoff(tries, pace)
        case x.Unauthorized() | x.GrantLost() | x.OutOfCredits() | x.AppMisconfigured():
            return now + timedelta(seconds=pace.probe)
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Deleter:
    """Does what was asked for, in the account's lane, so that X never gets two requests of it at once."""

    db: Database
    clock: Clock
    pace: Pace
    lines: Lines
    engine: Engine
    worker: str
    plan: str

    async def hint_what_is_due(self) -> None:
        """Re-derive lost hints from the rows."""
        now = self.clock.now()
        async with self.db.read() as session:
            due = await queries.accounts_to_delete_for(session, now)
        for account_id in due:
            await self.engine.hint(DELETE, str(account_id), now)

    async def delete(self, key: str) -> None:
        """Everything that is to be deleted for one account; ``key`` is its inner id."""
        account_id = int(key)
        if await self._next(account_id) is None:
            return
        async with self.db.write() as session:
            fence = await lanes.take_lane(session, self.clock, account_id, self.worker, self._lease)
        if fence is None:
            return  # the sweep asks again when the lane is free
        try:
            await self._delete_due(account_id, fence)
        finally:
            async with self.db.write() as session:
                await lanes.drop_lane(session, account_id, fence)
            # A hint to send that found the lane busy was turned away.
            await self.engine.hint(DRAIN, key, self.clock.now())

    @property
    def _lease(self) -> timedelta:
        return timedelta(seconds=self.pace.lease)

    async def _next(self, account_id: int) -> tuple[Post, Segment] | None:
        async with self.db.read() as session:
            return await queries.next_to_delete(session, account_id, self.clock.now())

    async def _delete_due(self, account_id: int, fence: int) -> None:
        while not self.engine.is_stopping and (coming := await self._next(account_id)) is not None:
            async with self.db.write() as session:
                if not await lanes.renew_lane(session, self.clock, account_id, fence, self._lease):
                    return
            await self._delete_card(*coming)

    async def _delete_card(self, post: Post, segment: Segment) -> None:
        try:
            was_there = await self._send(segment)
        except PerchError as error:
            again_at = try_again_at(error, now=self.clock.now(), tries=post.tries, pace=self.pace)
            await self._put_off(post, segment, error, again_at)
        else:
            await self._deleted(post, segment, was_there=was_there)
            log.info("segment_deleted", post=post.public_id, x_post_id=segment.x_post_id)

    async def _send(self, segment: Segment) -> bool:
        """Whether it was there to be deleted."""
        operation = DeletePost(segment.x_post_id or "")
        line = await self.lines.open(segment.account_id)
        try:
            return await self._call(line, operation)
        except x.Unauthorized:
            return await self._call(await self.lines.renew(segment.account_id, line.auth), operation)

    async def _call(self, line: Line, operation: DeletePost) -> bool:
        return (await line.client.send(operation, line.auth, deadline=self.pace.http)).result

    async def _deleted(self, post: Post, segment: Segment, *, was_there: bool) -> None:
        now = self.clock.now()
        async with self.db.write() as session:
            held = await _held(session, post)
            if held is None:
                return
            await session.execute(
                update(Segment).where(Segment.id == segment.id).values(delete_at=None, deleted_at=now)
            )
            spent = self._price(now.date()) if was_there else 0
            if spent:
                await reserving.charge(session, [_charge(post, now, spent)], now)
            detail: chain.Detail = {
                "card": segment.position + 1, "x_post_id": segment.x_post_id,
                "was_there": int(was_there), "spent_micros": spent,
            }  # fmt: skip
            held.tries, held.updated_at, held.why, held.fix = 0, now, None, None
            if await queries.next_to_delete_of(session, post.id) is None:
                await _end(session, held, now)
            await session.flush()
            await chain.append(session, [chain.Happening(post.id, now, "deleted", detail)])

    async def _put_off(
        self, post: Post, segment: Segment, error: PerchError, again_at: datetime | None
    ) -> None:
        """Later, all that is left of the post; or never, when X refuses: then a person decides anew."""
        now = self.clock.now()
        async with self.db.write() as session:
            held = await _held(session, post)
            if held is None:
                return
            await session.execute(
                update(Segment)
                .where(Segment.post_id == post.id, Segment.delete_at.is_not(None))
                .values(delete_at=again_at)
            )
            held.tries, held.updated_at, held.why, held.fix = held.tries + 1, now, error.sentence, error.fix
            detail: chain.Detail = {
                "card": segment.position + 1, "sentence": error.sentence,
                "try_at": again_at.isoformat() if again_at else None,
            }  # fmt: skip
            kind = "delete_waits" if again_at else "delete_refused"
            await session.flush()
            await chain.append(session, [chain.Happening(post.id, now, kind, detail)])

    def _price(self, today: date) -> int:
        return price_of(Charge.INTERACTION_DELETE, at=today, plan=self.plan).micros


async def _held(session: AsyncSession, post: Post) -> Post | None:
    return await session.scalar(select(Post).where(Post.id == post.id).with_for_update())


async def _end(session: AsyncSession, post: Post, now: datetime) -> None:
    """A thread that broke ends cancelled; a post that had gone out whole stays published."""
    if post.state != PostState.PARTLY_PUBLISHED:
        return
    post.state, post.finished_at = PostState.CANCELLED, now
    await session.execute(
        update(Segment)
        .where(Segment.post_id == post.id, Segment.state == SegmentState.WAITING)
        .values(state=SegmentState.DROPPED)
    )


def _charge(post: Post, now: datetime, micros: int) -> dict[str, object]:
    return {
        "workspace_id": post.workspace_id, "account_id": post.account_id, "post_id": post.id,
        "at": now, "what": POST_DELETED, "micros": micros,
    }  # fmt: skip

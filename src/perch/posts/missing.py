"""Posts that could not go out in time: sent late, one after the other, or put before a person.

Nothing is late by itself while a pause or a rest holds it up; what it is then is decided when it is free.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Select, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts.models import MissedPolicy, XAccount
from perch.clock import Clock
from perch.db import Database
from perch.jobs import Pace
from perch.notices import telling
from perch.notices.telling import News
from perch.posts import chain, queries
from perch.posts.models import Post, PostState, Recurrence
from perch.posts.retrying import PauseReason

KIND = "missed"
SKIP = "skip"
"""The policy of a recurring post whose late turns are left out."""
log = structlog.get_logger(__name__)
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Late:
    """A post that is late, and what its account, or the recurring post it belongs to, wants then."""

    post_id: int
    account_id: int
    due_at: datetime
    policy: str


@dataclass(frozen=True, slots=True)
class Plan:
    """``send``: (post, account, when). ``ask`` and ``skip``: (post, account)."""

    send: tuple[tuple[int, int, datetime], ...]
    ask: tuple[tuple[int, int], ...]
    skip: tuple[tuple[int, int], ...]


def plan(late: Sequence[Late], last: dict[int, datetime], now: datetime, pace: Pace) -> Plan:
    """What becomes of late posts, given in due order. Pure.

    ``last`` is when each account's latest late post goes out: others follow it at a distance.
    """
    send, ask, skip, gap = [], [], [], timedelta(seconds=pace.catch_up)
    for one in late:
        if one.policy == SKIP:
            skip.append((one.post_id, one.account_id))
        elif one.policy == MissedPolicy.ASK or now - one.due_at > timedelta(seconds=pace.missed):
            ask.append((one.post_id, one.account_id))
        else:
            before = last.get(one.account_id)
            at = now if before is None else max(now, before + gap)
            last[one.account_id] = at
            send.append((one.post_id, one.account_id, at))
    return Plan(tuple(send), tuple(ask), tuple(skip))


@dataclass(frozen=True, slots=True)
class Missing:
    """Looks for late posts at the start and in every sweep, before anything is sent."""

    db: Database
    clock: Clock
    pace: Pace
    may_decide: Callable[[], bool] = lambda: True
    """False while the clock is in doubt: a clock that jumped makes everything late."""

    async def sweep(self) -> None:
        """Decide on every post that is late and of which nothing is decided yet."""
        while self.may_decide() and await self._some():
            pass

    async def _some(self) -> bool:
        """Whether there may be more."""
        now = self.clock.now()
        since = now - timedelta(seconds=self.pace.late)
        async with self.db.read() as session:
            if await session.scalar(_undecided(now, since).limit(1)) is None:
                return False
        async with self.db.write() as session:
            late = await _late(session, now, since)
            planned = plan(
                late, await _last(session, {one.account_id for one in late}, since), now, self.pace
            )
            await _carry_out(session, late, planned, now)
        log.warning("posts_late", sent=len(planned.send), asked=len(planned.ask), skipped=len(planned.skip))
        return len(late) == _AT_ONCE


async def settled(session: AsyncSession, account_id: int, now: datetime) -> None:
    """A missed post of the account was decided on: with the last of them its notice ends."""
    left = await session.scalar(
        select(func.count()).where(Post.account_id == account_id, Post.state == PostState.MISSED)
    )
    if not left:
        account = await session.get_one(XAccount, account_id)
        await telling.mended(session, [_cause(account.public_id)], now)


def _undecided(now: datetime, since: datetime) -> Select[int]:
    waits_for_nothing = and_(Post.try_at.is_(None), Post.paused_reason.is_(None))
    has_new_month = and_(Post.paused_reason == PauseReason.BUDGET, Post.try_at <= now)
    return select(Post.id).where(
        Post.state == PostState.SCHEDULED,
        Post.due_at <= since,
        or_(waits_for_nothing, has_new_month),
        queries.may_send(now),
        ~queries.is_paused(),
    )


async def _late(session: AsyncSession, now: datetime, since: datetime) -> list[Late]:
    policy = func.coalesce(Recurrence.missed_policy, XAccount.missed_policy)
    found = await session.execute(
        select(Post.id, Post.account_id, Post.due_at, policy)
        .join(XAccount, XAccount.id == Post.account_id)
        .outerjoin(Recurrence, Recurrence.id == Post.recurrence_id)
        .where(Post.id.in_(_undecided(now, since)))
        .order_by(Post.due_at, Post.id)
        .limit(_AT_ONCE)
        .with_for_update(of=Post, skip_locked=True)
    )
    return [Late(row[0], row[1], row[2] or now, row[3]) for row in found]


async def _last(session: AsyncSession, account_ids: set[int], since: datetime) -> dict[int, datetime]:
    found = await session.execute(
        select(Post.account_id, func.max(Post.try_at))
        .where(
            Post.account_id.in_(account_ids),
            Post.state == PostState.SCHEDULED,
            Post.due_at <= since,
            Post.try_at.is_not(None),
            # A try that waits for a person, or for next month's budget, is not one to go behind.
            Post.paused_reason.is_(None),
        )
        .group_by(Post.account_id)
    )
    return {account_id: at for account_id, at in found if at is not None}


async def _carry_out(session: AsyncSession, late: Sequence[Late], planned: Plan, now: datetime) -> None:
    was = {one.post_id: _minutes(now - one.due_at) for one in late}
    if planned.send:
        rows = [{"id": post_id, "try_at": at, "paused_reason": None} for post_id, _, at in planned.send]
        await session.execute(update(Post), rows)
    await _end(session, planned.ask, PostState.MISSED, now)
    await _end(session, planned.skip, PostState.CANCELLED, now)
    lines = [
        chain.Happening(one, now, "late", {"minutes": was[one], "try_at": at.isoformat()})
        for one, _, at in planned.send
    ]
    lines += [chain.Happening(one, now, "missed", {"minutes": was[one]}) for one, _ in planned.ask]
    lines += [chain.Happening(one, now, "skipped", {"minutes": was[one]}) for one, _ in planned.skip]
    await chain.append(session, lines)
    await _tell(session, {account_id for _, account_id in planned.ask}, now)


_WHY = {
    PostState.MISSED: ("It could not go out in time.", "Send it now, give it another time, or cancel it."),
    PostState.CANCELLED: ("It could not go out in time, and late turns are left out.", None),
}


async def _end(
    session: AsyncSession, posts: Sequence[tuple[int, int]], state: PostState, now: datetime
) -> None:
    if not posts:
        return
    why, fix = _WHY[state]
    finished = now if state == PostState.CANCELLED else None
    await session.execute(
        update(Post)
        .where(Post.id.in_([post_id for post_id, _ in posts]))
        .values(
            state=state, paused_reason=None, why=why, fix=fix, version=Post.version + 1,
            updated_at=now, finished_at=finished,
        ),
        execution_options={"synchronize_session": False},
    )  # fmt: skip


async def _tell(session: AsyncSession, account_ids: set[int], now: datetime) -> None:
    accounts = await session.scalars(
        select(XAccount).where(XAccount.id.in_(account_ids)).order_by(XAccount.id)
    )
    news = [
        News(
            cause=_cause(account.public_id),
            kind=KIND,
            sentence=f"Posts of @{account.username} could not go out in time and wait for you.",
            fix="Open each one: send it now, give it another time, or cancel it.",
            workspace_id=account.workspace_id,
        )
        for account in accounts
    ]
    await telling.tell(session, news, now)


def _cause(account_public_id: str) -> str:
    return f"{KIND}:account:{account_public_id}"


def _minutes(span: timedelta) -> int:
    return round(span.total_seconds() / 60)

"""Who of the posts that were just claimed may go on: one probe of a pause, and what there is money for."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts.models import XAccount, XApp
from perch.posts import affording
from perch.posts.models import Post, PostState, Segment

_QUIET = {"synchronize_session": False}


@dataclass(frozen=True, slots=True)
class Terms:
    """``probe_after``: how long after a probe the next one may go; ``cap_micros``: the month's budget."""

    probe_after: timedelta = timedelta(hours=1)
    cap_micros: int | None = None


NO_TERMS = Terms()


async def admit(
    session: AsyncSession, claimed: Mapping[int, str | None], terms: Terms, at: datetime
) -> set[int]:
    """The posts that go on. ``claimed`` holds each one's pause: of an account or app that is being probed."""
    paused = [post_id for post_id, reason in claimed.items() if reason is not None]
    turned_away = await _all_but_probes(session, paused, at, at + terms.probe_after) if paused else set()
    return await affording.afford(session, terms.cap_micros, at, claimed.keys() - turned_away)


async def _all_but_probes(
    session: AsyncSession, post_ids: Collection[int], at: datetime, until: datetime
) -> set[int]:
    """One post goes out to see whether the cause is mended; on many workers the app's row says who."""
    found = await session.execute(
        select(Post.id, Post.account_id, XAccount.app_id)
        .join(XAccount, XAccount.id == Post.account_id)
        .where(Post.id.in_(post_ids))
        .order_by(Post.due_at, Post.id)
    )
    rows = [(row[0], row[1], row[2]) for row in found]
    first_of_app = {app_id: post_id for post_id, _, app_id in reversed(rows)}
    first_of_account = {account_id: post_id for post_id, account_id, _ in reversed(rows)}
    apps = await _taken(session, XApp, first_of_app, at, until)
    accounts = await _taken(session, XAccount, first_of_account, at, until)
    probes = {first_of_app[one] for one in apps} | {first_of_account[one] for one in accounts}
    others = set(post_ids) - probes
    await _put_back(session, others)
    return others


async def _taken(
    session: AsyncSession, table: type[XApp | XAccount], rows: Collection[int], at: datetime, until: datetime
) -> Sequence[int]:
    """Which of these rows let us probe now."""
    taken = await session.scalars(
        update(table)
        .where(table.id.in_(sorted(rows)), table.paused_reason.is_not(None), table.paused_until <= at)
        .values(paused_until=until)
        .returning(table.id),
        execution_options=_QUIET,
    )
    return taken.all()


async def _put_back(session: AsyncSession, post_ids: Collection[int]) -> None:
    if not post_ids:
        return
    begun = exists().where(Segment.post_id == Post.id, Segment.x_post_id.is_not(None))
    await session.execute(
        update(Post)
        .where(Post.id.in_(post_ids))
        .values(state=case((begun, PostState.PUBLISHING), else_=PostState.SCHEDULED), paused_reason=None),
        execution_options=_QUIET,
    )

"""The next occurrences of recurring posts, made ahead of time as ordinary posts, each of them once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from perch.clock import Clock
from perch.db import Database
from perch.jobs import Engine
from perch.notices import telling
from perch.notices.telling import News
from perch.posts import dues, refrains, rhythms
from perch.posts.errors import PostNotFound, RuleBroken
from perch.posts.models import Post, PostState, Recurrence, RecurrenceState
from perch.posts.refrains import REPEAT_AFTER
from perch.posts.scheduling import Checked, Occurrence, accept, check, require_sound
from perch.posts.walls import Wall

KIND = "recurrence"
_AHEAD = 2
_WITHIN = timedelta(days=7)
_SAID = (
    PostState.SCHEDULED,
    PostState.PUBLISHING,
    PostState.PUBLISHED,
    PostState.PARTLY_PUBLISHED,
    PostState.NEEDS_YOU,
    PostState.MISSED,
)
_NOTHING_NEW = "Every text of it was said within the last days, and X takes the same words for spam."
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Growing:
    """Makes the next occurrences of every recurring post, in every sweep."""

    db: Database
    clock: Clock
    engine: Engine
    may_decide: Callable[[], bool] = lambda: True

    async def sweep(self) -> None:
        """One transaction for each that has room."""
        if not self.may_decide():
            return  # while the clock is in doubt nobody knows which time is next
        async with self.db.read() as session:
            thirsty = await _thirsty(session, self.clock.now())
        for recurrence_id in thirsty:
            try:
                async with self.db.write() as session:
                    row = await locked(session, recurrence_id)
                    await grow(session, self.clock, self.engine, row)
            except Exception:
                # One that we stumble over must not hold up the others.
                log.exception("recurrence_stumbled", recurrence_id=recurrence_id)


async def grow(session: AsyncSession, clock: Clock, engine: Engine, recurrence: Recurrence) -> None:
    """Make the next occurrences, as far as they come soon. The caller holds the row."""
    now = clock.now()
    waiting = await _waiting(session, recurrence.id, now)
    while recurrence.state == RecurrenceState.ON and waiting < _AHEAD:
        wall = _next(recurrence, now)
        if wall is None:
            recurrence.state, recurrence.next_local = RecurrenceState.ENDED, None
            return
        recurrence.next_local = wall.iso
        if wall.at > now + _WITHIN:
            return
        if not await _accept(session, clock, engine, recurrence, wall):
            return
        waiting += 1
        recurrence.made += 1
        recurrence.next_local = (wall.local + timedelta(seconds=1)).isoformat(timespec="seconds")


async def locked(session: AsyncSession, recurrence_id: int) -> Recurrence:
    """The row as it is now, held until the transaction ends."""
    found = await session.scalars(
        select(Recurrence)
        .where(Recurrence.id == recurrence_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found.one()


def cause_of(recurrence: Recurrence) -> str:
    """The name of its notice."""
    return f"{KIND}:{recurrence.public_id}"


async def _accept(
    session: AsyncSession, clock: Clock, engine: Engine, recurrence: Recurrence, wall: Wall
) -> bool:
    """Whether one of its texts could be taken for this time; otherwise it is paused, with the reason."""
    app = await refrains.app_of(session, recurrence.account_id)
    for variant in await refrains.variants(session, recurrence.id):
        try:
            checked = await check(session, clock, refrains.draft_of(recurrence, variant), app.plan)
            require_sound(checked)
        except (RuleBroken, PostNotFound) as error:
            await _hold(session, clock, recurrence, error.sentence)
            return False
        if await _is_said(session, checked, wall.at):
            continue
        await accept(
            session, clock, engine, checked, dues.AtWall(wall.local, recurrence.zone),
            jitter=timedelta(seconds=recurrence.jitter_s), occurrence=Occurrence(recurrence.id, wall.iso),
        )  # fmt: skip
        variant.uses, variant.used_at = variant.uses + 1, clock.now()
        await session.flush()
        return True
    await _hold(session, clock, recurrence, _NOTHING_NEW)
    return False


async def _hold(session: AsyncSession, clock: Clock, recurrence: Recurrence, why: str) -> None:
    recurrence.state, recurrence.why = RecurrenceState.PAUSED, why
    news = News(
        cause=cause_of(recurrence),
        kind=KIND,
        sentence=f"A recurring post was paused: {why}",
        fix="Give it more or other texts, or a slower rule; that takes it up again.",
        workspace_id=recurrence.workspace_id,
    )
    await telling.tell(session, [news], clock.now())


def _next(recurrence: Recurrence, now: datetime) -> Wall | None:
    """The first reading that has no post yet and is not over. What was slept through stays left out."""
    is_done = recurrence.most is not None and recurrence.made >= recurrence.most
    if is_done or recurrence.next_local is None:
        return None
    before = datetime.fromisoformat(recurrence.next_local) - timedelta(seconds=1)
    since = max(now, recurrence.starts_at)
    wall = next(
        rhythms.readings(recurrence.rule, recurrence.zone, Wall(before, recurrence.zone), since), None
    )
    is_over = wall is not None and recurrence.ends_at is not None and wall.at > recurrence.ends_at
    return None if is_over else wall


async def _thirsty(session: AsyncSession, now: datetime) -> Sequence[int]:
    """Those whose next time comes soon and that have room for it; a wall is up to 14 hours ahead of UTC."""
    until = (now + _WITHIN + timedelta(hours=14)).replace(tzinfo=None).isoformat(timespec="seconds")
    waiting = (
        select(func.count())
        .where(Post.recurrence_id == Recurrence.id, Post.state == PostState.SCHEDULED, Post.due_at > now)
        .scalar_subquery()
    )
    found = await session.scalars(
        select(Recurrence.id)
        .where(Recurrence.state == RecurrenceState.ON, Recurrence.next_local <= until, waiting < _AHEAD)
        .order_by(Recurrence.id)
    )
    return found.all()


async def _waiting(session: AsyncSession, recurrence_id: int, now: datetime) -> int:
    counted = await session.scalar(
        select(func.count()).where(
            Post.recurrence_id == recurrence_id, Post.state == PostState.SCHEDULED, Post.due_at > now
        )
    )
    return counted or 0


async def _is_said(session: AsyncSession, checked: Checked, at: datetime) -> bool:
    """Whether the account says the same within days, before or after."""
    found = await session.scalar(
        select(Post.id)
        .where(
            Post.account_id == checked.account.id,
            Post.content_hash == checked.draft.content_hash(),
            Post.state.in_(_SAID),
            Post.due_at > at - REPEAT_AFTER,
            Post.due_at < at + REPEAT_AFTER,
        )
        .limit(1)
    )
    return found is not None

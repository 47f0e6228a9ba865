"""Every statement of the notices room; none commits."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from perch.notices.models import Notice


async def begin(session: AsyncSession, rows: Sequence[Mapping[str, object]]) -> set[str]:
    """Keep notices of causes that have none open yet. Returns the public ids of those kept."""
    dialect = (await session.connection()).dialect.name
    statement = sqlite.insert(Notice) if dialect == "sqlite" else postgresql.insert(Notice)
    beginning = statement.values(list(rows)).on_conflict_do_nothing().returning(Notice.public_id)
    return set(await session.scalars(beginning))


async def end(session: AsyncSession, causes: Collection[str], now: datetime) -> None:
    """Causes are mended."""
    is_theirs = Notice.cause.in_(causes)
    await session.execute(
        update(Notice).where(is_theirs, Notice.ended_at.is_(None)).values(ended_at=now),
        execution_options={"synchronize_session": False},
    )


async def end_of_kind(session: AsyncSession, kind: str, now: datetime) -> None:
    """Every cause of this kind is mended."""
    await session.execute(
        update(Notice).where(Notice.kind == kind, Notice.ended_at.is_(None)).values(ended_at=now),
        execution_options={"synchronize_session": False},
    )


async def open_in(session: AsyncSession, workspace_id: int) -> Sequence[Notice]:
    """What a workspace should know now, the oldest first: its own notices, and those for everybody."""
    theirs = or_(Notice.workspace_id == workspace_id, Notice.workspace_id.is_(None))
    found = await session.scalars(
        select(Notice).where(theirs, Notice.ended_at.is_(None)).order_by(Notice.began_at, Notice.id)
    )
    return found.all()


async def everybodys(session: AsyncSession) -> Sequence[Notice]:
    """What concerns the instance as a whole, the oldest first."""
    found = await session.scalars(
        select(Notice)
        .where(Notice.workspace_id.is_(None), Notice.ended_at.is_(None))
        .order_by(Notice.began_at, Notice.id)
    )
    return found.all()

"""Telling people of a cause that needs somebody: once, from when it began until it is mended."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from perch.db import new_public_id
from perch.notices import queries

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class News:
    """What there is to tell: to one workspace, or with None to everybody. ``link`` is a page of ours."""

    cause: str
    kind: str
    sentence: str
    fix: str
    workspace_id: int | None = None
    link: str | None = None


async def tell(session: AsyncSession, news: Sequence[News], now: datetime) -> None:
    """Open a notice for each cause that has none open; who tells the same again tells nothing new."""
    if not news:
        return
    # One cause is told once, also when two posts of a batch have met it.
    rows = {one.cause: {**asdict(one), "public_id": new_public_id(), "began_at": now} for one in news}
    begun = await queries.begin(session, list(rows.values()))
    for row in rows.values():
        if row["public_id"] in begun:
            log.warning("notice_opened", cause=row["cause"])


async def mended(session: AsyncSession, causes: Collection[str], now: datetime) -> None:
    """Close what was told of these causes."""
    if causes:
        await queries.end(session, causes, now)

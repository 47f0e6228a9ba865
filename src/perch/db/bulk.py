"""Many rows in one call, without the ORM, whose bookkeeping would cost a hot path more than the rows."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from sqlalchemy import Insert, Update, bindparam, insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from perch.db.base import Base, table_of

Row = Mapping[str, object]


async def insert_rows(session: AsyncSession, entity: type[Base], rows: Sequence[Row]) -> None:
    """Rows of the same columns. Objects of the session know nothing of them."""
    if rows:
        await (await session.connection()).execute(_inserting(entity), list(rows))


async def update_rows(session: AsyncSession, entity: type[Base], changes: Sequence[tuple[int, Row]]) -> None:
    """(id, new values) of rows, each with columns of its own. Objects of the session do not follow."""
    alike: dict[tuple[str, ...], list[Row]] = {}
    for key, values in sorted(changes, key=lambda change: change[0]):
        if values:
            alike.setdefault(tuple(values), []).append({"_id": key, **values})
    connection = await session.connection()
    for rows in alike.values():
        await connection.execute(_updating(entity), rows)


@lru_cache
def _inserting(entity: type[Base]) -> Insert:
    return insert(table_of(entity))


@lru_cache
def _updating(entity: type[Base]) -> Update:
    table = table_of(entity)
    return update(table).where(table.c.id == bindparam("_id"))

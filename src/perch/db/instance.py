"""Facts about this installation as a whole, such as which key sealed its secrets."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from perch.db.base import Base

_STARTING = 0x5045524349


class InstanceFact(Base):
    """One named fact."""

    __tablename__ = "instance_fact"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


async def fact(session: AsyncSession, name: str) -> str | None:
    """The value of a fact, or None before it was stated."""
    row = await session.get(InstanceFact, name)
    return row.value if row else None


async def state_fact(session: AsyncSession, name: str, value: str) -> None:
    """State a fact, in place of what was stated before."""
    await session.merge(InstanceFact(name=name, value=value))


async def one_at_a_time(session: AsyncSession) -> None:
    """Others that ask for this wait until the transaction ends; on SQLite writers do anyway."""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(select(func.pg_advisory_xact_lock(_STARTING)))

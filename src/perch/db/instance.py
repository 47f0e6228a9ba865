"""Facts about this installation as a whole, such as which key sealed its secrets."""

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from perch.db.base import Base


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

"""The table of what was spent at X."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from perch.db import Base


class Spend(Base):
    """One charge, as Perch reckons it: X bills by its own count and shows no line items."""

    __tablename__ = "spend"
    __table_args__ = (Index("ix_spend_workspace_id_at", "workspace_id", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    account_id: Mapped[int] = mapped_column(ForeignKey("x_account.id", ondelete="CASCADE"))
    post_id: Mapped[int | None] = mapped_column(ForeignKey("post.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    what: Mapped[str]
    micros: Mapped[int]


class MonthlyBudget(Base):
    """What one scope has reserved and spent in one month of UTC. Locked by whoever claims a post.

    ``scope`` is ``instance``, or a kind and a public id such as ``account:k3…``; ``month`` is ``2026-11``.
    """

    __tablename__ = "monthly_budget"
    __table_args__ = (UniqueConstraint("scope", "month"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    scope: Mapped[str]
    month: Mapped[str]
    reserved_micros: Mapped[int] = mapped_column(BigInteger, default=0)
    spent_micros: Mapped[int] = mapped_column(BigInteger, default=0)

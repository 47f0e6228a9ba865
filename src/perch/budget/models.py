"""The table of what was spent at X."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
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

"""The table of notices: what people are told, once for each cause."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from perch.db import Base, new_public_id

_OPEN = text("ended_at IS NULL")


class Notice(Base):
    """One cause that needs somebody, from when it began until it was mended.

    ``workspace_id`` is None when it concerns everybody; ``cause`` names what and whose, such as
    ``credits:app:k3…``, and is open at most once.
    """

    __tablename__ = "notice"
    __table_args__ = (
        Index("uq_notice_open_cause", "cause", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_notice_workspace_id_ended_at", "workspace_id", "ended_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True, default=new_public_id)
    workspace_id: Mapped[int | None] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    cause: Mapped[str]
    kind: Mapped[str]
    sentence: Mapped[str]
    fix: Mapped[str]
    link: Mapped[str | None]
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

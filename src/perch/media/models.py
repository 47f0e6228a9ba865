"""Tables of the library and of what X was given of it."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from perch.db import Base, new_public_id, one_of


class MediaKind(StrEnum):
    """What X distinguishes: its limits and its upload category follow from it."""

    IMAGE = "image"
    GIF = "gif"
    VIDEO = "video"


class Asset(Base):
    """A picture, an animated GIF or a video of a workspace. The file is named by the SHA-256 of its bytes."""

    __tablename__ = "asset"
    __table_args__ = (UniqueConstraint("workspace_id", "sha256"), one_of("kind", MediaKind))

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True, default=new_public_id)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    kind: Mapped[str]
    media_type: Mapped[str]
    sha256: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    width: Mapped[int]
    height: Mapped[int]
    duration_ms: Mapped[int | None]
    frames: Mapped[int | None]
    name: Mapped[str]
    alt_text: Mapped[str] = mapped_column(default="")
    source_url: Mapped[str | None]
    created_at: Mapped[datetime]


class MediaUpload(Base):
    """An asset that X holds for an account, until it expires there. Alt text is part of what X holds."""

    __tablename__ = "media_upload"
    __table_args__ = (Index("ix_media_upload_asset_id_account_id", "asset_id", "account_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    asset_id: Mapped[int] = mapped_column(ForeignKey("asset.id", ondelete="CASCADE"))
    account_id: Mapped[int] = mapped_column(ForeignKey("x_account.id", ondelete="CASCADE"))
    alt_text: Mapped[str]
    x_media_id: Mapped[str]
    ready_at: Mapped[datetime]
    expires_at: Mapped[datetime]

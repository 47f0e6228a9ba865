"""Tables of who may do what."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from perch.db import Base, new_public_id, one_of


class Role(StrEnum):
    """What a member may do in a workspace, strongest first."""

    OWNER = "owner"
    EDITOR = "editor"
    WRITER = "writer"
    VIEWER = "viewer"


class TokenKind(StrEnum):
    """Where an API token came from."""

    GPT = "gpt"
    KEY = "key"


class Workspace(Base):
    """Owns accounts, posts and media. Made with a person's first sign-in."""

    __tablename__ = "workspace"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True, default=new_public_id)
    name: Mapped[str]
    created_at: Mapped[datetime]


class Person(Base):
    """A human who signs in."""

    __tablename__ = "person"

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True, default=new_public_id)
    name: Mapped[str]
    created_at: Mapped[datetime]


class Membership(Base):
    """A person's role in a workspace."""

    __tablename__ = "membership"
    __table_args__ = (UniqueConstraint("person_id", "workspace_id"), one_of("role", Role))

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"))
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    role: Mapped[str]
    created_at: Mapped[datetime]


class Identity(Base):
    """An X account that signs a person in. ``app_kind`` and ``api_url`` say which X it is an account of."""

    __tablename__ = "identity"
    __table_args__ = (UniqueConstraint("app_kind", "api_url", "x_user_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    app_kind: Mapped[str]
    api_url: Mapped[str]
    x_user_id: Mapped[str]
    created_at: Mapped[datetime]


class WebSession(Base):
    """A browser that is signed in. The cookie's value is kept as a SHA-256 only."""

    __tablename__ = "web_session"

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    csrf_token: Mapped[str]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class ApiToken(Base):
    """A token of Perch's own for machines, kept as a SHA-256 only."""

    __tablename__ = "api_token"
    __table_args__ = (one_of("kind", TokenKind),)

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True, default=new_public_id)
    token_hash: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    name: Mapped[str]
    scope: Mapped[str]
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("x_account.id", ondelete="CASCADE"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class Invitation(Base):
    """A one-use link that lets one more person in."""

    __tablename__ = "invitation"
    __table_args__ = (one_of("role", Role), Index("ix_invitation_workspace_id", "workspace_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    role: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

"""Tables of X apps, X accounts, their grants, and sign-ins under way."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from perch.db import Base, new_public_id, one_of


class AppKind(StrEnum):
    """Which X an app talks to."""

    LIVE = "live"
    SANDBOX = "sandbox"


class RefreshState(StrEnum):
    """Where the one refresh of a grant that may be in flight stands."""

    IDLE = "idle"
    INFLIGHT = "inflight"
    UNKNOWN = "unknown"
    DEAD = "dead"


class LoginFace(StrEnum):
    """Where a sign-in ends."""

    BROWSER = "browser"
    JSON = "json"
    TERMINAL = "terminal"


class XApp(Base):
    """An app registered with X, or with the sandbox. An account's client refuses every other host.

    Pauses and rests are as in ``XAccount``, for every account of the app.
    """

    __tablename__ = "x_app"
    __table_args__ = (UniqueConstraint("kind", "api_url", "client_id"), one_of("kind", AppKind))

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True, default=new_public_id)
    kind: Mapped[str]
    api_url: Mapped[str]
    authorize_url: Mapped[str]
    client_id: Mapped[str]
    client_secret_sealed: Mapped[str | None]
    plan: Mapped[str]
    created_at: Mapped[datetime]
    paused_reason: Mapped[str | None]
    paused_until: Mapped[datetime | None]
    rests_until: Mapped[datetime | None]
    rests: Mapped[int] = mapped_column(default=0)


class MissedPolicy(StrEnum):
    """What becomes of posts that could not go out in time."""

    SEND = "send"
    ASK = "ask"


class XAccount(Base):
    """An X account that posts can be sent from, with the lane that serialises its sends.

    ``paused_*``: a cause that a person mends; ``paused_until`` is when Perch itself probes again.
    ``rests_until``: X's rate window; ``rests`` counts those that X gave no end for, in a row.
    """

    __tablename__ = "x_account"
    __table_args__ = (UniqueConstraint("app_id", "x_user_id"), one_of("missed_policy", MissedPolicy))

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True, default=new_public_id)
    app_id: Mapped[int] = mapped_column(ForeignKey("x_app.id"))
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    x_user_id: Mapped[str]
    username: Mapped[str]
    name: Mapped[str]
    avatar_url: Mapped[str | None]
    subscription_type: Mapped[str | None]
    zone: Mapped[str]
    created_at: Mapped[datetime]
    disconnected_at: Mapped[datetime | None]
    paused_reason: Mapped[str | None]
    paused_until: Mapped[datetime | None]
    rests_until: Mapped[datetime | None]
    rests: Mapped[int] = mapped_column(default=0)
    missed_policy: Mapped[str] = mapped_column(default=MissedPolicy.SEND)
    lane_owner: Mapped[str | None]
    lane_until: Mapped[datetime | None]
    fence: Mapped[int] = mapped_column(default=0)


class Grant(Base):
    """What an account's holder consented to: one a account, replaced whole by a new consent.

    ``refused_since`` and ``refused_at``: the first and the latest 401 of a run of them.
    """

    __tablename__ = "x_grant"
    __table_args__ = (one_of("refresh_state", RefreshState),)

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True, default=new_public_id)
    account_id: Mapped[int] = mapped_column(ForeignKey("x_account.id", ondelete="CASCADE"), unique=True)
    scope: Mapped[str]
    access_token_sealed: Mapped[str] = mapped_column(Text)
    refresh_token_sealed: Mapped[str | None] = mapped_column(Text)
    expires_at: Mapped[datetime]
    generation: Mapped[int] = mapped_column(default=1)
    refresh_state: Mapped[str] = mapped_column(default=RefreshState.IDLE)
    refresh_owner: Mapped[str | None]
    refresh_until: Mapped[datetime | None]
    granted_at: Mapped[datetime]
    rotated_at: Mapped[datetime]
    refused_since: Mapped[datetime | None]
    refused_at: Mapped[datetime | None]


class Revocation(Base):
    """A token to be revoked on X, until X has confirmed it."""

    __tablename__ = "revocation"
    __table_args__ = (Index("ix_revocation_try_at", "try_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True, default=new_public_id)
    app_id: Mapped[int] = mapped_column(ForeignKey("x_app.id", ondelete="CASCADE"))
    account_public_id: Mapped[str]
    token_sealed: Mapped[str] = mapped_column(Text)
    hint: Mapped[str]
    tries: Mapped[int] = mapped_column(default=0)
    try_at: Mapped[datetime]
    created_at: Mapped[datetime]


class LoginAttempt(Base):
    """A sign-in on its way through X: one use, ten minutes. Its PKCE verifier never leaves the server."""

    __tablename__ = "login_attempt"
    __table_args__ = (one_of("face", LoginFace), Index("ix_login_attempt_expires_at", "expires_at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True, default=new_public_id)
    app_id: Mapped[int] = mapped_column(ForeignKey("x_app.id"))
    face: Mapped[str]
    state_hash: Mapped[str] = mapped_column(unique=True)
    browser_hash: Mapped[str | None]
    verifier_sealed: Mapped[str]
    redirect_uri: Mapped[str]
    next_path: Mapped[str]
    zone: Mapped[str]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"))
    workspace_id: Mapped[int | None] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("x_account.id", ondelete="CASCADE"))
    invitation_id: Mapped[int | None] = mapped_column(ForeignKey("invitation.id", ondelete="CASCADE"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

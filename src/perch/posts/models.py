"""Tables of posts: what is to be said, every attempt to say it, and the chained story of both."""

from datetime import datetime
from enum import StrEnum
from typing import Protocol

from sqlalchemy import ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from perch.db import Base, new_public_id, one_of


class PostState(StrEnum):
    """Where a post stands. ``published``, ``refused``, ``cancelled`` and ``expired`` are never left."""

    DRAFT = "draft"
    AWAITING_APPROVAL = "awaiting_approval"
    REJECTED = "rejected"
    SCHEDULED = "scheduled"
    PUBLISHING = "publishing"
    PUBLISHED = "published"
    PARTLY_PUBLISHED = "partly_published"
    REFUSED = "refused"
    NEEDS_YOU = "needs_you"
    MISSED = "missed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class SegmentState(StrEnum):
    """Where one card of a post stands."""

    WAITING = "waiting"
    PUBLISHED = "published"
    REFUSED = "refused"
    NEEDS_YOU = "needs_you"
    DROPPED = "dropped"


class AttemptState(StrEnum):
    """Where one attempt to send a segment stands. Only one may be armed, sending or unknown."""

    ARMED = "armed"
    SENDING = "sending"
    OK = "ok"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"
    FOUND = "found"
    ABSENT = "absent"
    NEEDS_YOU = "needs_you"


class AuthorKind(StrEnum):
    """Who made a post."""

    PERSON = "person"
    TOKEN = "token"  # noqa: S105 - a word, not a secret
    CLI = "cli"


RESTORED = "restored"
"""The ``paused_reason`` of posts that wait for somebody to look whether they are out already."""
LIVE_ATTEMPTS = (AttemptState.ARMED, AttemptState.SENDING, AttemptState.UNKNOWN)
_LIVE = text("state IN ('armed', 'sending', 'unknown')")
_LOOKING = text("look_at IS NOT NULL")
_DELETING = text("delete_at IS NOT NULL")
_OPEN = text("state IN ('scheduled', 'publishing')")


class Post(Base):
    """One post or thread of an account. This row is the truth; jobs are hints to look at it."""

    __tablename__ = "post"
    __table_args__ = (
        one_of("state", PostState),
        one_of("author_kind", AuthorKind),
        Index("ix_post_account_id_state_due_at", "account_id", "state", "due_at"),
        Index("ix_post_open_due_at", "due_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_post_workspace_id_id", "workspace_id", "id"),
        UniqueConstraint("recurrence_id", "occurrence"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True, default=new_public_id)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    account_id: Mapped[int] = mapped_column(ForeignKey("x_account.id", ondelete="CASCADE"))
    author_kind: Mapped[str]
    author_id: Mapped[str]
    author_name: Mapped[str]
    state: Mapped[str]
    paused_reason: Mapped[str | None]
    version: Mapped[int] = mapped_column(default=1)
    due_at: Mapped[datetime | None]
    local_time: Mapped[str | None]
    zone: Mapped[str | None]
    fold: Mapped[int] = mapped_column(default=0)
    jitter_s: Mapped[int] = mapped_column(default=0)
    recurrence_id: Mapped[int | None] = mapped_column(ForeignKey("recurrence.id", ondelete="SET NULL"))
    occurrence: Mapped[str | None]
    try_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0)
    content_hash: Mapped[str]
    fence: Mapped[int | None]
    why: Mapped[str | None]
    rule: Mapped[str | None]
    fix: Mapped[str | None]
    price_micros: Mapped[int]
    reserved_micros: Mapped[int] = mapped_column(default=0)
    story_seq: Mapped[int] = mapped_column(default=0)
    story_hash: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Segment(Base):
    """One card: the text and media of a single X post.

    ``delete_at``: when to ask X to delete it, None when nobody wants that or it is done.
    """

    __tablename__ = "segment"
    __table_args__ = (
        UniqueConstraint("post_id", "position"),
        UniqueConstraint("account_id", "x_post_id"),
        Index("ix_segment_delete_at", "delete_at", sqlite_where=_DELETING, postgresql_where=_DELETING),
        one_of("state", SegmentState),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    post_id: Mapped[int] = mapped_column(ForeignKey("post.id", ondelete="CASCADE"))
    account_id: Mapped[int] = mapped_column(ForeignKey("x_account.id", ondelete="CASCADE"))
    position: Mapped[int]
    state: Mapped[str] = mapped_column(default=SegmentState.WAITING)
    text: Mapped[str] = mapped_column(Text)
    weight: Mapped[int]
    price_micros: Mapped[int]
    x_post_id: Mapped[str | None]
    published_at: Mapped[datetime | None]
    delete_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]


class PostLike(Protocol):
    """A row of ``post``, or what was read of one."""

    @property
    def id(self) -> int: ...
    @property
    def public_id(self) -> str: ...
    @property
    def workspace_id(self) -> int: ...
    @property
    def account_id(self) -> int: ...
    @property
    def tries(self) -> int: ...


class CardLike(Protocol):
    """A row of ``segment``, or what was read of one."""

    @property
    def id(self) -> int: ...
    @property
    def post_id(self) -> int: ...
    @property
    def position(self) -> int: ...
    @property
    def text(self) -> str: ...
    @property
    def price_micros(self) -> int: ...


class SegmentMedia(Base):
    """A library asset on a card, described for people who cannot see it."""

    __tablename__ = "segment_media"
    __table_args__ = (UniqueConstraint("segment_id", "position"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    segment_id: Mapped[int] = mapped_column(ForeignKey("segment.id", ondelete="CASCADE"))
    asset_id: Mapped[int] = mapped_column(ForeignKey("asset.id"), index=True)
    position: Mapped[int]
    alt_text: Mapped[str]


class Attempt(Base):
    """One attempt to send one segment: the exact bytes, and what came of them."""

    __tablename__ = "attempt"
    __table_args__ = (
        UniqueConstraint("segment_id", "n"),
        Index("uq_attempt_live", "segment_id", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE),
        Index("ix_attempt_look_at", "look_at", sqlite_where=_LOOKING, postgresql_where=_LOOKING),
        one_of("state", AttemptState),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    segment_id: Mapped[int] = mapped_column(ForeignKey("segment.id", ondelete="CASCADE"))
    n: Mapped[int]
    state: Mapped[str]
    fence: Mapped[int]
    worker: Mapped[str]
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    payload_sha256: Mapped[str]
    media_ids: Mapped[str]
    since_id: Mapped[str]
    armed_at: Mapped[datetime]
    deadline_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    look_at: Mapped[datetime | None]
    looks: Mapped[int] = mapped_column(default=0)
    absences: Mapped[int] = mapped_column(default=0)
    absent_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(Text)
    evidence: Mapped[str | None] = mapped_column(Text)


class PostEvent(Base):
    """One line of a post's story. ``hash`` covers the line and the hash before it; texts are not in it."""

    __tablename__ = "post_event"
    __table_args__ = (UniqueConstraint("post_id", "seq"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    post_id: Mapped[int] = mapped_column(ForeignKey("post.id", ondelete="CASCADE"))
    seq: Mapped[int]
    at: Mapped[datetime]
    kind: Mapped[str]
    detail: Mapped[str] = mapped_column(Text)
    hash: Mapped[str]


class Slot(Base):
    """A weekly place for a post of an account, by the wall of the account's zone. Monday is 0."""

    __tablename__ = "slot"
    __table_args__ = (UniqueConstraint("account_id", "weekday", "minute"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("x_account.id", ondelete="CASCADE"))
    weekday: Mapped[int]
    minute: Mapped[int]


class RecurrenceState(StrEnum):
    """Whether a recurring post goes on."""

    ON = "on"
    PAUSED = "paused"
    ENDED = "ended"


class Recurrence(Base):
    """A post that comes again: the rule as data. Each occurrence becomes a row of ``post`` ahead of time.

    ``next_local`` is the first reading of the wall clock in ``zone`` that has no row yet. A post's
    ``occurrence`` is such a reading: new rules for a zone move the instant, and make no second post.
    """

    __tablename__ = "recurrence"
    __table_args__ = (
        one_of("state", RecurrenceState),
        Index("ix_recurrence_next_local", "next_local"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[str] = mapped_column(unique=True, default=new_public_id)
    workspace_id: Mapped[int] = mapped_column(ForeignKey("workspace.id", ondelete="CASCADE"))
    account_id: Mapped[int] = mapped_column(ForeignKey("x_account.id", ondelete="CASCADE"), index=True)
    author_kind: Mapped[str]
    author_id: Mapped[str]
    author_name: Mapped[str]
    state: Mapped[str] = mapped_column(default=RecurrenceState.ON)
    rule: Mapped[str]
    zone: Mapped[str]
    jitter_s: Mapped[int] = mapped_column(default=0)
    missed_policy: Mapped[str]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    most: Mapped[int | None]
    next_local: Mapped[str | None]
    made: Mapped[int] = mapped_column(default=0)
    why: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class RecurrenceVariant(Base):
    """One of the texts a recurring post takes in turn: X refuses the same one twice."""

    __tablename__ = "recurrence_variant"
    __table_args__ = (UniqueConstraint("recurrence_id", "position"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    recurrence_id: Mapped[int] = mapped_column(ForeignKey("recurrence.id", ondelete="CASCADE"))
    position: Mapped[int]
    cards: Mapped[str] = mapped_column(Text)
    uses: Mapped[int] = mapped_column(default=0)
    used_at: Mapped[datetime | None]


class RememberedRequest(Base):
    """A write a machine may repeat without doing it twice: the same key gives the same post."""

    __tablename__ = "remembered_request"
    __table_args__ = (
        UniqueConstraint("owner", "key_hash"),
        Index("ix_remembered_request_expires_at", "expires_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str]
    key_hash: Mapped[str]
    body_hash: Mapped[str]
    post_id: Mapped[int | None] = mapped_column(ForeignKey("post.id", ondelete="CASCADE"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]

"""What accounts are to send next: the post that is due first, as values, with what its cards need."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from perch.accounts.models import XAccount
from perch.db.among import among, given, listed
from perch.posts import queries
from perch.posts.models import Attempt, AttemptState, Post, Segment, SegmentMedia, SegmentState


@dataclass(frozen=True, slots=True)
class DueCard:
    """A card as it is needed to send it. ``attempts`` counts those made so far."""

    id: int
    post_id: int
    position: int
    state: str
    text: str
    weight: int
    price_micros: int
    x_post_id: str | None
    has_media: bool
    attempts: int


@dataclass(frozen=True, slots=True)
class DuePost:
    """A post as it is needed to send it, with all its cards in order."""

    id: int
    public_id: str
    workspace_id: int
    account_id: int
    version: int
    tries: int
    cards: tuple[DueCard, ...]

    def waiting(self) -> Iterator[tuple[DueCard, str | None]]:
        """The cards from the first one that is not out, and the id that the first of them replies to."""
        parent: str | None = None
        has_begun = False
        for card in self.cards:
            has_begun = has_begun or card.state == SegmentState.WAITING
            if has_begun:
                yield card, parent
            parent = card.x_post_id

    def is_last(self, card: DueCard) -> bool:
        return card is self.cards[-1]


_lane = aliased(XAccount)
_post = aliased(Post)
_POST = (_post.id, _post.public_id, _post.workspace_id, _post.account_id, _post.version, _post.tries)
_CARD = (
    Segment.id, Segment.post_id, Segment.position, Segment.state, Segment.text, Segment.weight,
    Segment.price_micros, Segment.x_post_id,
)  # fmt: skip


async def next_posts(session: AsyncSession, account_ids: Sequence[int], now: datetime) -> dict[int, DuePost]:
    """Each account's earliest post that is due, in one reading: version and texts belong together."""
    rows = (await session.execute(_next_posts(), {**queries.at(now), "accounts": listed(account_ids)})).all()
    posts = [_due(tuple(found)) for _, found in groupby(rows, key=lambda row: row[0])]
    return {post.account_id: post for post in posts}


@cache
def _next_posts() -> Select[*tuple[Any, ...]]:
    has_media = exists().where(SegmentMedia.segment_id == Segment.id)
    attempts = select(func.count()).where(Attempt.segment_id == Segment.id).scalar_subquery()
    return (
        select(*_POST, *_CARD, has_media, attempts)
        .select_from(_lane)
        .join(_post, _post.id == _first_ready())
        .join(Segment, Segment.post_id == _post.id)
        .where(among(_lane.id, given("accounts")))
        .order_by(_post.id, Segment.position)
    )


@cache
def has_work() -> ColumnElement[bool]:
    """Whether an account has a post to send, or something to look for on X, by ``queries.NOW``.

    Not while an attempt of it is armed or sending: in a lane that is free, a stopped process left that, and
    recovery has to say first what became of it.
    """
    post = queries.ready(queries.NOW).where(Post.account_id == XAccount.id).correlate(XAccount).exists()
    # Few attempts are looked for: all of them are read once, instead of all cards of each account.
    look = XAccount.id.in_(queries.looks_due(queries.NOW).with_only_columns(Segment.account_id))
    left = (
        select(Segment.account_id)
        .join(Attempt, queries.from_attempt(Segment))
        .where(queries.is_undecided(), Attempt.state != AttemptState.UNKNOWN)
    )
    return and_(post | look, XAccount.id.not_in(left))


async def accounts_with_looks(session: AsyncSession, account_ids: Sequence[int], now: datetime) -> set[int]:
    """Those of these accounts for which something should be looked for on X now."""
    found = await session.execute(_looks_of(), {"now": now, "accounts": listed(account_ids)})
    return {account_id for account_id, _ in found}


@cache
def _looks_of() -> Select[int, datetime | None]:
    return queries.looks_due(queries.NOW).where(among(Segment.account_id, given("accounts")))


def _first_ready() -> ColumnElement[int]:
    return (
        queries.ready(queries.NOW)
        .with_only_columns(Post.id)
        .where(Post.account_id == _lane.id)
        .order_by(Post.due_at, Post.id)
        .limit(1)
        .correlate(_lane)
        .scalar_subquery()
    )


def _due(rows: Sequence[Sequence[Any]]) -> DuePost:
    width = len(_POST)
    cards = tuple(DueCard(*row[width:]) for row in rows)
    id_, public_id, workspace_id, account_id, version, tries = rows[0][:width]
    return DuePost(id_, public_id, workspace_id, account_id, version, tries, cards)

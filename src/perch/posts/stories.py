"""Stories beside the rows they tell of, read for verification: many at a time, and only what is compared."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from perch.posts.models import Attempt, Post, PostEvent, Segment


class Told(NamedTuple):
    """A line as it is written down."""

    seq: int
    at: datetime
    kind: str
    detail: str
    hash: str


class Card(NamedTuple):
    """What a card's row says of where it stands."""

    id: int
    position: int
    state: str
    x_post_id: str | None
    deleted_at: datetime | None


class Try(NamedTuple):
    """What an attempt's row says of how it ended."""

    segment_id: int
    state: str


class Story(NamedTuple):
    """A post with everything that is told of it, and everything that rows say."""

    post_id: int
    public_id: str
    end: tuple[int, str]
    lines: Sequence[Told]
    cards: Sequence[Card]
    attempts: Sequence[Try]


async def after(
    session: AsyncSession, post_id: int, limit: int, public_id: str | None = None
) -> Sequence[Story]:
    """The stories of the next posts of every workspace by inner id, or of the one with this public id."""
    columns = (Post.id, Post.public_id, Post.story_seq, Post.story_hash)
    posts = (await session.execute(_following(columns, post_id, public_id).limit(limit))).all()
    ids = [post.id for post in posts]
    lines = await _lines(session, ids)
    cards = await _cards(session, ids)
    attempts = await _attempts(session, ids)
    return [
        Story(key, name, (seq, end), lines[key], cards[key], attempts[key]) for key, name, seq, end in posts
    ]


async def next_named(session: AsyncSession, post_id: int, public_id: str | None = None) -> tuple[int, str]:
    """The inner and the public id of the next post, of which nothing else is read."""
    found = await session.execute(_following((Post.id, Post.public_id), post_id, public_id).limit(1))
    key, name = found.one()
    return key, name


def _following(columns: Sequence[Any], post_id: int, public_id: str | None) -> Select[Any]:
    statement = select(*columns).where(Post.id > post_id).order_by(Post.id)
    return statement if public_id is None else statement.where(Post.public_id == public_id)


async def _lines(session: AsyncSession, ids: Sequence[int]) -> dict[int, list[Told]]:
    event = PostEvent
    rows = await session.execute(
        select(event.post_id, event.seq, event.at, event.kind, event.detail, event.hash)
        .where(event.post_id.in_(ids))
        .order_by(event.post_id, event.seq)
    )
    return _by_post(ids, ((row[0], Told._make(row[1:])) for row in rows))


async def _cards(session: AsyncSession, ids: Sequence[int]) -> dict[int, list[Card]]:
    card = Segment
    rows = await session.execute(
        select(card.post_id, card.id, card.position, card.state, card.x_post_id, card.deleted_at)
        .where(card.post_id.in_(ids))
        .order_by(card.post_id, card.position)
    )
    return _by_post(ids, ((row[0], Card._make(row[1:])) for row in rows))


async def _attempts(session: AsyncSession, ids: Sequence[int]) -> dict[int, list[Try]]:
    rows = await session.execute(
        select(Segment.post_id, Attempt.segment_id, Attempt.state)
        .join(Segment, Segment.id == Attempt.segment_id)
        .where(Segment.post_id.in_(ids))
    )
    return _by_post(ids, ((row[0], Try._make(row[1:])) for row in rows))


Found = TypeVar("Found")


def _by_post(ids: Sequence[int], found: Iterable[tuple[int, Found]]) -> dict[int, list[Found]]:
    sorted_out: dict[int, list[Found]] = {post_id: [] for post_id in ids}
    for post_id, one in found:
        sorted_out[post_id].append(one)
    return sorted_out

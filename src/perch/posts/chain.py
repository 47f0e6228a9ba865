"""The chain of a post's story: each line's hash covers the line and the hash before it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from perch.db.among import among
from perch.db.bulk import insert_rows, update_rows
from perch.posts.models import Post, PostEvent

Detail = Mapping[str, str | int | None]
End = tuple[int, str]
"""How many lines a story has, and the hash of the last one; ``(0, "")`` for none."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to a post. ``detail`` holds facts, never the text of a post."""

    post_id: int
    at: datetime
    kind: str
    detail: Detail = field(default_factory=dict)


class Tail(NamedTuple):
    """The end of a story as its post's row knows it."""

    public_id: str
    seq: int
    hash: str

    def columns(self) -> dict[str, object]:
        """What the post's row says of it."""
        return {"story_seq": self.seq, "story_hash": self.hash}


def link(before: str, public_id: str, seq: int, at: datetime, kind: str, detail: str) -> str:
    """The hash of line ``seq``; ``before`` is the hash of the line above, empty for the first."""
    line = "\n".join((before, public_id, str(seq), at.astimezone(UTC).isoformat(), kind, detail))
    return hashlib.sha256(line.encode()).hexdigest()


class Line(Protocol):
    """A line as it was written down."""

    @property
    def seq(self) -> int: ...

    @property
    def at(self) -> datetime: ...

    @property
    def kind(self) -> str: ...

    @property
    def detail(self) -> str: ...

    @property
    def hash(self) -> str: ...


def fault(public_id: str, end: End, lines: Sequence[Line]) -> str | None:
    """What is wrong with a story first, up to the end that the post's row knows; None when it is whole."""
    before = ""
    for seq, line in enumerate(lines, start=1):
        if line.seq != seq:
            return f"line {seq} is missing"
        if line.hash != link(before, public_id, seq, line.at, line.kind, line.detail):
            return f"line {seq} was altered, or the one before it"
        before = line.hash
    if (len(lines), before) == end:
        return None
    if len(lines) < end[0]:
        return f"everything after line {len(lines)} is missing, up to line {end[0]}"
    return f"line {len(lines)} is not the end that the post knows"


def is_whole(public_id: str, end: End, lines: Sequence[Line]) -> bool:
    """Whether no line is missing, altered or out of order, up to the end that the post's row knows."""
    return fault(public_id, end, lines) is None


async def append(session: AsyncSession, happenings: Sequence[Happening]) -> None:
    """Add lines to the stories of any number of posts, in the order given.

    The post's row knows the end of its story: whoever adds a line holds that row until the commit.
    """
    if happenings:
        await extend(
            session, await _tails(session, {happening.post_id for happening in happenings}), happenings
        )


async def extend(session: AsyncSession, tails: Mapping[int, Tail], happenings: Sequence[Happening]) -> None:
    """As ``append``, for whoever holds the posts' rows already and has read the ends of their stories."""
    if not happenings:
        return
    rows, ends = lines(tails, happenings)
    await insert_rows(session, PostEvent, rows)
    await update_rows(session, Post, [(key, end.columns()) for key, end in ends.items()])


def lines(
    tails: Mapping[int, Tail], happenings: Sequence[Happening]
) -> tuple[list[dict[str, object]], dict[int, Tail]]:
    """The rows of new lines, and where each story ends with them. Pure."""
    rows: list[dict[str, object]] = []
    ends: dict[int, Tail] = {}
    for happening in happenings:
        public_id, seq, before = ends.get(happening.post_id) or tails[happening.post_id]
        detail = json.dumps(happening.detail, sort_keys=True)
        digest = link(before, public_id, seq + 1, happening.at, happening.kind, detail)
        ends[happening.post_id] = Tail(public_id, seq + 1, digest)
        rows.append(
            {
                "post_id": happening.post_id, "seq": seq + 1, "at": happening.at,
                "kind": happening.kind, "detail": detail, "hash": digest,
            }
        )  # fmt: skip
    return rows, ends


async def _tails(session: AsyncSession, post_ids: set[int]) -> dict[int, Tail]:
    posts = await session.execute(
        select(Post.id, Post.public_id, Post.story_seq, Post.story_hash)
        .where(among(Post.id, post_ids))
        .order_by(Post.id)
        .with_for_update(key_share=True)
    )
    return {post_id: Tail(public_id, seq, digest) for post_id, public_id, seq, digest in posts}

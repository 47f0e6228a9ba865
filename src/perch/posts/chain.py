"""The chain of a post's story: each line's hash covers the line and the hash before it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

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


def link(before: str, public_id: str, seq: int, at: datetime, kind: str, detail: str) -> str:
    """The hash of line ``seq``; ``before`` is the hash of the line above, empty for the first."""
    line = "\n".join((before, public_id, str(seq), at.astimezone(UTC).isoformat(), kind, detail))
    return hashlib.sha256(line.encode()).hexdigest()


def is_whole(public_id: str, end: End, events: Sequence[PostEvent]) -> bool:
    """Whether no line is missing, altered or out of order, up to the end that the post's row knows."""
    before = ""
    for seq, event in enumerate(events, start=1):
        expected = link(before, public_id, seq, event.at, event.kind, event.detail)
        if event.seq != seq or event.hash != expected:
            return False
        before = event.hash
    return (len(events), before) == end


async def append(session: AsyncSession, happenings: Sequence[Happening]) -> None:
    """Add lines to the stories of any number of posts, in the order given.

    The post's row knows the end of its story: whoever adds a line holds that row until the commit.
    """
    if not happenings:
        return
    tails = await _tails(session, {happening.post_id for happening in happenings})
    rows = []
    for happening in happenings:
        public_id, seq, before = tails[happening.post_id]
        detail = json.dumps(happening.detail, sort_keys=True)
        digest = link(before, public_id, seq + 1, happening.at, happening.kind, detail)
        tails[happening.post_id] = (public_id, seq + 1, digest)
        rows.append(
            {
                "post_id": happening.post_id, "seq": seq + 1, "at": happening.at,
                "kind": happening.kind, "detail": detail, "hash": digest,
            }
        )  # fmt: skip
    await session.execute(insert(PostEvent), rows)
    ends = [
        {"id": post_id, "story_seq": seq, "story_hash": digest} for post_id, (_, seq, digest) in tails.items()
    ]
    await session.execute(update(Post), ends)


async def _tails(session: AsyncSession, post_ids: set[int]) -> dict[int, tuple[str, int, str]]:
    posts = await session.execute(
        select(Post.id, Post.public_id, Post.story_seq, Post.story_hash)
        .where(Post.id.in_(post_ids))
        .order_by(Post.id)
        .with_for_update()
    )
    return {post_id: (public_id, seq, digest) for post_id, public_id, seq, digest in posts}

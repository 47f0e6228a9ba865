"""The chain of a post's story: each line's hash covers the line and the hash before it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import func, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from perch.posts.models import Post, PostEvent

Detail = Mapping[str, str | int | None]


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


def is_whole(public_id: str, events: Sequence[PostEvent]) -> bool:
    """Whether no line is missing, altered or out of order."""
    before = ""
    for seq, event in enumerate(events, start=1):
        expected = link(before, public_id, seq, event.at, event.kind, event.detail)
        if event.seq != seq or event.hash != expected:
            return False
        before = event.hash
    return True


async def append(session: AsyncSession, happenings: Sequence[Happening]) -> None:
    """Add lines to the stories of any number of posts, in the order given."""
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


async def _tails(session: AsyncSession, post_ids: set[int]) -> dict[int, tuple[str, int, str]]:
    posts = await session.execute(select(Post.id, Post.public_id).where(Post.id.in_(post_ids)))
    tails = {post_id: (public_id, 0, "") for post_id, public_id in posts}
    last = (
        select(PostEvent.post_id, func.max(PostEvent.seq))
        .where(PostEvent.post_id.in_(post_ids))
        .group_by(PostEvent.post_id)
    )
    lines = await session.execute(
        select(PostEvent.post_id, PostEvent.seq, PostEvent.hash).where(
            tuple_(PostEvent.post_id, PostEvent.seq).in_(last)
        )
    )
    for post_id, seq, digest in lines:
        tails[post_id] = (tails[post_id][0], seq, digest)
    return tails

"""Changing a post that is not sent: words, media, account and time, against the version that was read."""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts.models import XAccount
from perch.clock import Clock
from perch.jobs import Engine
from perch.posts import affording, chain, dues, missing, queries, restoring
from perch.posts.drafting import Author, Draft, DraftMedia, DraftSegment
from perch.posts.dues import Due, When
from perch.posts.errors import StaleVersion, TooLate
from perch.posts.models import AttemptState, AuthorKind, Post, PostState, Segment, SegmentMedia
from perch.posts.scheduling import (
    DRAIN,
    Checked,
    due_columns,
    due_facts,
    place_media,
    require_sound,
    write_card,
)

EDITABLE = (PostState.DRAFT, PostState.MISSED, *queries.OPEN_STATES)
_MAY_ARRIVE = (AttemptState.ABSENT, AttemptState.NEEDS_YOU)
"""Bytes that X was given and does not show: other ones must not be sent beside them."""


class Unchanged(Enum):
    """What is left as it is."""

    UNCHANGED = "unchanged"


UNCHANGED = Unchanged.UNCHANGED


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be different. ``checked`` is the whole new content; ``when`` None makes it a draft."""

    checked: Checked | None = None
    when: When | Unchanged | None = UNCHANGED
    jitter: timedelta = timedelta()


async def edit(
    session: AsyncSession,
    clock: Clock,
    engine: Engine,
    post: Post,
    change: Change,
    name: str,
    *,
    version: int | None = None,
) -> None:
    """Change a post. ``version`` is the one that was read; None changes whichever it is.

    Before its bytes are armed the edit wins, and an older version is never sent. Raises StaleVersion,
    TooLate, RuleBroken, and what ``dues.resolve`` raises.
    """
    if change.checked:
        require_sound(change.checked)
    account = change.checked.account if change.checked else await session.get_one(XAccount, post.account_id)
    # Accounts are locked before posts wherever both are, and a slot holds its account.
    due = await _due(session, clock, account, post, change)
    row = await _locked(session, post, version)
    was_missed, waited_for = row.state == PostState.MISSED, row.paused_reason
    if change.checked:
        await _rewrite(session, row, change.checked)
    _apply(row, _columns(change, due, account))
    row.version, row.updated_at = row.version + 1, clock.now()
    row.fence = None  # a lane that prepares what it was speaks for this post no more
    await session.flush()
    await affording.follow(session, row, clock.now())
    await _tell(session, clock, row, change, due, name)
    if was_missed:
        await missing.settled(session, account.id, clock.now())
    await restoring.settled(session, waited_for, clock.now())
    if row.due_at is not None:
        engine.wake(session, DRAIN, str(row.account_id), row.due_at)


async def send_now(session: AsyncSession, clock: Clock, engine: Engine, post: Post, name: str) -> None:
    """A post that was missed goes out after all. Raises TooLate for any other."""
    if post.state != PostState.MISSED:
        raise TooLate("This post was not missed.", fix="Look at its receipt.")
    await edit(session, clock, engine, post, Change(when=clock.now()), name, version=post.version)


async def draft_of(session: AsyncSession, post: Post) -> Draft:
    """A post as it could be written again."""
    author = Author(AuthorKind(post.author_kind), post.author_id, post.author_name)
    cards = tuple(
        DraftSegment(
            card.segment.text,
            tuple(DraftMedia(asset.public_id, placed.alt_text) for placed, asset in card.media),
        )
        for card in await queries.cards(session, post.id)
    )
    return Draft(post.workspace_id, post.account_id, author, cards)


async def _due(
    session: AsyncSession, clock: Clock, account: XAccount, post: Post, change: Change
) -> Due | None:
    if change.when is None or isinstance(change.when, Unchanged):
        return None
    due = await dues.resolve(session, clock, account, change.when)
    return dues.jittered(due, account.zone, change.jitter, post.public_id, clock.now())


async def _locked(session: AsyncSession, post: Post, version: int | None) -> Post:
    row = await session.scalar(
        select(Post)
        .where(Post.id == post.id)
        .with_for_update()
        # What was read before may be older than the lock.
        .execution_options(populate_existing=True)
    )
    if row is None or row.state not in EDITABLE or await _is_under_way(session, row.id):
        raise TooLate(
            "This post can no longer be changed.",
            fix="Look at its receipt; once it is published, delete it on X and post it again.",
        )
    if version is not None and row.version != version:
        raise StaleVersion(row.version)
    return row


async def _is_under_way(session: AsyncSession, post_id: int) -> bool:
    may_arrive = queries.has_attempt(_MAY_ARRIVE)
    found = await session.scalar(
        select(Post.id).where(Post.id == post_id, queries.is_under_way() | may_arrive)
    )
    return found is not None


def _columns(change: Change, due: Due | None, account: XAccount) -> dict[str, Any]:
    """What of the row is new. Whatever held it up is tried anew."""
    columns: dict[str, Any] = {}
    if change.checked:
        columns |= {
            "account_id": account.id,
            "content_hash": change.checked.draft.content_hash(),
            "price_micros": change.checked.price_micros,
        }
    if not isinstance(change.when, Unchanged):
        columns |= due_columns(due, account)
    return columns


def _apply(row: Post, columns: dict[str, Any]) -> None:
    moved = "due_at" in columns
    for name, value in columns.items():
        setattr(row, name, value)
    if moved or row.state in queries.OPEN_STATES:
        row.state = PostState.SCHEDULED if row.due_at else PostState.DRAFT
        row.paused_reason = row.try_at = row.why = row.fix = row.rule = None
        row.tries = 0


async def _rewrite(session: AsyncSession, post: Post, checked: Checked) -> None:
    """The cards' rows stay where there are attempts to tell of; words and media are replaced."""
    found = await session.scalars(
        select(Segment).where(Segment.post_id == post.id).order_by(Segment.position)
    )
    there = list(found)
    await session.execute(
        delete(SegmentMedia).where(SegmentMedia.segment_id.in_([segment.id for segment in there]))
    )
    post.account_id = checked.account.id
    for position, (card, quote) in enumerate(zip(checked.draft.segments, checked.quotes, strict=True)):
        if position >= len(there):
            await write_card(session, post, position, checked)
            continue
        segment = there[position]
        segment.account_id, segment.text = checked.account.id, card.text
        segment.weight, segment.price_micros = checked.weight(position), quote.total.micros
        place_media(session, segment.id, position, checked)
    for segment in there[len(checked.draft.segments) :]:
        await session.delete(segment)


async def _tell(
    session: AsyncSession, clock: Clock, post: Post, change: Change, due: Due | None, name: str
) -> None:
    now = clock.now()
    facts: dict[str, str | int | None] = {"name": name, "version": post.version}
    lines = []
    if change.checked:
        lines.append(chain.Happening(post.id, now, "edited", {**facts, "price_micros": post.price_micros}))
    if not isinstance(change.when, Unchanged):
        to = due.at.isoformat() if due else None
        lines.append(chain.Happening(post.id, now, "rescheduled", {**facts, "due_at": to, **due_facts(due)}))
    await chain.append(session, lines)

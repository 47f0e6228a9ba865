"""Every statement that reads posts. Nothing here commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    union,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from perch.accounts.models import MissedPolicy, XAccount, XApp
from perch.db import UtcDateTime
from perch.jobs import Pace
from perch.media.models import Asset
from perch.posts.models import (
    LIVE_ATTEMPTS,
    RESTORED,
    Attempt,
    AttemptState,
    Post,
    PostEvent,
    PostState,
    Segment,
    SegmentMedia,
    SegmentState,
)
from perch.posts.retrying import PauseReason
from perch.posts.standing import Standing, of

OPEN_STATES = (PostState.SCHEDULED, PostState.PUBLISHING)
_UNFINISHED = (*OPEN_STATES, PostState.MISSED, PostState.NEEDS_YOU, PostState.PARTLY_PUBLISHED)
_LATE, _MISSED = timedelta(seconds=Pace().late), timedelta(seconds=Pace().missed)

Instant = datetime | BindParameter[datetime]
NOW = bindparam("now", type_=UtcDateTime())
"""The moment, in statements of the publisher's every turn, which take longer to build than to run."""


def at(now: datetime) -> dict[str, object]:
    """What statements built with ``NOW`` are to be run with."""
    return {"now": now, "late_before": now - _LATE, "missed_before": now - _MISSED}


@dataclass(frozen=True, slots=True)
class Listed:
    """A post in a list, with its account and first card."""

    post: Post
    account: XAccount
    app: XApp
    first: Segment
    cards: int
    standing: Standing


@dataclass(frozen=True, slots=True)
class Card:
    """A segment and the assets on it, in order."""

    segment: Segment
    media: tuple[tuple[SegmentMedia, Asset], ...]


def is_under_way() -> ColumnElement[bool]:
    """Whether a post has a card that is out, or an attempt that may be."""
    return has_attempt((*LIVE_ATTEMPTS, AttemptState.OK, AttemptState.FOUND))


def has_attempt(states: Sequence[AttemptState]) -> ColumnElement[bool]:
    """Whether a post has an attempt in one of these states."""
    return exists().where(
        Attempt.segment_id == Segment.id, Segment.post_id == Post.id, Attempt.state.in_(states)
    )


def is_deleting() -> ColumnElement[bool]:
    """Whether a card of the post is to be deleted on X and is not yet."""
    return exists().where(Segment.post_id == Post.id, Segment.delete_at.is_not(None))


def is_live() -> ColumnElement[bool]:
    """Whether readers can see a card of the post, as far as Perch knows."""
    return exists().where(
        Segment.post_id == Post.id, Segment.x_post_id.is_not(None), Segment.deleted_at.is_(None)
    )


def is_undecided() -> ColumnElement[bool]:
    """Whether an attempt is live. Written out, as ``is_open``."""
    return Attempt.state.in_(
        bindparam("live", LIVE_ATTEMPTS, expanding=True, literal_execute=True, unique=True)
    )


def is_open() -> ColumnElement[bool]:
    """Whether a post is still to be sent. Written out, as partial indexes want it."""
    return Post.state.in_(bindparam("open", OPEN_STATES, expanding=True, literal_execute=True, unique=True))


def may_send(now: Instant) -> ColumnElement[bool]:
    """Whether neither a pause nor a rest holds up a post's account or its X app. A pause may let a probe."""
    return exists().where(
        XAccount.id == Post.account_id,
        XApp.id == XAccount.app_id,
        or_(XAccount.paused_reason.is_(None), XAccount.paused_until <= now),
        or_(XApp.paused_reason.is_(None), XApp.paused_until <= now),
        or_(XAccount.rests_until.is_(None), XAccount.rests_until <= now),
        or_(XApp.rests_until.is_(None), XApp.rests_until <= now),
    )


def is_paused() -> ColumnElement[bool]:
    """Whether a cause that a person mends holds up a post's account or its X app."""
    return exists().where(
        XAccount.id == Post.account_id,
        XApp.id == XAccount.app_id,
        or_(XAccount.paused_reason.is_not(None), XApp.paused_reason.is_not(None)),
    )


def _is_timely(now: Instant) -> ColumnElement[bool]:
    """Whether a post is not late, or it was decided that it goes out all the same; see ``missing``.

    While a pause holds it up nothing is decided; a late post may still be the probe of that pause. That the
    month's budget had no room for it until now is no decision.
    """
    late_before = _before(now, "late_before", _LATE)
    missed_before = _before(now, "missed_before", _MISSED)
    is_decided = and_(Post.try_at.is_not(None), Post.paused_reason.is_distinct_from(PauseReason.BUDGET))
    may_probe = exists().where(XAccount.id == Post.account_id, XAccount.missed_policy == MissedPolicy.SEND)
    return or_(
        Post.due_at > late_before,
        is_decided,
        Post.state == PostState.PUBLISHING,
        and_(Post.due_at > missed_before, is_paused(), may_probe),
    )


def _before(now: Instant, name: str, span: timedelta) -> Instant:
    return now - span if isinstance(now, datetime) else bindparam(name, type_=UtcDateTime())


@cache  # it takes longer to build than to run, and the publisher asks it at every turn
def _waits_for_its_double() -> ColumnElement[bool]:
    """Whether a card of the post says what another post may have said: which is which could not be told."""
    mine, unsure = aliased(Segment), aliased(Segment)
    doubles = (
        select(mine.post_id)
        .join(unsure, unsure.account_id == mine.account_id)
        .join(Attempt, from_attempt(unsure))
        .where(
            Attempt.look_at.is_not(None),
            mine.post_id != unsure.post_id,
            mine.x_post_id.is_(None),
            # Written so that the index of the account's cards is used, and none is built for this question.
            mine.state.concat("") == SegmentState.WAITING,
            mine.text.concat("") == unsure.text,
        )
    )
    return Post.id.in_(doubles)


def from_attempt(segment: type[Segment]) -> ColumnElement[bool]:
    """The segment of an attempt, looked up from there: attempts in question are few, segments many.

    The sum keeps SQLite's planner, who knows nothing of that, from going through all segments instead.
    """
    return segment.id == Attempt.segment_id + 0


@cache
def _is_being_tried() -> ColumnElement[bool]:
    return has_attempt(LIVE_ATTEMPTS)


def ready(now: Instant) -> Select[Post]:
    """Posts that may go out now."""
    return select(Post).where(
        is_open(),
        Post.due_at <= now,
        or_(Post.try_at.is_(None), Post.try_at <= now),
        _is_timely(now),
        may_send(now),
        ~_is_being_tried(),
        ~_waits_for_its_double(),
    )


def looks_due(until: Instant) -> Select[int, datetime | None]:
    """(account, instant) of what is to be looked for on X by then."""
    return (
        select(Segment.account_id, Attempt.look_at)
        .join(Attempt, from_attempt(Segment))
        .where(Attempt.look_at <= until)
    )


async def due_accounts(session: AsyncSession, now: datetime) -> Sequence[int]:
    """Accounts that have something to send and whose lane is free."""
    free = or_(XAccount.lane_until.is_(None), XAccount.lane_until <= now)
    posts, looks = ready(now).subquery(), looks_due(now).subquery()
    # A disconnected account's too: trying is what pauses its posts with a reason that people can read.
    either = union(select(posts.c.account_id), select(looks.c.account_id))
    statement = select(XAccount.id).where(free, XAccount.id.in_(either))
    return (await session.scalars(statement)).all()


async def coming(session: AsyncSession, now: datetime, until: datetime) -> Sequence[tuple[int, datetime]]:
    """(account, instant) of posts that become ready soon, and of looks, for hints at the second."""
    statement = select(Post.account_id, Post.due_at, Post.try_at).where(
        is_open(),
        Post.due_at <= until,
        or_(Post.due_at > now, and_(Post.try_at > now, Post.try_at <= until)),
    )
    looks = looks_due(until).where(Attempt.look_at > now)
    return [
        (account_id, max(due_at, try_at) if try_at else due_at)
        for account_id, due_at, try_at in await session.execute(statement)
        if due_at is not None
    ] + [(account_id, look_at) for account_id, look_at in await session.execute(looks) if look_at]


async def waking(session: AsyncSession, now: datetime, until: datetime) -> Sequence[tuple[int, datetime]]:
    """(account, instant) of accounts whose rest, or whose X app's, ends soon, and that have something due."""
    ends = (XAccount.rests_until, XApp.rests_until)
    has_due = exists().where(Post.account_id == XAccount.id, is_open(), Post.due_at <= until)
    statement = (
        select(XAccount.id, *ends)
        .join(XApp, XApp.id == XAccount.app_id)
        .where(or_(*(end.between(now, until) for end in ends)), has_due)
    )
    return [(row[0], max(end for end in row[1:] if end)) for row in await session.execute(statement)]


async def accounts_needed(session: AsyncSession, until: datetime) -> Sequence[int]:
    """Accounts that have something to send by then, the earliest first."""
    found = await session.scalars(
        select(Post.account_id)
        .where(is_open(), Post.due_at <= until)
        .group_by(Post.account_id)
        .order_by(func.min(Post.due_at))
    )
    return found.all()


async def oldest_overdue(session: AsyncSession, now: datetime) -> datetime | None:
    """Since when the longest waiting ready post has been due."""
    return await session.scalar(ready(now).with_only_columns(func.min(Post.due_at)))


async def due_instants(session: AsyncSession, account_id: int, now: datetime) -> set[datetime]:
    """The instants to come at which this account has a post, where chance has not moved them."""
    found = await session.execute(
        select(Post.due_at, Post.jitter_s).where(
            Post.account_id == account_id, Post.state.in_(OPEN_STATES), Post.due_at > now - timedelta(days=1)
        )
    )
    return {due_at - timedelta(seconds=jitter_s) for due_at, jitter_s in found if due_at is not None}


async def cards(session: AsyncSession, post_id: int) -> list[Card]:
    """The post's segments in order, each with its media."""
    segments = await session.scalars(
        select(Segment).where(Segment.post_id == post_id).order_by(Segment.position)
    )
    media: dict[int, list[tuple[SegmentMedia, Asset]]] = {}
    rows = await session.execute(
        select(SegmentMedia, Asset)
        .join(Asset, Asset.id == SegmentMedia.asset_id)
        .join(Segment, Segment.id == SegmentMedia.segment_id)
        .where(Segment.post_id == post_id)
        .order_by(SegmentMedia.position)
    )
    for row, asset in rows:
        media.setdefault(row.segment_id, []).append((row, asset))
    return [Card(segment, tuple(media.get(segment.id, ()))) for segment in segments]


async def attempts(session: AsyncSession, segment_id: int) -> Sequence[Attempt]:
    """Every attempt of a segment, oldest first."""
    return (
        await session.scalars(select(Attempt).where(Attempt.segment_id == segment_id).order_by(Attempt.n))
    ).all()


async def events(session: AsyncSession, post_id: int) -> Sequence[PostEvent]:
    """The post's story, first line first."""
    return (
        await session.scalars(select(PostEvent).where(PostEvent.post_id == post_id).order_by(PostEvent.seq))
    ).all()


async def post_by_public_id(session: AsyncSession, workspace_id: int, public_id: str) -> Post | None:
    """A post of this workspace; another workspace's posts do not exist here."""
    return await session.scalar(
        select(Post).where(Post.workspace_id == workspace_id, Post.public_id == public_id)
    )


async def post_by_id(session: AsyncSession, post_id: int) -> Post | None:
    """A post by its inner id, for the publisher."""
    return await session.get(Post, post_id)


async def recent(
    session: AsyncSession, workspace_id: int, *, limit: int = 50, before: int | None = None
) -> list[Listed]:
    """The workspace's newest posts. ``before`` continues below a post's inner id."""
    statement = _listing(workspace_id).order_by(Post.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(Post.id < before)
    return await _listed(session, statement)


async def unfinished(session: AsyncSession, workspace_id: int, *, limit: int) -> list[Listed]:
    """What is to come and what waits for a person, what is due first at the top."""
    statement = _listing(workspace_id).where(Post.state.in_(_UNFINISHED)).order_by(Post.due_at, Post.id)
    return await _listed(session, statement.limit(limit))


async def finished(
    session: AsyncSession, workspace_id: int, *, limit: int, before: int | None = None
) -> list[Listed]:
    """All others, the newest first. ``before`` continues below a post's inner id."""
    statement = _listing(workspace_id).where(Post.state.not_in(_UNFINISHED)).order_by(Post.id.desc())
    if before is not None:
        statement = statement.where(Post.id < before)
    return await _listed(session, statement.limit(limit))


def _listing(workspace_id: int) -> Select[Post, XAccount, XApp, Segment]:
    return (
        select(Post, XAccount, XApp, Segment)
        .join(XAccount, XAccount.id == Post.account_id)
        .join(XApp, XApp.id == XAccount.app_id)
        .join(Segment, and_(Segment.post_id == Post.id, Segment.position == 0))
        .where(Post.workspace_id == workspace_id)
    )


async def _listed(session: AsyncSession, statement: Select[Post, XAccount, XApp, Segment]) -> list[Listed]:
    rows = (await session.execute(statement)).all()
    found = await segments_of(session, [row[0].id for row in rows])
    unsure = await checking(session, [row[0].id for row in rows])
    return [
        Listed(post, account, app, first, len(found[post.id]), of(post, account, app, found[post.id], unsure))
        for post, account, app, first in rows
    ]


async def waiting(session: AsyncSession, workspace_id: int) -> dict[int, int]:
    """How many posts of each account are not settled yet, however many there are."""
    counted = await session.execute(
        select(Post.account_id, func.count())
        .where(Post.workspace_id == workspace_id, Post.state.in_(OPEN_STATES))
        .group_by(Post.account_id)
    )
    return dict(counted.all())


async def checking(session: AsyncSession, post_ids: Sequence[int]) -> set[int]:
    """The cards of these posts of which nobody knows yet whether they are out."""
    statement = (
        select(Segment.id)
        .join(Attempt, Attempt.segment_id == Segment.id)
        .where(Segment.post_id.in_(post_ids), Attempt.state == AttemptState.UNKNOWN)
    )
    return set(await session.scalars(statement))


async def segments_of(session: AsyncSession, post_ids: Sequence[int]) -> dict[int, list[Segment]]:
    """The cards of each of these posts, in order."""
    found: dict[int, list[Segment]] = {post_id: [] for post_id in post_ids}
    statement = select(Segment).where(Segment.post_id.in_(post_ids)).order_by(Segment.position)
    for segment in await session.scalars(statement):
        found[segment.post_id].append(segment)
    return found


async def how_many(session: AsyncSession) -> int:
    """Posts of every workspace."""
    return await session.scalar(select(func.count()).select_from(Post)) or 0


async def first_waiting(session: AsyncSession, post_id: int) -> tuple[Segment, str | None] | None:
    """The segment to send next and the X id it replies to, or None when all are out."""
    segments = await session.scalars(
        select(Segment).where(Segment.post_id == post_id).order_by(Segment.position)
    )
    parent: str | None = None
    for segment in segments:
        if segment.state == SegmentState.WAITING:
            return segment, parent
        parent = segment.x_post_id
    return None


async def accounts_to_delete_for(session: AsyncSession, now: datetime) -> Sequence[int]:
    """Accounts with a card to be deleted on X now, whose lane is free."""
    due = select(Segment.account_id).where(Segment.delete_at <= now)
    free = or_(XAccount.lane_until.is_(None), XAccount.lane_until <= now)
    return (await session.scalars(select(XAccount.id).where(XAccount.id.in_(due), free))).all()


async def next_to_delete(
    session: AsyncSession, account_id: int, now: datetime
) -> tuple[Post, Segment] | None:
    """The card of this account to delete on X now: a thread is taken down from its end."""
    statement = (
        select(Post, Segment)
        .join(Segment, Segment.post_id == Post.id)
        .where(Segment.account_id == account_id, Segment.delete_at <= now)
        .order_by(Post.id, Segment.position.desc())
        .limit(1)
    )
    found = (await session.execute(statement)).first()
    return (found[0], found[1]) if found else None


async def next_to_delete_of(session: AsyncSession, post_id: int) -> int | None:
    """A card of this post that is still to be deleted on X."""
    return await session.scalar(
        select(Segment.id).where(Segment.post_id == post_id, Segment.delete_at.is_not(None)).limit(1)
    )


@dataclass(frozen=True, slots=True)
class HeldUp:
    """How many posts a cause holds up; ``username`` where it is one account's."""

    count: int
    username: str | None = None


async def held_up(session: AsyncSession, workspace_id: int) -> dict[str, HeldUp]:
    """What waits for accounts, apps and the budget, under ``account:<id>``, ``app:<id>``, ``budget`` and
    ``restored``.
    """
    found = await session.execute(
        select(
            XAccount.public_id, XAccount.username, XApp.public_id, func.count(Post.id),
            func.count(case((Post.paused_reason == PauseReason.BUDGET, Post.id))),
            func.count(case((Post.paused_reason == RESTORED, Post.id))),
        )
        .join(XAccount, XAccount.id == Post.account_id)
        .join(XApp, XApp.id == XAccount.app_id)
        .where(Post.workspace_id == workspace_id, Post.state.in_(OPEN_STATES))
        .group_by(XAccount.public_id, XAccount.username, XApp.public_id)
    )  # fmt: skip
    held: dict[str, HeldUp] = {}
    for account_id, username, app_id, count, unaffordable, doubtful in found:
        held[f"account:{account_id}"] = HeldUp(count, username)
        for name, more in ((f"app:{app_id}", count), ("budget", unaffordable), (RESTORED, doubtful)):
            held[name] = HeldUp(more + (held[name].count if name in held else 0))
    return held

"""The durable steps of publishing, set-based: the committer runs each on all rows that wait.

claim → arm → begin → record. Each is one conditional statement or two; who lost, lost.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ScalarSelect, Select, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlalchemy.sql.dml import ReturningUpdate

from perch.accounts import lanes
from perch.accounts.models import XAccount, XApp
from perch.budget import reserving
from perch.budget.models import Spend
from perch.db.among import among, given, listed, listed_together, together_among
from perch.db.bulk import insert_rows, update_rows
from perch.posts import affording, braking, chain, lineup, queries
from perch.posts.admitting import NO_TERMS, Terms, admit
from perch.posts.braking import Braking
from perch.posts.lineup import DuePost
from perch.posts.models import Attempt, AttemptState, Post, PostEvent, PostState, Segment, SegmentState
from perch.posts.pausing import Mended

_TERMINAL = (PostState.PUBLISHED, PostState.REFUSED, PostState.CANCELLED, PostState.EXPIRED)
_UNDECIDED = (AttemptState.ARMED, AttemptState.SENDING, AttemptState.UNKNOWN, AttemptState.NEEDS_YOU)
_QUIET = {"synchronize_session": False}
_ATTEMPTING = insert(Attempt).returning(Attempt.segment_id, Attempt.id)


@dataclass(frozen=True, slots=True)
class Held:
    """A post as its lane sees it: only the holder of this fence may move it."""

    post_id: int
    account_id: int
    version: int
    fence: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Take a due post for publishing."""

    held: Held
    at: datetime
    terms: Terms = NO_TERMS


@dataclass(frozen=True, slots=True)
class Seek:
    """Ask for what a lane is to do next, first taking it where it is not held yet.

    ``may_send``: whether that may be a post.
    """

    lane: lanes.Hold | lanes.Taking
    at: datetime
    terms: Terms = NO_TERMS
    may_send: bool = True


@dataclass(frozen=True, slots=True)
class Turn:
    """What a lane is to do: send a post that was claimed for it, look on X, both, or nothing.

    ``hold`` is None where the lane was not taken: somebody holds it, or there is nothing to do.
    """

    hold: lanes.Hold | None = None
    post: DuePost | None = None
    held: Held | None = None
    look_is_due: bool = False


@dataclass(frozen=True, slots=True)
class Arming:
    """Write down the exact bytes before they are sent."""

    held: Held
    segment_id: int
    worker: str
    payload: bytes
    payload_sha256: str
    media_ids: tuple[str, ...]
    since_id: str
    at: datetime
    deadline_at: datetime
    detail: chain.Detail


@dataclass(frozen=True, slots=True)
class Beginning:
    """The last write before the socket: from here on X may have it."""

    held: Held
    attempt_id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Recording:
    """What came of a step: changes to attempt, segment and post, money, and lines of the story.

    ``attempt_was`` names the one state in which the attempt may be settled so; None takes any open one.
    ``fence`` is of the lane that speaks: what it says without an attempt counts while the post is its own.
    """

    post_id: int
    at: datetime
    post: Mapping[str, object] = field(default_factory=dict)
    fence: int | None = None
    attempt_id: int | None = None
    attempt_was: AttemptState | None = None
    attempt: Mapping[str, object] = field(default_factory=dict)
    segment_id: int | None = None
    segment: Mapping[str, object] = field(default_factory=dict)
    spend: Mapping[str, object] | None = None
    happenings: tuple[tuple[str, chain.Detail], ...] = ()

    @property
    def is_out(self) -> bool:
        """Whether X has made a card of it."""
        return bool(self.segment.get("x_post_id"))

    @property
    def spent(self) -> int:
        """What X charged, in millionths of a dollar."""
        return int(str(self.spend["micros"])) if self.spend else 0


async def take(session: AsyncSession, takings: Sequence[lanes.Taking]) -> list[lanes.Hold | None]:
    """The lanes taken, of accounts that have something to do."""
    moment = queries.at(max(taking.at for taking in takings))
    return await lanes.take(session, takings, lineup.has_work(), moment)


async def seek(session: AsyncSession, seeks: Sequence[Seek]) -> list[Turn]:
    """What each lane is to do next, its post claimed."""
    holds = await _holds(session, seeks)
    turns = await _turns(session, [(seek, hold) for seek, hold in zip(seeks, holds, strict=True) if hold])
    return [Turn() if hold is None else turns[hold] for hold in holds]


async def _holds(session: AsyncSession, seeks: Sequence[Seek]) -> list[lanes.Hold | None]:
    takings = [seek.lane for seek in seeks if isinstance(seek.lane, lanes.Taking)]
    taken = iter(await take(session, takings) if takings else [])
    return [seek.lane if isinstance(seek.lane, lanes.Hold) else next(taken) for seek in seeks]


async def _turns(session: AsyncSession, seeking: Sequence[tuple[Seek, lanes.Hold]]) -> dict[lanes.Hold, Turn]:
    """What each lane that is held is to do."""
    if not seeking:
        return {}
    # The latest moment, since all have passed: a post that came due for one of them must not be overlooked.
    at = max(seek.at for seek, _ in seeking)
    found = await lineup.next_posts(session, [hold.account_id for one, hold in seeking if one.may_send], at)
    looks = await lineup.accounts_with_looks(session, [hold.account_id for _, hold in seeking], at)
    claims = [
        Claim(Held(post.id, post.account_id, post.version, hold.fence), at, seek.terms)
        for seek, hold in seeking
        if (post := found.get(hold.account_id)) is not None
    ]
    won = await claim(session, claims) if claims else []
    claimed = {one.held.account_id: one.held for one, is_won in zip(claims, won, strict=True) if is_won}
    return {
        hold: Turn(hold, found[key] if key in claimed else None, claimed.get(key), key in looks)
        for _, hold in seeking
        for key in (hold.account_id,)
    }


async def claim(session: AsyncSession, claims: Sequence[Claim]) -> list[bool]:
    """Whether each post is now ``publishing`` for its lane."""
    held = [claim.held for claim in claims]
    asked = {**_as_held(held), "now": claims[0].at}
    taken = dict((await session.execute(_claiming(), asked, execution_options=_QUIET)).all())
    won = await admit(session, taken, claims[0].terms, claims[0].at)
    return [one.post_id in won for one in held]


@cache
def _claiming() -> ReturningUpdate[int, str | None]:
    fence = select(XAccount.fence).where(XAccount.id == Post.account_id).scalar_subquery()
    return (
        update(Post)
        .where(
            # The version, and the fence of its lane, that somebody counts on.
            among(Post.id, given("posts")),
            together_among((Post.id, Post.version, fence), given("held")),
            Post.state.in_((PostState.SCHEDULED, PostState.PUBLISHING)),
            Post.due_at <= queries.NOW,
            queries.may_send(queries.NOW),
        )
        .values(
            state=PostState.PUBLISHING,
            paused_reason=_probed(),
            fence=fence,
            updated_at=queries.NOW,
        )
        .returning(Post.id, Post.paused_reason)
    )


async def arm(session: AsyncSession, armings: Sequence[Arming]) -> list[int | None]:
    """The id of each new attempt, or None where the post was cancelled, edited or lost to another lane."""
    segments = await _armable(session, [arming.segment_id for arming in armings])
    winners = [arming for arming in armings if _is_standing(arming, segments.get(arming.segment_id))]
    if not winners:
        return [None] * len(armings)
    rows = [_attempt(arming, segments[arming.segment_id].attempts + 1) for arming in winners]
    made = await session.execute(_ATTEMPTING, rows)
    ids: dict[int, int] = dict(made.all())
    tails = {one.post_id: one.tail for one in segments.values()}
    armed = [chain.Happening(one.held.post_id, one.at, "armed", one.detail) for one in winners]
    await chain.extend(session, tails, armed)
    return [ids.get(arming.segment_id) for arming in armings]


async def begin(session: AsyncSession, beginnings: Sequence[Beginning]) -> list[bool]:
    """Whether each attempt may be written to the socket now. Its story is told with what came of it."""
    asked = {
        "attempts": listed([beginning.attempt_id for beginning in beginnings]),
        "now": max(beginning.at for beginning in beginnings),
    }
    won = set(await session.scalars(_beginning(), asked, execution_options=_QUIET))
    return [beginning.attempt_id in won for beginning in beginnings]


@cache
def _beginning() -> ReturningUpdate[int]:
    lane = exists().where(
        Segment.id == Attempt.segment_id,
        XAccount.id == Segment.account_id,
        XAccount.fence == Attempt.fence,
    )
    return (
        update(Attempt)
        .where(
            among(Attempt.id, given("attempts")),
            Attempt.state == AttemptState.ARMED,
            lane,
        )
        .values(state=AttemptState.SENDING, sent_at=queries.NOW)
        .returning(Attempt.id)
    )


async def record(session: AsyncSession, recordings: Sequence[Recording]) -> list[bool]:
    """Whether each outcome was kept. A settled attempt and a post that has ended stay as they are."""
    standing = await _standing(session, recordings)
    kept = [recording for recording in recordings if standing.is_open(recording)]
    moving = [recording for recording in kept if not standing.has_ended(recording)]
    gone = [recording for recording in moving if recording.is_out and standing.pauses[recording.post_id]]
    await update_rows(session, Attempt, [(one.attempt_id, one.attempt) for one in kept if one.attempt_id])
    await update_rows(session, Segment, [(one.segment_id, one.segment) for one in moving if one.segment_id])
    await _tell(session, standing, kept, moving)
    await _account(session, standing, kept, moving)
    await braking.put_on(session, [standing.mended(recording) for recording in gone])
    return [standing.is_open(recording) for recording in recordings]


def _probed() -> ScalarSelect[str | None]:
    """The pause that a claimed post is to probe; none for nearly all."""
    return (
        select(func.coalesce(XAccount.paused_reason, XApp.paused_reason))
        .where(XAccount.id == Post.account_id, XApp.id == XAccount.app_id)
        .scalar_subquery()
    )


def _as_held(held: Sequence[Held]) -> dict[str, object]:
    return {
        "posts": listed([one.post_id for one in held]),
        "held": listed_together([(one.post_id, one.version, one.fence) for one in held]),
    }


@dataclass(frozen=True, slots=True)
class _Armable:
    """A card that may be armed: what its post and its lane are at, and the end of the post's story."""

    post_id: int
    version: int
    fence: int
    attempts: int
    tail: chain.Tail


async def _armable(session: AsyncSession, segment_ids: Sequence[int]) -> dict[int, _Armable]:
    """The waiting cards of posts under way, with every card before them out; their posts are held."""
    found = (await session.execute(_armables(), {"segments": listed(segment_ids)})).all()
    return {
        segment_id: _Armable(post_id, version, fence, made, chain.Tail(public_id, seq, digest))
        for segment_id, post_id, version, fence, made, public_id, seq, digest in found
    }


@cache
def _armables() -> Select[*tuple[Any, ...]]:
    earlier = aliased(Segment)
    is_early = exists().where(
        earlier.post_id == Segment.post_id,
        earlier.position < Segment.position,
        earlier.x_post_id.is_(None),
    )
    attempts = (
        select(func.coalesce(func.max(Attempt.n), 0))
        .where(Attempt.segment_id == Segment.id)
        .scalar_subquery()
    )
    return (
        select(
            Segment.id, Post.id, Post.version, XAccount.fence, attempts,
            Post.public_id, Post.story_seq, Post.story_hash,
        )
        .join(Post, Post.id == Segment.post_id)
        .join(XAccount, XAccount.id == Post.account_id)
        .where(
            among(Segment.id, given("segments")),
            Segment.state == SegmentState.WAITING,
            Post.state == PostState.PUBLISHING,
            ~is_early,
        )
        .order_by(Post.id)
        .with_for_update(of=Post, key_share=True)
    )  # fmt: skip


def _is_standing(arming: Arming, segment: _Armable | None) -> bool:
    """Neither cancelled nor edited since it was claimed, and still in our lane."""
    return segment is not None and (segment.version, segment.fence) == (
        arming.held.version,
        arming.held.fence,
    )


def _post_changes(recording: Recording, state: str) -> dict[str, object]:
    if not recording.is_out:
        return {**recording.post, "updated_at": recording.at}
    # An answer that came after all: nobody has to say any more whether the card is there.
    goes_on = {"state": PostState.PUBLISHING} if state == PostState.NEEDS_YOU else {}
    return {**goes_on, **recording.post, "paused_reason": None, "updated_at": recording.at}


def _attempt(arming: Arming, n: int) -> dict[str, object]:
    return {
        "segment_id": arming.segment_id, "n": n, "state": AttemptState.ARMED, "fence": arming.held.fence,
        "worker": arming.worker, "payload": arming.payload, "payload_sha256": arming.payload_sha256,
        "media_ids": json.dumps(arming.media_ids), "since_id": arming.since_id,
        "armed_at": arming.at, "deadline_at": arming.deadline_at,
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Standing:
    states: Mapping[int, str]
    accounts: Mapping[int, int]
    fences: Mapping[int, int | None]
    pauses: Mapping[int, str | None]
    reserved: Mapping[int, int]
    is_budgeted: bool
    tails: Mapping[int, chain.Tail]
    attempts: Mapping[int, tuple[str, datetime | None]]

    def story(self, recording: Recording) -> Iterator[chain.Happening]:
        """The lines of a recording, and before them when its attempt was sent."""
        state, sent_at = self._attempt(recording)
        if state == AttemptState.SENDING and sent_at is not None:
            yield chain.Happening(recording.post_id, sent_at, "sent")
        for kind, detail in recording.happenings:
            yield chain.Happening(recording.post_id, recording.at, kind, detail)

    def _attempt(self, recording: Recording) -> tuple[str | None, datetime | None]:
        return self.attempts.get(recording.attempt_id or 0, (None, None))

    def mended(self, recording: Recording) -> Braking:
        """It was a probe, and X took it."""
        return Braking(self.accounts[recording.post_id], recording.at, (Mended(),))

    def has_ended(self, recording: Recording) -> bool:
        return self.states.get(recording.post_id) in _TERMINAL

    def is_open(self, recording: Recording) -> bool:
        if recording.attempt_id is None:
            return recording.fence in (None, self.fences.get(recording.post_id))
        state, _ = self._attempt(recording)
        return state in _UNDECIDED and recording.attempt_was in (None, state)


async def _standing(session: AsyncSession, recordings: Sequence[Recording]) -> _Standing:
    posts = {"posts": listed({one.post_id for one in recordings})}
    attempts = {"attempts": listed({one.attempt_id for one in recordings if one.attempt_id is not None})}
    found = (await session.execute(_standing_posts(), posts)).all()
    return _Standing(
        {row[0]: row[1] for row in found},
        {row[0]: row[2] for row in found},
        {row[0]: row[3] for row in found},
        {row[0]: row[4] for row in found},
        {row[0]: row[5] for row in found},
        any(row[6] for row in found),
        {row[0]: chain.Tail(row[7], row[8], row[9]) for row in found},
        {row[0]: (row[1], row[2]) for row in await session.execute(_standing_attempts(), attempts)},
    )


@cache
def _standing_posts() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Post.id, Post.state, Post.account_id, Post.fence,
            Post.paused_reason, Post.reserved_micros, reserving.is_kept(),
            Post.public_id, Post.story_seq, Post.story_hash,
        )
        .where(among(Post.id, given("posts")))
        .order_by(Post.id)
        .with_for_update(of=Post, key_share=True)
    )  # fmt: skip


@cache
def _standing_attempts() -> Select[int, str, datetime | None]:
    return (
        select(Attempt.id, Attempt.state, Attempt.sent_at)
        .where(among(Attempt.id, given("attempts")))
        .order_by(Attempt.id)
        .with_for_update(key_share=True)
    )


async def _tell(
    session: AsyncSession, standing: _Standing, kept: Sequence[Recording], moving: Sequence[Recording]
) -> None:
    """The lines of the stories, and the posts' rows with all that changes in them."""
    rows, ends = chain.lines(standing.tails, [told for one in kept for told in standing.story(one)])
    changes = {post_id: end.columns() for post_id, end in ends.items()}
    for one in moving:
        if one.post:
            said = _post_changes(one, standing.states[one.post_id])
            changes[one.post_id] = {**changes.get(one.post_id, {}), **said}
    await insert_rows(session, PostEvent, rows)
    await update_rows(session, Post, list(changes.items()))


async def _account(
    session: AsyncSession, standing: _Standing, kept: Sequence[Recording], moving: Sequence[Recording]
) -> None:
    """What was spent, and what is reserved no longer."""
    await insert_rows(session, Spend, [one.spend for one in kept if one.spend])
    if not kept or not standing.is_budgeted:
        return
    outcomes = [
        affording.Outcome(
            post_id=one.post_id,
            reserved=standing.reserved[one.post_id],
            spent=one.spent if one.is_out else 0,
            state=str(one.post.get("state", standing.states[one.post_id])),
        )
        for one in moving
    ]
    await affording.settle(session, kept[0].at, outcomes, sum(one.spent for one in kept))

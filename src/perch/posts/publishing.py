"""Publishing: an account's lane is taken, and each due post goes claim, prepare, arm, send, record.

X has no idempotency key. So the exact bytes are durable before they are sent, one attempt of a segment
may be open at a time, and an attempt without a verdict stops everything until somebody has looked.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from perch.accounts import lanes
from perch.clock import Clock
from perch.db import Database
from perch.errors import PerchError
from perch.jobs import Committer, Pace
from perch.posts import braking, outcomes, pausing, queries, steps, unsettled
from perch.posts.admitting import NO_TERMS, Terms
from perch.posts.models import Post, Segment
from perch.posts.retrying import Past, RefreshFirst, decide, is_about_media
from perch.posts.unsettled import media_ids_of
from perch.text import find_urls
from perch.x import posts as x_posts
from perch.x.client import XClient
from perch.x.wire import Bearer, Reply
from perch.x.xpost import XPost, snowflake_at

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """An open way to X for one account."""

    client: XClient
    auth: Bearer


class Lines(Protocol):
    """Opens the way to X: a token that is good for the call. Raises what ``accounts.tokens`` raises."""

    async def open(self, account_id: int) -> Line: ...

    async def renew(self, account_id: int, refused: Bearer) -> Line: ...


class Uploads(Protocol):
    """Gives X the media of a card and answers with X's ids for them, in order."""

    async def ensure(self, line: Line, account_id: int, card: queries.Card) -> tuple[str, ...]: ...

    async def forget(self, account_id: int, card: queries.Card) -> None:
        """X knows these media no more: the next ``ensure`` hands them over anew."""
        ...


class Looker(Protocol):
    """Looks on X for posts whose sending got no verdict: those that are due in a lane we hold."""

    async def look(self, account_id: int, fence: int) -> None: ...


class Journal(Protocol):
    """Keeps what the database could not: a recording that outlasted every try within the lease."""

    def keep(self, recording: steps.Recording) -> None: ...


class _TooOld(Exception):
    """The process was stopped between its last durable word and the socket; nothing was written."""


class _LostRace(Exception):
    """The post was cancelled, edited, or another worker holds the lane now."""


class _NoParent(Exception):
    """A card of a thread whose parent has no id: alone in public it would be another post."""


@dataclass(frozen=True, slots=True)
class _Content:
    """The exact bytes to send. ``since_id`` is the first attempt's when they go out for a second time."""

    payload: bytes
    media_ids: tuple[str, ...]
    since_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Ready:
    """A segment with everything that the audience cannot see done."""

    held: steps.Held
    post: Post
    segment: Segment
    line: Line
    content: _Content
    is_last: bool


@dataclass(frozen=True, slots=True)
class _Armed:
    """Bytes that are durable, and until when by the elapsed clock they may be written to the socket."""

    attempt_id: int
    payload: bytes
    sent_by: float


@dataclass(frozen=True, slots=True)
class Publisher:
    """Sends what is due. One a process; lanes of different accounts run side by side."""

    db: Database
    clock: Clock
    pace: Pace
    committer: Committer
    lines: Lines
    uploads: Uploads
    worker: str
    terms: Terms = NO_TERMS
    is_stopping: Callable[[], bool] = lambda: False
    may_dispatch: Callable[[], bool] = lambda: True
    looker: Looker | None = None
    journal: Journal | None = None
    _draining: set[int] = field(default_factory=set)

    async def drain(self, key: str) -> None:
        """Send everything that is due in one account's lane; ``key`` is the account's inner id."""
        account_id = int(key)
        while account_id not in self._draining:
            self._draining.add(account_id)
            try:
                if not await self._drain_lane(account_id):
                    return
            finally:
                self._draining.discard(account_id)
            # A hint that came while the lane was ours was turned away: look once more after the release.
            if not self._goes_on or await self._next_due(account_id) is None:
                return

    def is_draining(self, account_id: int) -> bool:
        """Whether this process is at work in the account's lane."""
        return account_id in self._draining

    async def _drain_lane(self, account_id: int) -> bool:
        """False when another process holds the lane."""
        async with self.db.write() as session:
            fence = await lanes.take_lane(session, self.clock, account_id, self.worker, self._lease)
        if fence is None:
            return False
        try:
            async with self._kept(account_id, fence):
                await self._send_due(account_id, fence)
        finally:
            async with self.db.write() as session:
                await lanes.drop_lane(session, account_id, fence)
        return True

    @property
    def _lease(self) -> timedelta:
        return timedelta(seconds=self.pace.lease)

    async def _next_due(self, account_id: int) -> Post | None:
        async with self.db.read() as session:
            return await queries.next_due(session, account_id, self.clock.now())

    @property
    def _goes_on(self) -> bool:
        """Whether another post may be begun."""
        return self.may_dispatch() and not self.is_stopping()

    async def _send_due(self, account_id: int, fence: int) -> None:
        await self._look(account_id, fence)
        while self._goes_on and (post := await self._next_due(account_id)) is not None:
            held = steps.Held(post.id, account_id, post.version, fence)
            if not await self.committer.commit(steps.claim, steps.Claim(held, self.clock.now(), self.terms)):
                return
            await self._publish_or_step_aside(held, post)
            await self._look(account_id, fence)

    async def _look(self, account_id: int, fence: int) -> None:
        if self.looker is None or self.is_stopping() or not await self._is_look_due(account_id):
            return
        await self.looker.look(account_id, fence)

    async def _is_look_due(self, account_id: int) -> bool:
        async with self.db.read() as session:
            return await queries.is_look_due(session, account_id, self.clock.now())

    async def _publish_or_step_aside(self, held: steps.Held, post: Post) -> None:
        try:
            await self._publish(held, post)
        except _LostRace:
            pass  # who cancels or edits between claim and arm wins; the post is as they want it
        except Exception:
            # A post that we stumble over must not hold up those behind it; what was sent is recovered.
            log.exception("publishing_stumbled", post=post.public_id)
            await self._record(held, outcomes.stumbled(post, self.clock.now(), self.pace))

    async def _publish(self, held: steps.Held, post: Post) -> None:
        """Every segment that is not out yet, each one a reply to the one before."""
        while True:
            async with self.db.read() as session:
                coming = await queries.first_waiting(session, post.id)
            if coming is None or not await self._publish_segment(held, post, *coming):
                return
            if self.is_stopping():
                return  # the cards that are left go out after the next start

    async def _publish_segment(
        self, held: steps.Held, post: Post, segment: Segment, parent: str | None
    ) -> bool:
        """Whether the next segment may follow."""
        if segment.position > 0 and parent is None:
            raise _NoParent
        line: Line | None = None
        refused: Bearer | None = None
        while True:
            armed: _Armed | None = None
            try:
                line = await self._line(held.account_id, refused)
                ready = await self._prepare(held, post, segment, parent, line)
                armed = await self._arm(ready)
                reply = await self._send(ready, armed)
            except _TooOld:
                await self._record(held, outcomes.not_sent(post, segment, _id(armed), self.clock.now()))
                return False
            except PerchError as error:
                now = self.clock.now()
                is_renewed = refused is not None
                past = await self._past(segment)
                decision = decide(
                    error, past, now=now, tries=post.tries, refreshed=is_renewed, pace=self.pace
                )
                await self._record(held, outcomes.failed(post, segment, _id(armed), now, error, decision))
                if is_about_media(error):
                    await self._forget_media(held, segment)
                brakes = pausing.after_refusal(error, decision, held.account_id, now, self.pace)
                await self._brake(held, now, brakes)
                if not isinstance(decision, RefreshFirst) or line is None:
                    return False
                refused = line.auth
            else:
                return await self._published(ready, armed, reply)

    async def _line(self, account_id: int, refused: Bearer | None) -> Line:
        if refused is None:
            return await self.lines.open(account_id)
        return await self.lines.renew(account_id, refused)

    async def _prepare(
        self, held: steps.Held, post: Post, segment: Segment, parent: str | None, line: Line
    ) -> _Ready:
        """Media that X holds: nothing the audience could see."""
        async with self.db.read() as session:
            cards = await queries.cards(session, post.id)
            repeated = await unsettled.to_repeat(session, segment)
        if repeated is not None:
            content = _Content(repeated.payload, media_ids_of(repeated), repeated.since_id)
        else:
            content = await self._content(held.account_id, cards[segment.position], parent, line)
        return _Ready(held, post, segment, line, content, is_last=segment.position == len(cards) - 1)

    async def _content(self, account_id: int, card: queries.Card, parent: str | None, line: Line) -> _Content:
        media_ids = await self.uploads.ensure(line, account_id, card) if card.media else ()
        post = x_posts.CreatePost(text=card.segment.text, media_ids=media_ids, reply_to=parent)
        return _Content(post.body(), media_ids)

    async def _past(self, segment: Segment) -> Past:
        async with self.db.read() as session:
            return await unsettled.past(session, segment)

    async def _forget_media(self, held: steps.Held, segment: Segment) -> None:
        async with self.db.read() as session:
            cards = await queries.cards(session, segment.post_id)
        await self.uploads.forget(held.account_id, cards[segment.position])

    async def _arm(self, ready: _Ready) -> _Armed:
        payload = ready.content.payload
        now = self.clock.now()
        patience = self.pace.lease - self.pace.http
        arming = steps.Arming(
            held=ready.held, segment_id=ready.segment.id, worker=self.worker,
            payload=payload, payload_sha256=hashlib.sha256(payload).hexdigest(),
            media_ids=ready.content.media_ids,
            since_id=ready.content.since_id or snowflake_at(now - timedelta(seconds=5)),
            at=now, deadline_at=now + timedelta(seconds=patience), detail=_armed(ready),
        )  # fmt: skip
        sent_by = self.clock.elapsed() + patience
        attempt_id = await self.committer.commit(steps.arm, arming)
        if attempt_id is None:
            raise _LostRace
        return _Armed(attempt_id, payload, sent_by)

    async def _send(self, ready: _Ready, armed: _Armed) -> Reply[XPost]:
        beginning = steps.Beginning(ready.held, armed.attempt_id, self.clock.now())
        if not await self.committer.commit(steps.begin, beginning):
            raise _LostRace

        def in_time() -> None:
            if self.clock.elapsed() > armed.sent_by:
                raise _TooOld

        recorded = x_posts.CreatePost.from_body(armed.payload)
        return await ready.line.client.send(
            recorded, ready.line.auth, deadline=self.pace.http, before_write=in_time
        )

    async def _published(self, ready: _Ready, armed: _Armed, reply: Reply[XPost]) -> bool:
        """Whether another card follows."""
        recording = outcomes.published(
            ready.post, ready.segment, armed.attempt_id, self.clock.now(), reply, is_last=ready.is_last
        )
        facts = {"post": ready.post.public_id, "x_post_id": reply.result.id}
        if not await self._record(ready.held, recording):
            # Somebody settled this card while X was answering: what they said stands, and nothing follows it.
            log.error("published_after_it_was_settled", **facts)
            return False
        log.info("segment_published", **facts)
        held, now = ready.held, recording.at
        brakes = pausing.after_success(reply.head.limits, held.account_id, now, self.pace)
        await self._brake(held, now, brakes)
        return not ready.is_last and not brakes

    async def _brake(self, held: steps.Held, now: datetime, brakes: tuple[pausing.Brake, ...]) -> None:
        if brakes:
            await self.committer.commit(braking.put_on, braking.Braking(held.account_id, now, brakes))

    async def _record(self, held: steps.Held, recording: steps.Recording) -> bool:
        """One durable commit of what happened; repeated while the lease lasts, since only we know it."""
        recording = replace(recording, fence=held.fence)
        for wait in (0.05, 0.2, 1.0, 3.0):
            try:
                return await self.committer.commit(steps.record, recording)
            except Exception:
                log.exception("record_failed", post_id=recording.post_id)
                await self.clock.sleep(wait)
        return await self._record_or_keep(recording)

    async def _record_or_keep(self, recording: steps.Recording) -> bool:
        try:
            return await self.committer.commit(steps.record, recording)
        except Exception:
            if self.journal is None:
                raise
            log.exception("record_kept_in_journal", post_id=recording.post_id)
            self.journal.keep(recording)
            return False

    @asynccontextmanager
    async def _kept(self, account_id: int, fence: int) -> AsyncIterator[None]:
        """Renew the lane while work runs in it; an upload may take longer than a lease."""
        renewing = asyncio.create_task(self._renew(account_id, fence))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def _renew(self, account_id: int, fence: int) -> None:
        while True:
            await self.clock.sleep(self.pace.lease / 3)
            try:
                async with self.db.write() as session:
                    if not await lanes.renew_lane(session, self.clock, account_id, fence, self._lease):
                        return
            except SQLAlchemyError:
                # A database that is away for a moment must not cost the lane: the next turn comes in time.
                log.exception("lane_not_renewed", account_id=account_id)


def _armed(ready: _Ready) -> dict[str, str | int | None]:
    return {
        "characters": ready.segment.weight,
        "links": len(find_urls(ready.segment.text)),
        "media": len(ready.content.media_ids),
        "price_micros": ready.segment.price_micros,
        "card": ready.segment.position + 1,
    }


def _id(armed: _Armed | None) -> int | None:
    return armed.attempt_id if armed else None

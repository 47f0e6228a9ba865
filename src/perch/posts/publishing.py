"""Publishing: an account's lane is taken, and each due post goes claim, prepare, arm, send, record.

X has no idempotency key. So the exact bytes are durable before they are sent, one attempt of a segment
may be open at a time, and an attempt without a verdict stops everything until somebody has looked.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from perch.accounts import lanes
from perch.clock import Clock
from perch.db import Database
from perch.errors import PerchError
from perch.jobs import Committer, Pace
from perch.posts import braking, outcomes, pausing, queries, steps, unsettled
from perch.posts.admitting import NO_TERMS, Terms
from perch.posts.lineup import DueCard, DuePost
from perch.posts.retrying import RefreshFirst, decide, is_about_media
from perch.posts.unsettled import media_ids_of
from perch.text import find_urls
from perch.x import posts as x_posts
from perch.x.client import XClient
from perch.x.wire import Bearer, Reply
from perch.x.xpost import XPost, snowflake_at

log = structlog.get_logger(__name__)
LANES = 256
"""How many accounts one process serves at once: what is beyond goes to a process that has a hand free."""
_KEPT_OPEN = timedelta(seconds=10)


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
    """Gives X the media of a card and answers with X's ids for them, in order. May raise Stopping."""

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


@dataclass(slots=True)
class _Lane:
    """A lane in our hand, and the way to X while it is fresh."""

    hold: lanes.Hold
    line: Line | None = None
    opened_at: datetime | None = None
    has_looked: bool = False
    has_seen: bool = False


class _TooOld(Exception):
    """The process was stopped between its last durable word and the socket; nothing was written."""


class _LostRace(Exception):
    """The post was cancelled, edited, or another worker holds the lane now."""


class Stopping(Exception):
    """The process is to end, and nothing was sent: the lane goes back, the post out after the next start."""


class _NothingLeft(Exception):
    """A post that is to go out, and no card of it is: asked again at once it would be asked for ever."""


class _NoParent(Exception):
    """A card of a thread whose parent has no id: alone in public it would be another post."""


@dataclass(frozen=True, slots=True)
class _Content:
    """The exact bytes to send. ``since_id`` is the first attempt's when they go out for a second time."""

    payload: bytes
    media_ids: tuple[str, ...]
    since_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Armed:
    """Bytes that are durable, and until when by the elapsed clock they may be written to the socket."""

    attempt_id: int
    payload: bytes
    sent_by: float


@dataclass(frozen=True, slots=True)
class _Said:
    """What came of a card, to be recorded; with what it means for account and app."""

    recording: steps.Recording
    brakes: tuple[pausing.Brake, ...] = ()
    x_post_id: str | None = None
    forgets_media: DueCard | None = None


@dataclass(frozen=True, slots=True)
class _HandedIn:
    """A recording on its way into the database, with the brakes beside it."""

    recorded: asyncio.Future[bool]
    braked: asyncio.Future[None] | None = None


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
    _called: set[int] = field(default_factory=set)
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LANES))
    _keeper: lanes.Keeper = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_keeper", lanes.Keeper(self.committer, self.clock, self.pace.lease))

    async def drain(self, key: str) -> None:
        """Send everything that is due in one account's lane; ``key`` is the account's inner id."""
        account_id = int(key)
        self._called.add(account_id)
        if account_id in self._draining:
            return  # the lane is ours: whoever works in it looks once more after its release
        self._draining.add(account_id)
        try:
            while account_id in self._called and not self.is_stopping():
                self._called.discard(account_id)
                async with self._turns:
                    has_sent = await self._work_in_lane(account_id)
                if has_sent:
                    self._called.add(account_id)
        finally:
            self._draining.discard(account_id)
            self._called.discard(account_id)

    def is_draining(self, account_id: int) -> bool:
        """Whether this process is at work in the account's lane."""
        return account_id in self._draining

    async def _work_in_lane(self, account_id: int) -> bool:
        """Whether anything was done: not where nothing is due, or another one holds the lane."""
        now = self.clock.now()
        taking = lanes.Taking(account_id, self.worker, now, now + timedelta(seconds=self.pace.lease))
        turn = await self.committer.commit(steps.seek, self._seek(taking))
        if turn.hold is None:
            return False
        try:
            with self._keeper.keeping(turn.hold):
                return await self._work(_Lane(turn.hold), turn)
        finally:
            await self.committer.commit(lanes.drop, turn.hold)

    async def _work(self, lane: _Lane, turn: steps.Turn) -> bool:
        """Do what the turn says, and what there is to do after it."""
        has_claimed = turn.post is not None
        while True:
            if turn.look_is_due:
                await self._look(lane)
            if turn.post is None or turn.held is None:
                return has_claimed or lane.has_seen
            turn = await self._go_on(lane, turn.post, await self._publish(lane, turn.post, turn.held))

    def _seek(self, lane: lanes.Hold | lanes.Taking) -> steps.Seek:
        return steps.Seek(lane, self.clock.now(), self.terms, self.may_dispatch())

    async def _look(self, lane: _Lane) -> None:
        if self.looker is None or lane.has_looked:
            return
        lane.has_looked = True
        try:
            await self.looker.look(lane.hold.account_id, lane.hold.fence)
        except Exception:
            # The next sweep looks again; what is to be sent does not wait for that.
            log.exception("looking_stumbled", account_id=lane.hold.account_id)
        else:
            lane.has_seen = True

    async def _publish(self, lane: _Lane, post: DuePost, held: steps.Held) -> _Said | None:
        """What came of the post, which is still to be recorded; None when it is not ours any more."""
        try:
            return await self._publish_cards(lane, post, held)
        except (_LostRace, Stopping):
            return None  # who cancels or edits between claim and arm wins; the post is as they want it
        except Exception:
            # A post that we stumble over must not hold up those behind it; what was sent is recovered.
            log.exception("publishing_stumbled", post=post.public_id)
            return _Said(outcomes.stumbled(post, self.clock.now(), self.pace))

    async def _publish_cards(self, lane: _Lane, post: DuePost, held: steps.Held) -> _Said | None:
        """Every card that is not out yet, each one a reply to the one before."""
        said: _Said | None = None
        for card, parent in post.waiting():
            if said is not None and not await self._record(lane, post, said):
                return None
            said = await self._publish_card(lane, post, card, said.x_post_id if said else parent, held)
            if said.x_post_id is None or said.brakes or self.is_stopping():
                break  # the cards that are left go out another time
        if said is None:
            raise _NothingLeft
        return said

    async def _publish_card(
        self, lane: _Lane, post: DuePost, card: DueCard, parent: str | None, held: steps.Held
    ) -> _Said:
        if card.position > 0 and parent is None:
            raise _NoParent
        refused: Bearer | None = None
        while True:
            armed: _Armed | None = None
            try:
                line = await self._line(lane, refused)
                content = await self._prepare(line, post, card, parent)
                armed = await self._arm(held, card, content)
                reply = await self._send(held, armed, line)
            except _TooOld:
                return _Said(outcomes.not_sent(post, card, _id(armed), self.clock.now()))
            except PerchError as error:
                said, is_to_renew = await self._failed(post, card, armed, error, was_renewed=bool(refused))
                if not is_to_renew or lane.line is None:
                    return said
                refused = lane.line.auth
                await self._record(lane, post, said)
            else:
                return self._published(post, card, armed, reply)

    async def _line(self, lane: _Lane, refused: Bearer | None) -> Line:
        """The way to X, opened anew now and then: somebody may have disconnected the account."""
        now = self.clock.now()
        if refused is not None:
            lane.line = await self.lines.renew(lane.hold.account_id, refused)
        elif lane.line is None or lane.opened_at is None or now - lane.opened_at > _KEPT_OPEN:
            lane.line = await self.lines.open(lane.hold.account_id)
        else:
            return lane.line
        lane.opened_at = now
        return lane.line

    async def _prepare(self, line: Line, post: DuePost, card: DueCard, parent: str | None) -> _Content:
        """The bytes, and media that X holds: nothing the audience could see."""
        if card.attempts and (repeated := await self._repeated(card)) is not None:
            return repeated
        media_ids: tuple[str, ...] = ()
        if card.has_media:
            media_ids = await self.uploads.ensure(line, post.account_id, await self._with_media(card))
        operation = x_posts.CreatePost(text=card.text, media_ids=media_ids, reply_to=parent)
        return _Content(operation.body(), media_ids)

    async def _repeated(self, card: DueCard) -> _Content | None:
        async with self.db.read() as session:
            absent = await unsettled.to_repeat(session, card)
        return None if absent is None else _Content(absent.payload, media_ids_of(absent), absent.since_id)

    async def _with_media(self, card: DueCard) -> queries.Card:
        async with self.db.read() as session:
            cards = await queries.cards(session, card.post_id)
        return cards[card.position]

    async def _arm(self, held: steps.Held, card: DueCard, content: _Content) -> _Armed:
        now = self.clock.now()
        patience = self.pace.lease - self.pace.http
        arming = steps.Arming(
            held=held, segment_id=card.id, worker=self.worker,
            payload=content.payload, payload_sha256=hashlib.sha256(content.payload).hexdigest(),
            media_ids=content.media_ids,
            since_id=content.since_id or snowflake_at(now - timedelta(seconds=5)),
            at=now, deadline_at=now + timedelta(seconds=patience), detail=_armed(card, content),
        )  # fmt: skip
        sent_by = self.clock.elapsed() + patience
        attempt_id = await self.committer.commit(steps.arm, arming)
        if attempt_id is None:
            raise _LostRace
        return _Armed(attempt_id, content.payload, sent_by)

    async def _send(self, held: steps.Held, armed: _Armed, line: Line) -> Reply[XPost]:
        beginning = steps.Beginning(held, armed.attempt_id, self.clock.now())
        if not await self.committer.commit(steps.begin, beginning):
            raise _LostRace

        def in_time() -> None:
            if self.clock.elapsed() > armed.sent_by:
                raise _TooOld

        recorded = x_posts.CreatePost.from_body(armed.payload)
        return await line.client.send(recorded, line.auth, deadline=self.pace.http, before_write=in_time)

    def _published(self, post: DuePost, card: DueCard, armed: _Armed, reply: Reply[XPost]) -> _Said:
        now, is_last = self.clock.now(), post.is_last(card)
        recording = outcomes.published(post, card, armed.attempt_id, now, reply, is_last=is_last)
        brakes = pausing.after_success(reply.head.limits, post.account_id, now, self.pace)
        return _Said(recording, brakes, reply.result.id)

    async def _failed(
        self, post: DuePost, card: DueCard, armed: _Armed | None, error: PerchError, *, was_renewed: bool
    ) -> tuple[_Said, bool]:
        """What the error means, and whether the card is tried again at once with another token."""
        async with self.db.read() as session:
            past = await unsettled.past(session, card)
        now = self.clock.now()
        decision = decide(error, past, now=now, tries=post.tries, refreshed=was_renewed, pace=self.pace)
        said = _Said(
            outcomes.failed(post, card, _id(armed), now, error, decision),
            pausing.after_refusal(error, decision, post.account_id, now, self.pace),
            forgets_media=card if is_about_media(error) else None,
        )
        return said, isinstance(decision, RefreshFirst)

    async def _go_on(self, lane: _Lane, post: DuePost, said: _Said | None) -> steps.Turn:
        """Record, and ask in the same transaction for what is next."""
        handed_in = self._hand_in(lane, said) if said else None
        seeking = None if self.is_stopping() else self.committer.hand_in(steps.seek, self._seek(lane.hold))
        if said is not None and handed_in is not None:
            await self._see_recorded(lane, post, said, handed_in)
        return steps.Turn() if seeking is None else await seeking

    async def _record(self, lane: _Lane, post: DuePost, said: _Said) -> bool:
        return await self._see_recorded(lane, post, said, self._hand_in(lane, said))

    def _hand_in(self, lane: _Lane, said: _Said) -> _HandedIn:
        recorded = self.committer.hand_in(steps.record, replace(said.recording, fence=lane.hold.fence))
        if not said.brakes:
            return _HandedIn(recorded)
        brakes = braking.Braking(lane.hold.account_id, said.recording.at, said.brakes)
        return _HandedIn(recorded, self.committer.hand_in(braking.put_on, brakes))

    async def _see_recorded(self, lane: _Lane, post: DuePost, said: _Said, handed_in: _HandedIn) -> bool:
        """One durable commit of what happened; repeated while the lease lasts, since only we know it."""
        waits = iter((0.05, 0.2, 1.0, 3.0))
        while True:
            try:
                is_kept = await handed_in.recorded
                break
            except Exception:
                log.exception("record_failed", post=post.public_id)
                if (wait := next(waits, None)) is None:
                    return self._keep(lane, said)
                await self.clock.sleep(wait)
                handed_in = self._hand_in(lane, said)
        _tell(post, said, is_kept=is_kept)
        if handed_in.braked is not None:
            await handed_in.braked
        if said.forgets_media is not None:
            await self.uploads.forget(post.account_id, await self._with_media(said.forgets_media))
        return is_kept

    def _keep(self, lane: _Lane, said: _Said) -> bool:
        """Where no database takes it, a journal does; without one nobody but recovery can settle it."""
        if self.journal is None:
            return False
        self.journal.keep(replace(said.recording, fence=lane.hold.fence))
        log.error("record_kept_in_journal", post_id=said.recording.post_id)
        return False


def _tell(post: DuePost, said: _Said, *, is_kept: bool) -> None:
    facts = {"post": post.public_id, "x_post_id": said.x_post_id}
    if said.x_post_id is not None and is_kept:
        log.info("segment_published", **facts)
    elif said.x_post_id is not None:
        # Somebody settled this card while X was answering: what they said stands, and nothing follows it.
        log.error("published_after_it_was_settled", **facts)


def _armed(card: DueCard, content: _Content) -> dict[str, str | int | None]:
    return {
        "characters": card.weight,
        "links": len(find_urls(card.text)),
        "media": len(content.media_ids),
        "price_micros": card.price_micros,
        "card": card.position + 1,
    }


def _id(armed: _Armed | None) -> int | None:
    return armed.attempt_id if armed else None

"""Unknown outcomes settle themselves: the account's own timeline is read, and what it proves is recorded.

Called in a lane that is held, so nothing of the account is sent while its timeline is read.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

import structlog

from perch.budget.prices import Charge, price_of
from perch.clock import Clock
from perch.db import Database
from perch.errors import PerchError
from perch.jobs import Committer, Pace
from perch.posts import looking, sightings, steps, unsettled
from perch.posts.looking import NotSeen, Seen, Sighting, Sought, Unclear
from perch.posts.publishing import Line, Lines
from perch.posts.retrying import backoff
from perch.posts.steps import Recording
from perch.posts.unsettled import Question
from perch.x import errors as x
from perch.x.posts import FieldsParam, OwnTimeline, Timeline
from perch.x.xpost import XPost, snowflake_at, snowflake_time

log = structlog.get_logger(__name__)

POST_READ = "read"
_PAGE = 100
_MOST_PAGES = 5
_MOST_LOOKS = 40
"""Failed ones among them; whoever cannot look for so long asks a person."""
_TURNED_OFF = "Perch may not read this account's posts (PERCH_X_LOOK is off)."
_COULD_NOT = "Perch could not look on X whether the post is there."
_WRONG_CLOCK = "This server's clock was set a moment ago, or it is not near X's clock."
_IN_VAIN = "Perch has tried to look for this post on X many times, and X gave no answer."


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a timeline that can hold what is sought: ids between the two."""

    since_id: str
    until_id: str | None


@dataclass(frozen=True, slots=True)
class Read:
    """What an account's timeline held. Only a complete one can prove that something is not there.

    ``their_time`` is what X's clock said, and ``at`` what ours did when we began to ask.
    """

    at: datetime
    their_time: datetime | None
    posts: tuple[XPost, ...]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Looks for what got no verdict.

    ``trusts_clock``: whether this clock ran steadily for so many seconds, and is near X's, so that absence
    can be reckoned. A clock that is ahead would also ask for a part of the timeline that comes too late.
    """

    db: Database
    clock: Clock
    pace: Pace
    committer: Committer
    lines: Lines
    may_look: bool = True
    trusts_clock: Callable[[float, datetime | None], bool] = lambda _seconds, _their_time: True

    async def look(self, account_id: int, fence: int) -> None:
        """Settle what is due in this account's lane, as far as one reading of its timeline can."""
        async with self.db.read() as session:
            questions = await unsettled.due_questions(session, account_id, self.clock.now())
        if not questions:
            return
        log.info("looking", account_id=account_id, fence=fence, attempts=len(questions))
        if not self.may_look:
            await self._record([sightings.cannot(one, _TURNED_OFF, self.clock.now()) for one in questions])
            return
        try:
            read = await self._read(account_id, questions)
        except PerchError as error:
            await self._record([self._failed(one, error) for one in questions])
        else:
            await self._settle(account_id, questions, read)

    async def _read(self, account_id: int, questions: Sequence[Question]) -> Read:
        line = await self.lines.open(account_id)
        async with self.db.read() as session:
            account, _ = await unsettled.whose(session, account_id)
        span = _span(questions, self.clock.now(), self.pace)
        asking = OwnTimeline(account.x_user_id, span.since_id, span.until_id, _PAGE)
        try:
            return await self._pages(line, asking)
        except x.Unauthorized:
            return await self._pages(await self.lines.renew(account_id, line.auth), asking)

    async def _pages(self, line: Line, asking: OwnTimeline) -> Read:
        """As many pages as there are, up to a bound; a timeline that goes on beyond it is not complete."""
        at, posts, page, date = self.clock.now(), list[XPost](), None, None
        for _ in range(_MOST_PAGES):
            page, date, asking = await self._page(line, asking)
            posts += page.posts
            if page.next_token is None or page.problems:
                break
            asking = replace(asking, pagination_token=page.next_token)
        return Read(at, date, tuple(posts), page is not None and page.complete)

    async def _page(self, line: Line, asking: OwnTimeline) -> tuple[Timeline, datetime | None, OwnTimeline]:
        """One page, X's time of it, and the question in the spelling that X understood."""
        try:
            return *await self._ask(line, asking), asking
        except x.Rejected as error:
            if error.reason is not x.RejectedReason.FIELDS_RENAMED:
                raise
            renamed = replace(asking, fields_param=FieldsParam.POST)
            return *await self._ask(line, renamed), renamed

    async def _ask(self, line: Line, asking: OwnTimeline) -> tuple[Timeline, datetime | None]:
        reply = await line.client.send(asking, line.auth, deadline=self.pace.http)
        return reply.result, reply.head.date

    async def _settle(self, account_id: int, questions: Sequence[Question], read: Read) -> None:
        now = self.clock.now()
        async with self.db.read() as session:
            known = await unsettled.known_among(session, [post.id for post in read.posts])
            _, app = await unsettled.whose(session, account_id)
        sought = [_sought(question) for question in questions]
        seen = looking.recognise(sought, read.posts, known)
        recordings = [self._sighted(one, seen[one.attempt.id], read, now) for one in questions]
        micros = price_of(Charge.POST_READ, at=now.date(), plan=app.plan, times=len(read.posts)).micros
        await self._record([*recordings, *_paid(questions[0], micros, now)])

    def _sighted(self, question: Question, sighting: Sighting, read: Read, now: datetime) -> Recording:
        match sighting:
            case Seen(x_post_id=x_post_id):
                return sightings.seen(question, x_post_id, now, len(read.posts))
            case Unclear(x_post_ids=x_post_ids, is_certain=True):
                return sightings.unclear(question, x_post_ids, now)
            case Unclear(x_post_ids=x_post_ids):
                proof = self._proof(question, read)
                if isinstance(proof, looking.Absent) or proof.absences:
                    return sightings.unclear(question, x_post_ids, now)
                return sightings.not_seen(question, proof, now, len(read.posts))
            case NotSeen() if not read.is_complete:
                return self._failed(question, x.Unavailable("X did not tell the whole timeline."))
            case NotSeen() if not self.trusts_clock(
                self.pace.latest_arrival + self.pace.visibility, read.their_time
            ):
                return self._failed(question, x.Unavailable(_WRONG_CLOCK))
            case NotSeen():
                return sightings.not_seen(question, self._proof(question, read), now, len(read.posts))
        assert_never(sighting)

    def _proof(self, question: Question, read: Read) -> looking.LookAgain | looking.Absent:
        attempt = question.attempt
        return looking.after_nothing(
            attempt.sent_at or attempt.armed_at, read.at, attempt.absences, attempt.absent_at, self.pace
        )

    def _failed(self, question: Question, error: PerchError) -> Recording:
        """A look that failed proves nothing: it is made again, unless it never can be."""
        now, looks = self.clock.now(), question.attempt.looks
        if looks >= _MOST_LOOKS:
            return sightings.cannot(question, f"{_IN_VAIN} {error.sentence}", now)
        match error:
            case x.RateLimited(resets_at=resets_at):
                at = resets_at or now + timedelta(seconds=self.pace.rate_unknown)
                return sightings.failed(question, max(at, now), error.sentence, now)
            case x.Forbidden(reason=reason) if reason is not x.ForbiddenReason.EDGE:
                return sightings.cannot(question, f"{_COULD_NOT} {error.sentence}", now)
            case x.OutOfCredits() | x.GrantLost() | x.AppMisconfigured():
                return sightings.cannot(question, f"{_COULD_NOT} {error.sentence}", now)
            case _:
                wait = min(backoff(looks, self.pace), timedelta(seconds=self.pace.second_look))
                return sightings.failed(question, now + wait, error.sentence, now)

    async def _record(self, recordings: Sequence[Recording]) -> None:
        kept = await asyncio.gather(*(self.committer.commit(steps.record, one) for one in recordings))
        for recording, is_kept in zip(recordings, kept, strict=True):
            for kind, _ in recording.happenings:
                log.info("looked_for_post", post_id=recording.post_id, kind=kind, kept=is_kept)


def _sought(question: Question) -> Sought:
    attempt = question.attempt
    return Sought.of(attempt.id, attempt.payload, attempt.since_id)


def _span(questions: Sequence[Question], now: datetime, pace: Pace) -> Span:
    """From a little before the earliest attempt, since clocks differ, to when the latest must have shown."""
    earliest = min(snowflake_time(one.attempt.since_id) for one in questions)
    since = earliest - timedelta(seconds=pace.clock_jump)
    latest = max(one.attempt.sent_at or one.attempt.armed_at for one in questions)
    until = latest + timedelta(seconds=pace.latest_arrival + pace.visibility + pace.second_look)
    return Span(snowflake_at(since), snowflake_at(until) if until < now else None)


def _paid(question: Question, micros: int, now: datetime) -> Sequence[Recording]:
    """X charges for each post it returns."""
    post = question.post
    spend = {
        "workspace_id": post.workspace_id, "account_id": post.account_id, "post_id": post.id,
        "at": now, "what": POST_READ, "micros": micros,
    }  # fmt: skip
    return [Recording(post.id, now, spend=spend)] if micros else []

"""What two hands do to one post at the same moment, and what a database does that is away for a moment."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from perch.accounts import lanes
from perch.accounts.disconnecting import disconnect
from perch.accounts.models import XAccount
from perch.clock import SystemClock
from perch.jobs import Committer
from perch.posts import editing, outcomes, settling, steps
from perch.posts.models import Attempt, AttemptState, Post, PostState, Segment, SegmentState
from perch.posts.publishing import Line
from perch.posts.recovering import Recovery
from perch.posts.retrying import AskPerson, LookFirst
from perch.x.errors import Unconfirmed
from perch.x.wire import Head, Reply
from perch.x.xpost import XPost

LEASE = timedelta(seconds=60)


async def lane_of(writer, worker):
    perch = writer.house.perch
    async with perch.db.write() as session:
        await lanes.void_lanes(session)
        return await lanes.take_lane(session, perch.clock, writer.person.account_id, worker, LEASE)


async def claimed(writer, post, worker):
    perch = writer.house.perch
    held = steps.Held(post.id, post.account_id, post.version, await lane_of(writer, worker))
    assert await perch.committer.commit(steps.claim, steps.Claim(held, perch.clock.now()))
    return held


async def armed(writer, post, held):
    perch, now = writer.house.perch, writer.house.perch.clock.now()
    async with perch.db.read() as session:
        segment = await session.scalar(select(Segment).where(Segment.post_id == post.id))
    arming = steps.Arming(
        held=held, segment_id=segment.id, worker="a worker", payload=b"{}", payload_sha256="0", media_ids=(),
        since_id="1", at=now, deadline_at=now,
        detail={"characters": 1, "links": 0, "media": 0, "price_micros": 1, "card": 1},
    )  # fmt: skip
    attempt_id = await perch.committer.commit(steps.arm, arming)
    async with perch.db.read() as session:
        return segment, await session.get_one(Attempt, attempt_id)


async def test_an_attempt_that_began_a_moment_ago_is_not_taken_for_unsent(ada):
    perch, post = ada.house.perch, await ada.write("Quicker than the sweep")
    held = await claimed(ada, post, "alive")
    segment, attempt = await armed(ada, post, held)
    assert await perch.committer.commit(steps.begin, steps.Beginning(held, attempt.id, perch.clock.now()))
    # The sweep read the attempt while it was armed, and says so only now.
    late = outcomes.never_begun(post, segment, attempt, perch.clock.now())
    assert not await perch.committer.commit(steps.record, late)
    assert [one.state for one in await ada.attempts(post)] == [AttemptState.SENDING]
    assert (await ada.read(post)).post.state == PostState.PUBLISHING


async def test_a_worker_that_lost_its_lane_says_nothing_more_about_the_post(ada):
    perch, post = ada.house.perch, await ada.write("Mine now")
    older = await claimed(ada, post, "overslept")
    newer = await claimed(ada, post, "awake")
    refused = steps.Recording(post.id, perch.clock.now(), {"state": PostState.REFUSED}, older.fence)
    assert not await perch.committer.commit(steps.record, refused)
    assert (await ada.read(post)).post.state == PostState.PUBLISHING
    assert await perch.committer.commit(steps.record, replace(refused, fence=newer.fence))
    assert (await ada.read(post)).post.state == PostState.REFUSED


class Frail:
    """A database that fails one read or write of its owner's choice."""

    def __init__(self, db):
        self.db = db
        self.fails_read = self.fails_write = False

    @asynccontextmanager
    async def read(self):
        self.stumble("fails_read")
        async with self.db.read() as session:
            yield session

    @asynccontextmanager
    async def write(self):
        self.stumble("fails_write")
        async with self.db.write() as session:
            yield session

    def stumble(self, what):
        if getattr(self, what):
            setattr(self, what, False)
            raise OperationalError("a statement", None, Exception("away for a moment"))


class Watched:
    """The way to X, with something to do around each call."""

    def __init__(self, lines, before=None, after=None):
        self.lines, self.before, self.after = lines, before, after
        self.client: Any = None

    async def open(self, account_id):
        line = await self.lines.open(account_id)
        self.client = line.client
        if self.before is not None:
            await self.before()
        return Line(self, line.auth)  # type: ignore[arg-type]

    async def send(self, *args, **kwargs):
        reply = await self.client.send(*args, **kwargs)
        if self.after is not None:
            self.after()
        return reply


async def test_nothing_stands_between_x_s_answer_and_writing_it_down(ada):
    publisher, post = ada.house.perch.publisher, await ada.write("Answered")
    frail = Frail(publisher.db)
    lines = Watched(publisher.lines, after=lambda: setattr(frail, "fails_read", True))
    await replace(publisher, db=frail, lines=lines).drain(str(post.account_id))
    assert frail.fails_read, "something was read after X had answered"
    assert [one.state for one in await ada.attempts(post)] == [AttemptState.OK]
    assert (await ada.read(post)).post.state == PostState.PUBLISHED


class Hurried(SystemClock):
    """Its waits are over at once."""

    async def sleep(self, seconds):
        await asyncio.sleep(0.005)


async def test_a_lane_is_renewed_again_after_a_database_was_away(ada):
    publisher, post = ada.house.perch.publisher, await ada.write("Patient")
    frail, fences = Frail(publisher.db), []

    async def lane_until():
        async with publisher.db.read() as session:
            return await session.scalar(select(XAccount.lane_until).where(XAccount.id == post.account_id))

    async def while_the_database_goes_away():
        frail.fails_write = True
        while frail.fails_write:
            await asyncio.sleep(0.002)
        before = await lane_until()
        for _ in range(1000):
            after = await lane_until()
            if after > before:
                fences.append(after)
                return
            await asyncio.sleep(0.002)

    lines = Watched(publisher.lines, before=while_the_database_goes_away)
    committer = Committer(frail.write, last=(steps.seek,))
    hurried = replace(publisher, committer=committer, lines=lines, clock=Hurried())
    await hurried.drain(str(post.account_id))
    assert fences
    assert (await ada.read(post)).post.state == PostState.PUBLISHED


async def test_a_thread_stops_between_two_cards_when_perch_stops_and_goes_on_later(ada):
    publisher, post = ada.house.perch.publisher, await ada.write("First", "Second", "Third")
    sent = []
    lines = Watched(publisher.lines, after=lambda: sent.append(1))
    stopping = replace(publisher, lines=lines, is_stopping=lambda: bool(sent))
    await stopping.drain(str(post.account_id))
    assert len(await ada.house.ledger()) == 1
    assert (await ada.read(post)).post.state == PostState.PUBLISHING
    await publisher.drain(str(post.account_id))
    assert len(await ada.house.ledger()) == 3
    assert (await ada.read(post)).post.state == PostState.PUBLISHED


async def test_what_came_due_for_a_disconnected_account_while_perch_was_away_says_why_it_waits(working, ada):
    perch, post = ada.house.perch, await ada.write("Left behind", due_in=3600)
    await disconnect(
        perch.db.write, perch.clock, perch.sealer, perch.clients, post.workspace_id, "@sandbox_ada"
    )
    async with perch.db.write() as session:
        due_at = perch.clock.now() - timedelta(minutes=1)
        await session.execute(update(Post).where(Post.id == post.id).values(due_at=due_at))
    receipt = await ada.settled(post, until=lambda post: post.paused_reason)
    assert receipt.post.state == PostState.SCHEDULED
    assert "disconnected" in (receipt.post.why or "")


async def test_a_button_works_also_when_the_page_s_post_was_read_before_it_came_into_question(ada):
    perch, post = ada.house.perch, await ada.write("In question")
    held = await claimed(ada, post, "alive")
    segment, attempt = await armed(ada, post, held)
    async with perch.db.write() as session:
        read_before = await session.get_one(Post, post.id)
        # Another process writes this down between our read and our lock.
        error, asking = Unconfirmed("Lost."), AskPerson("Is it there?")
        lost = outcomes.failed(post, segment, attempt.id, perch.clock.now(), error, asking)
        for table, key, values in (
            (Post, post.id, lost.post),
            (Segment, segment.id, lost.segment),
            (Attempt, attempt.id, lost.attempt),
        ):
            statement = update(table).where(table.id == key).values(**values)
            await session.execute(statement, execution_options={"synchronize_session": False})
        await settling.send_again(session, perch.clock, perch.engine, read_before, "Olga")
    assert (await ada.read(post)).post.state == PostState.PUBLISHING


async def test_a_lease_that_ran_out_under_work_that_goes_on_brings_nothing_into_question(ada):
    perch, post = ada.house.perch, await ada.write("Slept through the night")
    publisher, seen = perch.publisher, []

    async def wakes_up_with_a_lease_of_yesterday(is_ours):
        async with perch.db.write() as session:
            await lanes.void_lanes(session)
        await Recovery(perch.db, perch.clock, perch.pace, perch.committer, is_ours).sweep()
        seen.extend([one.state for one in await ada.attempts(post)])

    class Slept(Watched):
        async def send(self, *args, **kwargs):
            reply = await self.client.send(*args, **kwargs)
            await wakes_up_with_a_lease_of_yesterday(sleeper.is_draining)
            return reply

    sleeper = replace(publisher, lines=Slept(publisher.lines))
    await sleeper.drain(str(post.account_id))
    assert seen == [AttemptState.SENDING]
    assert [line.kind for line in (await ada.read(post)).lines].count("unknown") == 0
    assert (await ada.read(post)).post.state == PostState.PUBLISHED


async def test_what_was_found_out_about_words_that_were_changed_since_says_nothing_of_the_new_ones(ada):
    perch, post = ada.house.perch, await ada.write("With a video that X cannot read")
    held = await claimed(ada, post, "preparing")
    async with perch.db.write() as session:
        await editing.edit(session, perch.clock, perch.engine, post, editing.Change(when=None), "Olga")
    refused = steps.Recording(post.id, perch.clock.now(), {"state": PostState.REFUSED}, held.fence)
    assert not await perch.committer.commit(steps.record, refused)
    assert (await ada.read(post)).post.state == PostState.DRAFT


async def test_a_thread_that_was_put_to_a_person_goes_on_when_the_answer_comes_after_all(ada):
    perch, post = ada.house.perch, await ada.write("Answered late", "Below it")
    held = await claimed(ada, post, "cut off")
    segment, attempt = await armed(ada, post, held)
    await perch.committer.commit(steps.begin, steps.Beginning(held, attempt.id, perch.clock.now()))
    asking = outcomes.failed(
        post, segment, attempt.id, perch.clock.now(), Unconfirmed("Lost."), AskPerson("Is it there?")
    )
    assert await perch.committer.commit(steps.record, asking)
    head = Head(201)
    answered = outcomes.published(
        post, segment, attempt.id, perch.clock.now(), Reply(XPost("99", "x"), head), is_last=False
    )
    assert await perch.committer.commit(steps.record, answered)
    receipt = await ada.read(post)
    assert receipt.post.state == PostState.PUBLISHING
    assert [card.segment.state for card in receipt.cards] == [SegmentState.PUBLISHED, SegmentState.WAITING]


async def test_a_post_that_has_nothing_left_to_send_does_not_keep_its_lane_busy(ada):
    perch, odd, next_one = ada.house.perch, await ada.write("Odd"), await ada.write("Behind it")
    async with perch.db.write() as session:
        await session.execute(
            update(Segment).where(Segment.post_id == odd.id).values(state=SegmentState.NEEDS_YOU)
        )
    await asyncio.wait_for(perch.publisher.drain(str(odd.account_id)), 20)
    assert (await ada.read(next_one)).post.state == PostState.PUBLISHED
    assert (await ada.read(odd)).post.why


class Stumbling:
    """A look that meets what nobody thought of."""

    looks = 0

    async def look(self, account_id, fence):
        self.looks += 1
        raise ZeroDivisionError


async def test_a_look_that_stumbles_holds_up_no_post_and_is_not_repeated_at_once(ada):
    publisher, lost, post = ada.house.perch.publisher, await ada.write("Lost"), await ada.write("Behind it")
    held = await claimed(ada, lost, "gone")
    segment, attempt = await armed(ada, lost, held)
    now = publisher.clock.now()
    unknown = outcomes.failed(lost, segment, attempt.id, now, Unconfirmed("Lost."), LookFirst(now))
    assert await publisher.committer.commit(steps.record, unknown)
    async with publisher.db.write() as session:
        await lanes.void_lanes(session)
    looker = Stumbling()
    await asyncio.wait_for(replace(publisher, looker=looker).drain(str(post.account_id)), 20)
    assert (await ada.read(post)).post.state == PostState.PUBLISHED
    assert looker.looks <= 2

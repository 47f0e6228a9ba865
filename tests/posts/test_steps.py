"""The durable steps: only who holds the lane moves the post; what a dead worker left is recovered."""

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from perch import wiring
from perch.accounts import lanes
from perch.accounts.models import XAccount, XApp
from perch.clock import SystemClock
from perch.posts import chain, steps
from perch.posts.models import Attempt, AttemptState, Post, PostState, Segment, SegmentState
from perch.posts.recovering import Recovery

LEASE = timedelta(seconds=60)


@dataclass
class Lane:
    """One worker's hold on an account."""

    writer: Any
    fence: int

    @classmethod
    async def taken(cls, writer: Any, worker: str) -> "Lane":
        perch = writer.house.perch
        async with perch.db.write() as session:
            fence = await lanes.take_lane(session, perch.clock, writer.person.account_id, worker, LEASE)
        assert fence is not None
        return cls(writer, fence)

    def held(self, post: Post) -> steps.Held:
        return steps.Held(post.id, post.account_id, post.version, self.fence)

    async def commit(self, step: Any, row: Any) -> Any:
        return await self.writer.house.perch.committer.commit(step, row)

    async def claim(self, post: Post) -> bool:
        claimed: bool = await self.commit(steps.claim, steps.Claim(self.held(post), self.now()))
        return claimed

    async def arm(self, post: Post) -> Any:
        async with self.writer.house.perch.db.read() as session:
            segment = await session.scalar(select(Segment).where(Segment.post_id == post.id))
        payload = b'{"text": "x"}'
        arming = steps.Arming(
            held=self.held(post), segment_id=segment.id, worker="a worker", payload=payload,
            payload_sha256=hashlib.sha256(payload).hexdigest(), media_ids=(), since_id="1", at=self.now(),
            deadline_at=self.now() + LEASE,
            detail={"characters": 1, "links": 0, "media": 0, "price_micros": 1, "card": 1},
        )  # fmt: skip
        return await self.commit(steps.arm, arming)

    async def begin(self, post: Post, attempt_id: int) -> bool:
        beginning = steps.Beginning(self.held(post), attempt_id, self.now())
        begun: bool = await self.commit(steps.begin, beginning)
        return begun

    async def lost(self) -> None:
        """As when the process is gone: nobody renews, the lease runs out."""
        async with self.writer.house.perch.db.write() as session:
            await lanes.void_lanes(session)

    def now(self) -> datetime:
        at: datetime = self.writer.house.perch.clock.now()
        return at


def recovery(writer):
    perch = writer.house.perch
    return Recovery(perch.db, perch.clock, perch.pace, perch.committer)


@pytest.mark.both_databases
async def test_whoever_holds_the_lane_goes_through_all_the_steps(ada):
    post, lane = await ada.write("Mine"), await Lane.taken(ada, "one")
    assert await lane.claim(post)
    attempt_id = await lane.arm(post)
    assert attempt_id is not None
    assert await lane.begin(post, attempt_id)
    assert [one.state for one in await ada.attempts(post)] == [AttemptState.SENDING]


@pytest.mark.both_databases
async def test_a_worker_that_lost_its_lane_neither_claims_nor_arms_nor_begins(ada):
    post, old = await ada.write("Whose"), await Lane.taken(ada, "old")
    assert await old.claim(post)
    attempt_id = await old.arm(post)
    await old.lost()
    new = await Lane.taken(ada, "new")
    assert new.fence > old.fence
    assert not await old.begin(post, attempt_id)
    assert not await old.claim(post)
    await recovery(ada).sweep()
    assert await old.arm(post) is None
    assert [one.state for one in await ada.attempts(post)] == [AttemptState.ARMED]  # the new lane is held
    await new.lost()
    await recovery(ada).sweep()
    assert [one.state for one in await ada.attempts(post)] == [AttemptState.NOT_SENT]


@pytest.mark.both_databases
async def test_a_lane_is_held_by_one_worker_at_a_time(ada):
    await Lane.taken(ada, "one")
    perch = ada.house.perch
    async with perch.db.write() as session:
        assert await lanes.take_lane(session, perch.clock, ada.person.account_id, "two", LEASE) is None
    await ada.write("Not by you")
    await perch.publisher.drain(str(ada.person.account_id))
    assert await ada.house.ledger() == []


async def test_an_attempt_begins_once(ada):
    post, lane = await ada.write("Once"), await Lane.taken(ada, "one")
    await lane.claim(post)
    attempt_id = await lane.arm(post)
    assert await lane.begin(post, attempt_id)
    assert not await lane.begin(post, attempt_id)


async def test_a_post_that_was_cancelled_or_edited_since_is_not_armed(ada):
    lane = await Lane.taken(ada, "one")
    for change in ({"state": PostState.CANCELLED}, {"version": 2}):
        post = await ada.write(f"Changed: {change}")
        assert await lane.claim(post)
        async with ada.house.perch.db.write() as session:
            await session.execute(update(Post).where(Post.id == post.id).values(**change))
        assert await lane.arm(post) is None
        assert await ada.attempts(post) == []


@pytest.mark.parametrize(
    "change",
    [
        {"state": PostState.CANCELLED},
        {"state": PostState.NEEDS_YOU},
        {"state": PostState.DRAFT},
        {"version": 7},
    ],
)
async def test_only_what_is_due_and_open_is_claimed(ada, change):
    lane = await Lane.taken(ada, "one")
    post = await ada.write("Open")
    async with ada.house.perch.db.write() as session:
        await session.execute(update(Post).where(Post.id == post.id).values(**change))
    assert not await lane.claim(post)


@pytest.mark.parametrize("table", [XAccount, XApp])
@pytest.mark.parametrize(
    "held", [{"paused_reason": "credits"}, {"rests_until": datetime(2090, 1, 1, tzinfo=UTC)}]
)
async def test_what_a_pause_or_a_rest_holds_up_is_not_claimed(ada, table, held):
    lane = await Lane.taken(ada, "one")
    post = await ada.write("Open")
    async with ada.house.perch.db.write() as session:
        await session.execute(update(table).values(**held))
    assert not await lane.claim(post)


async def test_what_is_not_due_yet_is_not_claimed(ada):
    lane = await Lane.taken(ada, "one")
    assert not await lane.claim(await ada.write("Later", due_in=60))


@pytest.mark.both_databases
async def test_what_was_armed_when_the_worker_died_goes_out_once(ada):
    post, lane = await ada.write("Armed"), await Lane.taken(ada, "dead")
    await lane.claim(post)
    await lane.arm(post)
    await lane.lost()
    await recovery(ada).sweep()
    receipt = await ada.read(post)
    assert receipt.post.state == PostState.SCHEDULED
    assert receipt.lines[-1].kind == "not_sent"
    await ada.house.perch.publisher.drain(str(post.account_id))
    assert [one.state for one in await ada.attempts(post)] == [AttemptState.NOT_SENT, AttemptState.OK]
    assert len(await ada.house.ledger()) == 1


@pytest.mark.both_databases
async def test_what_was_being_sent_when_the_worker_died_is_looked_for_and_not_sent(ada):
    post, lane = await ada.write("Sending"), await Lane.taken(ada, "dead")
    await lane.claim(post)
    await lane.begin(post, await lane.arm(post))
    await lane.lost()
    await recovery(ada).sweep()
    await ada.house.perch.publisher.drain(str(post.account_id))
    receipt = await ada.read(post)
    assert receipt.post.state == PostState.PUBLISHING
    assert [one.state for one in await ada.attempts(post)] == [AttemptState.UNKNOWN]
    assert "Perch stopped while X was answering" in (receipt.post.why or "")
    assert receipt.is_whole
    assert await ada.house.ledger() == []


async def test_what_a_living_worker_is_sending_is_left_alone(ada):
    post, lane = await ada.write("Sending"), await Lane.taken(ada, "alive")
    await lane.claim(post)
    await lane.begin(post, await lane.arm(post))
    await recovery(ada).sweep()
    assert [one.state for one in await ada.attempts(post)] == [AttemptState.SENDING]


def settled_ok(post: Post, segment: Segment, attempt_id: int, now: datetime) -> steps.Recording:
    return steps.Recording(
        post_id=post.id, at=now, attempt_id=attempt_id, attempt={"state": AttemptState.OK},
        segment_id=segment.id, segment={"state": SegmentState.PUBLISHED, "x_post_id": "17"},
        post={"state": PostState.PUBLISHED}, happenings=(("recorded", {"spent_micros": 1, "card": 1}),),
    )  # fmt: skip


async def sending(writer, text="Late"):
    post, lane = await writer.write(text), await Lane.taken(writer, "slow")
    await lane.claim(post)
    attempt_id = await lane.arm(post)
    await lane.begin(post, attempt_id)
    async with writer.house.perch.db.read() as session:
        segment = await session.scalar(select(Segment).where(Segment.post_id == post.id))
    return post, segment, attempt_id, lane


async def test_an_answer_that_comes_after_the_lease_still_counts(ada):
    post, segment, attempt_id, lane = await sending(ada)
    await lane.lost()
    await recovery(ada).sweep()
    assert [one.state for one in await ada.attempts(post)] == [AttemptState.UNKNOWN]
    assert await lane.commit(steps.record, settled_ok(post, segment, attempt_id, lane.now()))
    assert (await ada.read(post)).post.state == PostState.PUBLISHED


@pytest.mark.parametrize(
    "state", [PostState.CANCELLED, PostState.REFUSED, PostState.PUBLISHED, PostState.EXPIRED]
)
async def test_a_post_that_has_ended_stays_as_it_ended(ada, state):
    post, segment, attempt_id, lane = await sending(ada)
    async with ada.house.perch.db.write() as session:
        await session.execute(update(Post).values(state=state))
    failing = replace(
        settled_ok(post, segment, attempt_id, lane.now()),
        attempt={"state": AttemptState.REJECTED}, post={"state": PostState.SCHEDULED},
    )  # fmt: skip
    await lane.commit(steps.record, failing)
    assert (await ada.read(post)).post.state == state
    assert [one.state for one in await ada.attempts(post)] == [AttemptState.REJECTED]


async def test_a_settled_attempt_is_not_settled_again(ada):
    post, segment, attempt_id, lane = await sending(ada)
    recording = settled_ok(post, segment, attempt_id, lane.now())
    assert await lane.commit(steps.record, recording)
    assert not await lane.commit(steps.record, recording)
    assert [line.kind for line in (await ada.read(post)).lines].count("recorded") == 1


@pytest.mark.both_databases
async def test_one_call_moves_the_rows_of_many_lanes_and_tells_who_won(ada, ben):
    mine, theirs = await ada.write("Mine"), await ben.write("Theirs")
    held = [(await Lane.taken(who, "w")).held(post) for who, post in ((ada, mine), (ben, theirs))]
    stale = replace(held[1], fence=held[1].fence - 1)
    perch = ada.house.perch
    async with perch.db.write() as session:
        won = await steps.claim(session, [steps.Claim(one, perch.clock.now()) for one in (held[0], stale)])
    assert won == [True, False]


class Overslept(SystemClock):
    """A process that was stopped once, for a minute and a half, after it had armed."""

    def __init__(self) -> None:
        self.asked = 0

    def elapsed(self) -> float:
        self.asked += 1
        return super().elapsed() + (90 if self.asked == 2 else 0)


async def test_a_process_that_was_frozen_past_its_deadline_does_not_send(ada):
    post = await ada.write("Late riser")
    publisher = replace(ada.house.perch.publisher, clock=Overslept())
    await publisher.drain(str(post.account_id))
    assert [one.state for one in await ada.attempts(post)] == [AttemptState.NOT_SENT, AttemptState.OK]
    receipt = await ada.read(post)
    assert [line.kind for line in receipt.lines][:4] == ["queued", "armed", "sent", "not_sent"]
    assert receipt.post.state == PostState.PUBLISHED
    requests = (await ada.house.control("GET", "/_sandbox/requests"))["requests"]
    assert [one["path"] for one in requests].count("/2/tweets") == 1


async def test_a_post_perch_stumbles_over_is_kept_and_does_not_hold_up_the_next(ada):
    broken, next_one = await ada.write("Broken"), await ada.write("Fine")
    async with ada.house.perch.db.write() as session:
        # A row that the code cannot understand: a thread whose first card has vanished.
        await session.execute(update(Segment).where(Segment.post_id == broken.id).values(position=5))
    await ada.house.perch.publisher.drain(str(broken.account_id))
    assert (await ada.read(next_one)).post.state == PostState.PUBLISHED
    kept = (await ada.read(broken)).post
    assert kept.state in {PostState.SCHEDULED, PostState.PUBLISHING}


async def test_taking_over_a_folder_frees_every_lane(ada):
    await Lane.taken(ada, "dead")
    await wiring.take_over(ada.house.perch)
    async with ada.house.perch.db.read() as session:
        assert await session.scalar(select(XAccount.lane_until)) is None
    await Lane.taken(ada, "next")


async def test_every_line_of_the_story_names_its_post(ada):
    with pytest.raises(KeyError):
        async with ada.house.perch.db.write() as session:
            await chain.append(session, [chain.Happening(999, ada.house.perch.clock.now(), "sent")])
    async with ada.house.perch.db.read() as session:
        assert await session.scalar(select(Attempt)) is None

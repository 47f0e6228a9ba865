"""What got no verdict settles itself: found on the timeline, or proven absent and sent once more, not twice.

Nothing here waits: a clock that runs ahead lets the looks come due, and the lane is drained by hand.
"""

import asyncio
import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import func, select, update

from perch.accounts.models import XAccount
from perch.budget.models import Spend
from perch.clock import SystemClock
from perch.jobs.clocks import ClockGuard
from perch.media import adding
from perch.posts import outcomes, settling, steps
from perch.posts.drafting import DraftMedia, DraftSegment
from perch.posts.errors import TooLate
from perch.posts.models import Attempt, AttemptState, Post, PostState
from perch.posts.recovering import Recovery
from perch.x.posts import CreatePost
from perch.x.wire import Head, Reply
from perch.x.xpost import XPost

POST = {"method": "POST", "path": "/2/tweets"}
READ = {"method": "GET", "path": "/2/users/*/tweets"}
OK, FOUND, ABSENT = AttemptState.OK, AttemptState.FOUND, AttemptState.ABSENT
UNKNOWN, REJECTED, NEEDS_YOU = AttemptState.UNKNOWN, AttemptState.REJECTED, AttemptState.NEEDS_YOU


class Skipping(SystemClock):
    """Time stands, but for what a test skips of it."""

    def __init__(self) -> None:
        self.start = super().now()
        self.skipped = 0.0

    def now(self):
        return self.start + timedelta(seconds=self.skipped)

    def elapsed(self):
        return self.skipped


@dataclass
class Hand:
    """A worker that does one account's work when it is told to."""

    writer: Any
    clock: Skipping = field(default_factory=Skipping)
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def house(self):
        return self.writer.house

    @property
    def publisher(self):
        publisher = self.house.perch.publisher
        looker = replace(publisher.looker, clock=self.clock, **self.changes)
        return replace(publisher, clock=self.clock, looker=looker)

    async def write(self, *cards):
        post = await self.writer.write(*cards)
        self.clock.start = SystemClock().now()
        return post

    async def drain(self):
        await self.publisher.drain(str(self.writer.person.account_id))

    async def after(self, seconds):
        """Let time pass and do what has come due by then."""
        self.clock.skipped += seconds
        await self.drain()

    async def through_all_looks(self):
        for seconds in (5, 25, 90, 180, 61):
            await self.after(seconds)

    async def x_is_silent(self):
        return None

    async def states(self, post):
        return [one.state for one in await self.writer.attempts(post)]

    async def state(self, post):
        return (await self.writer.read(post)).post.state

    async def kinds(self, post):
        return [line.kind for line in (await self.writer.read(post)).lines]


@pytest.fixture
async def house(build_house):
    return await build_house(pace=1.0)


@pytest.fixture
async def hand(ada):
    return Hand(ada)


async def picture(writer):
    perch = writer.house.perch
    with perch.store.scratch() as folder:
        Image.new("RGB", (8, 8), "teal").save(folder / "lake.png")
        asset = await adding.add(
            perch.db.write, perch.clock, perch.store, writer.person.workspace_id,
            folder / "lake.png", "lake.png",
        )  # fmt: skip
    return DraftMedia(asset.public_id)


async def cards_of(kind, writer):
    match kind:
        case "single":
            return ("Only once, see example.com & smile <3",)
        case "thread":
            return ("One", "Two", "Three")
        case _:
            return (DraftSegment("A lake", (await picture(writer),)),)


KINDS = pytest.mark.parametrize("kind", ["single", "thread", "media"])
ARRIVED: dict[str, dict[str, Any]] = {
    "the connection broke": {"action": "commit_then_drop"},
    "a 503": {"action": "commit_then_status", "status": 503},
    "half an answer": {"action": "cut"},
    "a page for people": {"action": "garbage", "kind": "html"},
    "broken gzip": {"action": "garbage", "kind": "gzip"},
}
LOST: dict[str, dict[str, Any]] = {
    "the connection broke": {"action": "drop"},
    "a 500": {"action": "status", "status": 500},
    "a 404": {"action": "status", "status": 404},
    "an answer without an id": {"action": "status", "status": 201, "body": {"data": {}}},
}


async def lost(hand, *cards, fault=LOST["a 500"]):
    """A post whose sending got no verdict, before the first look."""
    await hand.house.fault(match=POST, **fault)
    post = await hand.write(*cards)
    await hand.drain()
    assert (await hand.states(post))[-1] == UNKNOWN
    assert await hand.state(post) == PostState.PUBLISHING
    return post


@pytest.mark.both_databases
@KINDS
@pytest.mark.parametrize("fault", ARRIVED.values(), ids=ARRIVED)
async def test_what_arrived_is_found_at_the_first_look(hand, kind, fault):
    post = await lost(hand, *await cards_of(kind, hand.writer), fault=fault)
    assert len(await hand.house.ledger()) == 1
    await hand.after(6)
    receipt = await hand.writer.read(post)
    assert receipt.post.state == PostState.PUBLISHED
    ledger = await hand.house.ledger()
    assert [card.segment.x_post_id for card in receipt.cards] == [entry["id"] for entry in ledger]
    assert await hand.states(post) == [FOUND, *[OK] * (len(ledger) - 1)]
    assert receipt.is_whole
    assert receipt.post.why is None


@pytest.mark.both_databases
@KINDS
@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
async def test_what_never_arrived_goes_out_once_more_with_the_same_bytes(hand, kind, fault):
    cards = await cards_of(kind, hand.writer)
    post = await lost(hand, *cards, fault=fault)
    for seconds in (6, 26, 91, 179):
        await hand.after(seconds)
        assert await hand.states(post) == [UNKNOWN]
    await hand.after(61)
    assert await hand.state(post) == PostState.PUBLISHED
    first, second, *more = await hand.writer.attempts(post)
    assert (first.state, second.state) == (ABSENT, OK)
    assert (first.payload, first.media_ids, first.since_id) == (
        second.payload,
        second.media_ids,
        second.since_id,
    )
    assert len(await hand.house.ledger()) == len(cards) == 1 + len(more)


@pytest.mark.both_databases
async def test_what_arrives_three_minutes_late_is_found(hand):
    post = await lost(hand, "Late", fault={"action": "late_commit", "seconds": 0.05})
    for seconds in (5, 25, 90):
        if seconds == 90:
            await asyncio.gather(*hand.house.x.app.faults.late)
        await hand.after(seconds)
    assert await hand.states(post) == [FOUND]
    assert len(await hand.house.ledger()) == 1


async def test_what_the_timeline_shows_late_is_found(hand):
    await hand.house.control("PUT", "/_sandbox/settings", {"timeline_lag_s": 10_000})
    post = await lost(hand, "Lagging", fault=ARRIVED["a 503"])
    for seconds in (5, 25, 90):
        await hand.after(seconds)
    assert await hand.states(post) == [UNKNOWN]
    await hand.house.control("PUT", "/_sandbox/settings", {"timeline_lag_s": 0})
    await hand.after(180)
    assert await hand.states(post) == [FOUND]


async def test_a_look_between_the_two_late_ones_finds_what_the_first_missed(hand):
    await hand.house.control("PUT", "/_sandbox/settings", {"timeline_lag_s": 10_000})
    post = await lost(hand, "Very late", fault=ARRIVED["a 503"])
    await hand.after(301)
    [attempt] = await hand.writer.attempts(post)
    assert (attempt.state, attempt.absences) == (UNKNOWN, 1)
    await hand.house.control("PUT", "/_sandbox/settings", {"timeline_lag_s": 0})
    await hand.after(61)
    assert await hand.states(post) == [FOUND]
    assert len(await hand.house.ledger()) == 1


async def test_a_look_that_fails_is_made_again_and_proves_nothing(hand):
    post = await lost(hand, "Patience")
    await hand.house.fault(match=READ, action="status", status=503, times=3)
    await hand.after(301)
    await hand.after(61)
    await hand.after(61)
    [attempt] = await hand.writer.attempts(post)
    assert (attempt.state, attempt.absences, attempt.looks) == (UNKNOWN, 0, 3)
    assert (await hand.kinds(post)).count("look_failed") == 1
    await hand.after(61)
    await hand.after(61)
    assert await hand.states(post) == [ABSENT, OK]


async def test_a_look_waits_as_long_as_x_s_rate_window(hand):
    post = await lost(hand, "Patience", fault=ARRIVED["a 503"])
    await hand.house.fault(match=READ, action="status", status=429)
    await hand.after(5)
    await hand.after(600)
    assert await hand.states(post) == [UNKNOWN]
    await hand.after(301)
    assert await hand.states(post) == [FOUND]


@pytest.mark.parametrize("body", ["<html>Attention Required!</html>", {"errors": [{"title": "Odd"}]}, {}])
async def test_an_answer_that_is_no_timeline_is_no_absence(hand, body):
    post = await lost(hand, "Patience")
    await hand.house.fault(match=READ, action="status", status=200, body=body, times=2)
    await hand.after(301)
    await hand.after(61)
    [attempt] = await hand.writer.attempts(post)
    assert (attempt.state, attempt.absences) == (UNKNOWN, 0)


async def test_a_timeline_with_gaps_is_no_absence(hand):
    post = await lost(hand, "Patience")
    gaps = {"meta": {"result_count": 0}, "errors": [{"title": "Internal Error"}]}
    await hand.house.fault(match=READ, action="status", status=200, body=gaps, times=2)
    await hand.after(301)
    await hand.after(61)
    [attempt] = await hand.writer.attempts(post)
    assert (attempt.state, attempt.absences) == (UNKNOWN, 0)


async def test_while_the_clock_is_not_trusted_nothing_is_absent(hand):
    post = await lost(hand, "Patience")
    hand.changes["trusts_clock"] = lambda _seconds, _their_time: False
    await hand.after(301)
    await hand.after(61)
    [attempt] = await hand.writer.attempts(post)
    assert (attempt.state, attempt.absences) == (UNKNOWN, 0)


async def test_a_clock_that_is_minutes_ahead_of_x_s_proves_no_absence(hand):
    hand.clock.start += timedelta(minutes=5)
    await hand.house.fault(match=POST, **ARRIVED["a 503"])
    post = await hand.writer.write("There, and below what is asked for")
    await hand.drain()
    hand.changes["trusts_clock"] = ClockGuard(hand.clock, 60, hand.x_is_silent).is_right
    await hand.through_all_looks()
    await hand.after(61)
    [attempt] = await hand.writer.attempts(post)
    assert (attempt.state, attempt.absences) == (UNKNOWN, 0)
    assert len(await hand.house.ledger()) == 1


async def test_a_login_that_ran_out_is_renewed_for_the_look(hand):
    post = await lost(hand, "Renewed", fault=ARRIVED["a 503"])
    await hand.house.fault(match=READ, action="status", status=401)
    await hand.after(5)
    assert await hand.states(post) == [FOUND]


UNREADABLE = {
    "no credits": {"status": 402},
    "no scope": {
        "status": 403,
        "body": {
            "title": "Forbidden",
            "detail": "",
            "type": "https://api.twitter.com/2/problems/oauth2-permissions",
        },
    },
    "suspended": {
        "status": 403,
        "body": {
            "title": "Forbidden",
            "detail": "",
            "type": "https://api.twitter.com/2/problems/user-suspended",
        },
    },
}


@pytest.mark.parametrize("fault", UNREADABLE.values(), ids=UNREADABLE)
async def test_where_reading_is_not_possible_a_person_is_asked_and_told_why(hand, fault):
    post = await lost(hand, "Ask me")
    await hand.house.fault(match=READ, action="status", **fault)
    await hand.after(5)
    receipt = await hand.writer.read(post)
    assert receipt.post.state == PostState.NEEDS_YOU
    assert receipt.post.why
    assert receipt.lines[-1].kind == "needs_you"
    assert await hand.states(post) == [NEEDS_YOU]


async def test_who_may_not_look_asks(hand):
    post = await lost(hand, "Ask me")
    hand.changes["may_look"] = False
    await hand.after(5)
    assert await hand.state(post) == PostState.NEEDS_YOU
    assert "PERCH_X_LOOK" in ((await hand.writer.read(post)).post.why or "")


async def test_two_sends_are_enough(hand):
    post = await lost(hand, "Twice lost")
    await hand.house.fault(match=POST, action="status", status=500)
    await hand.through_all_looks()
    assert await hand.states(post) == [ABSENT, UNKNOWN]
    await hand.through_all_looks()
    assert await hand.states(post) == [ABSENT, NEEDS_YOU]
    assert await hand.state(post) == PostState.NEEDS_YOU
    assert await hand.house.ledger() == []


async def test_the_second_send_may_be_found_too(hand):
    post = await lost(hand, "Twice sent")
    await hand.house.fault(match=POST, **ARRIVED["a 503"])
    await hand.through_all_looks()
    await hand.after(5)
    assert await hand.states(post) == [ABSENT, FOUND]
    assert len(await hand.house.ledger()) == 1


DUPLICATE = {
    "title": "Forbidden", "type": "about:blank",
    "detail": "You are not allowed to create a Tweet with duplicate content.",
}  # fmt: skip


async def hide(hand, *, is_hidden):
    await hand.house.control("PUT", "/_sandbox/settings", {"timeline_lag_s": 100_000 if is_hidden else 0})


async def test_a_duplicate_of_itself_is_found_once_the_timeline_shows_it(hand):
    await hide(hand, is_hidden=True)
    post = await lost(hand, "Hidden", fault=ARRIVED["a 503"])
    await hand.through_all_looks()
    assert await hand.states(post) == [ABSENT, UNKNOWN]
    await hide(hand, is_hidden=False)
    await hand.after(30)
    [entry] = await hand.house.ledger()
    receipt = await hand.writer.read(post)
    assert receipt.post.state == PostState.PUBLISHED
    assert receipt.cards[0].segment.x_post_id == entry["id"]
    assert await hand.states(post) == [ABSENT, FOUND]


async def test_a_duplicate_of_itself_that_stays_hidden_is_live_without_a_link(hand):
    await hide(hand, is_hidden=True)
    post = await lost(hand, "Hidden for good", fault=ARRIVED["a 503"])
    await hand.through_all_looks()
    await hand.through_all_looks()
    receipt = await hand.writer.read(post)
    assert receipt.post.state == PostState.PUBLISHED
    assert receipt.cards[0].segment.x_post_id is None
    assert len(await hand.house.ledger()) == 1


async def test_a_thread_needs_the_link_of_a_hidden_card_to_go_on(hand):
    await hide(hand, is_hidden=True)
    post = await lost(hand, "Hidden", "Below", fault=ARRIVED["a 503"])
    await hand.through_all_looks()
    await hand.through_all_looks()
    assert await hand.state(post) == PostState.NEEDS_YOU
    assert len(await hand.house.ledger()) == 1


async def test_a_duplicate_of_an_older_post_is_not_taken_for_itself(hand):
    await hand.house.control("PUT", "/_sandbox/settings", {"duplicate_window_s": 0})
    older = await hand.write("Twice the same")
    await hand.drain()
    assert await hand.state(older) == PostState.PUBLISHED
    post = await lost(hand, "Twice the same")
    await hand.house.control("PUT", "/_sandbox/settings", {"duplicate_window_s": 43_200})
    await hand.through_all_looks()
    await hand.through_all_looks()
    assert await hand.state(post) == PostState.NEEDS_YOU
    assert await hand.states(post) == [ABSENT, NEEDS_YOU]


async def test_a_duplicate_with_nothing_unknown_before_is_refused(hand):
    await hand.house.fault(match=POST, action="status", status=403, body=DUPLICATE)
    post = await hand.write("Said before")
    await hand.drain()
    assert await hand.state(post) == PostState.REFUSED


@pytest.mark.both_databases
async def test_an_unknown_holds_equal_texts_and_nothing_else(hand):
    await hand.house.control("PUT", "/_sandbox/settings", {"duplicate_window_s": 0})
    first = await lost(hand, "Same words", fault=ARRIVED["a 503"])
    second, other = await hand.write("Same words"), await hand.write("Other words")
    await hand.drain()
    assert await hand.state(other) == PostState.PUBLISHED
    assert await hand.states(second) == []
    await hand.after(5)
    assert (await hand.states(first), await hand.states(second)) == ([FOUND], [OK])
    texts = [entry["text"] for entry in await hand.house.ledger()]
    assert sorted(texts) == ["Other words", "Same words", "Same words"]


async def by_hand(hand, text):
    """The account's owner posts without Perch, through the same app."""
    line = await hand.publisher.lines.open(hand.writer.person.account_id)
    return (await line.client.send(CreatePost(text), line.auth)).result.id


@pytest.mark.both_databases
async def test_the_same_words_by_hand_make_it_unclear_and_a_person_decides(hand):
    await hand.house.control("PUT", "/_sandbox/settings", {"duplicate_window_s": 0})
    post = await lost(hand, "Whose is it", fault=ARRIVED["a 503"])
    await by_hand(hand, "Whose is it")
    await hand.after(5)
    receipt = await hand.writer.read(post)
    assert receipt.post.state == PostState.NEEDS_YOU
    assert "Several posts" in (receipt.post.why or "")
    await hand.through_all_looks()
    assert len(await hand.house.ledger()) == 2


async def test_a_reading_is_paid_for_by_the_post(hand):
    before = [await hand.write(f"Before {number}") for number in range(3)]
    await hand.drain()
    post = await lost(hand, "And this", fault=ARRIVED["a 503"])
    await hand.after(5)
    async with hand.house.perch.db.read() as session:
        read = await session.scalar(select(func.sum(Spend.micros)).where(Spend.what == "read"))
    assert read == 5_000 * (len(before) + 1)
    assert (await hand.writer.read(post)).spent.micros == post.price_micros + read


async def test_one_reading_settles_all_that_is_due(hand):
    first = await lost(hand, "First", fault=ARRIVED["a 503"])
    second = await lost(hand, "Second", fault=ARRIVED["half an answer"])
    third = await lost(hand, "Third")
    await hand.after(5)
    assert [await hand.states(one) for one in (first, second, third)] == [[FOUND], [FOUND], [UNKNOWN]]
    requests = (await hand.house.control("GET", "/_sandbox/requests"))["requests"]
    assert len([one for one in requests if one["path"].endswith("/tweets") and one["method"] == "GET"]) == 1


async def test_x_s_new_spelling_is_understood_when_it_has_come(hand):
    post = await lost(hand, "Renamed", fault=ARRIVED["a 503"])
    said = {
        "errors": [
            {
                "parameters": {"tweet.fields": ["x"]},
                "message": "The query parameter [tweet.fields] is not one of",
            }
        ],
        "title": "Invalid Request",
        "type": "https://api.twitter.com/2/problems/invalid-request",
    }
    await hand.house.fault(match=READ, action="status", status=400, body=said)
    await hand.house.control("PUT", "/_sandbox/settings", {"names": "new"})
    await hand.after(5)
    assert await hand.states(post) == [FOUND]


async def test_a_parent_that_x_does_not_see_yet_is_waited_for(hand):
    gone = {
        "title": "Forbidden",
        "detail": "You attempted to reply to a Tweet that is deleted or not visible to you.",
    }
    await hand.house.fault(match=POST, action="delay", seconds=0)
    await hand.house.fault(match=POST, action="status", status=403, body=gone, times=3)
    post = await hand.write("One", "Two")
    await hand.drain()
    for seconds in (5, 20, 60):
        assert await hand.state(post) == PostState.PUBLISHING
        await hand.after(seconds)
    assert await hand.state(post) == PostState.PUBLISHED
    assert await hand.states(post) == [OK, *[REJECTED] * 3, OK]


async def test_a_parent_that_stays_away_leaves_a_part(hand):
    gone = {
        "title": "Forbidden",
        "detail": "You attempted to reply to a Tweet that is deleted or not visible to you.",
    }
    await hand.house.fault(match=POST, action="delay", seconds=0)
    await hand.house.fault(match=POST, action="status", status=403, body=gone, times=9)
    post = await hand.write("One", "Two")
    await hand.drain()
    for seconds in (5, 20, 60):
        await hand.after(seconds)
    assert await hand.state(post) == PostState.PARTLY_PUBLISHED


BAD_MEDIA = {
    "errors": [{"parameters": {"media.media_ids": ["1"]}, "message": "Your media IDs are invalid."}],
    "title": "Invalid Request", "type": "https://api.twitter.com/2/problems/invalid-request",
}  # fmt: skip


async def test_media_that_x_forgot_are_uploaded_again_once(hand):
    await hand.house.fault(match=POST, action="status", status=400, body=BAD_MEDIA)
    post = await hand.write(*await cards_of("media", hand.writer))
    await hand.drain()
    first, second = await hand.writer.attempts(post)
    assert (first.state, second.state) == (REJECTED, OK)
    assert json.loads(first.media_ids) != json.loads(second.media_ids)


async def test_media_that_x_refuses_twice_are_refused(hand):
    await hand.house.fault(match=POST, action="status", status=400, body=BAD_MEDIA, times=5)
    post = await hand.write(*await cards_of("media", hand.writer))
    await hand.drain()
    assert await hand.states(post) == [REJECTED, REJECTED]
    assert await hand.state(post) == PostState.REFUSED


async def test_the_same_bytes_with_media_that_x_forgot_are_a_person_s_to_decide(hand):
    post = await lost(hand, *await cards_of("media", hand.writer))
    await hand.house.fault(match=POST, action="status", status=400, body=BAD_MEDIA)
    await hand.through_all_looks()
    assert await hand.state(post) == PostState.NEEDS_YOU
    async with hand.house.perch.db.write() as session:
        perch = hand.house.perch
        await settling.send_again(
            session, perch.clock, perch.engine, await session.get_one(Post, post.id), "Olga"
        )
    await hand.drain()
    first, second, third = await hand.writer.attempts(post)
    assert (first.state, second.state, third.state) == (ABSENT, ABSENT, OK)
    assert third.media_ids != first.media_ids


async def left_sending(hand, post):
    """A process stopped between the compare-and-set and the answer, and its lease ran out."""
    async with hand.house.perch.db.write() as session:
        sent_at = hand.clock.now()
        await session.execute(
            update(Attempt)
            .where(Attempt.look_at.is_not(None))
            .values(state="sending", look_at=None, sent_at=sent_at)
        )
    hand.clock.skipped += 41
    perch = hand.house.perch
    await Recovery(perch.db, hand.clock, perch.pace, perch.committer).sweep()


@pytest.mark.both_databases
@pytest.mark.parametrize("fault", [ARRIVED["a 503"], LOST["a 500"]], ids=["arrived", "never arrived"])
async def test_what_a_stopped_process_left_sending_is_looked_for_in_time(hand, fault):
    post = await lost(hand, "Left behind", fault=fault)
    await left_sending(hand, post)
    [attempt] = await hand.writer.attempts(post)
    assert attempt.state == UNKNOWN
    waited = 41.0
    for seconds in (1, 79, 180, 61):
        await hand.after(seconds)
        waited += seconds
    assert waited <= 40 + 180 + 120 + 120
    assert await hand.state(post) == PostState.PUBLISHED
    assert len(await hand.house.ledger()) == 1


async def test_recovery_leaves_alone_what_a_live_lane_holds(hand):
    post = await lost(hand, "Somebody is at it")
    async with hand.house.perch.db.write() as session:
        until = hand.clock.now() + timedelta(seconds=100)
        await session.execute(update(XAccount).values(lane_until=until, lane_owner="another"))
        await session.execute(update(Attempt).values(state="sending", look_at=None))
    perch = hand.house.perch
    await Recovery(perch.db, hand.clock, perch.pace, perch.committer).sweep()
    assert await hand.states(post) == ["sending"]


async def test_an_answer_that_comes_after_recovery_still_counts(hand):
    post = await lost(hand, "Slow", fault=ARRIVED["a 503"])
    [attempt] = await hand.writer.attempts(post)
    [entry] = await hand.house.ledger()
    perch, receipt = hand.house.perch, await hand.writer.read(post)
    reply = Reply(XPost(entry["id"], "Slow"), Head(201))
    late = outcomes.published(
        receipt.post, receipt.cards[0].segment, attempt.id, perch.clock.now(), reply, is_last=True
    )
    assert await perch.committer.commit(steps.record, late)
    await hand.through_all_looks()
    assert await hand.state(post) == PostState.PUBLISHED
    assert await hand.states(post) == [OK]
    assert "looked" not in await hand.kinds(post)


async def test_a_dropped_card_of_a_thread_with_live_cards_leaves_a_part(hand):
    await hand.house.fault(match=POST, action="delay", seconds=0)
    post = await lost(hand, "One", "Two")
    await hand.house.fault(match=READ, action="status", status=402)
    await hand.after(5)
    async with hand.house.perch.db.write() as session:
        await settling.drop(session, hand.clock, await session.get_one(Post, post.id), "Olga")
    assert await hand.state(post) == PostState.PARTLY_PUBLISHED


@pytest.mark.parametrize("button", [settling.send_again, settling.drop])
async def test_the_buttons_are_locked_while_perch_looks(hand, button):
    post = await lost(hand, "Locked")
    engine = () if button is settling.drop else (hand.house.perch.engine,)
    async with hand.house.perch.db.write() as session:
        with pytest.raises(TooLate):
            await button(session, hand.clock, *engine, await session.get_one(Post, post.id), "Olga")

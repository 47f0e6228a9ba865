"""Recurring posts: every time of the rule once, never the same words too soon, and an end."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from perch.accounts.models import XAccount
from perch.notices import queries as notices
from perch.posts import changing, recurring
from perch.posts.drafting import DraftSegment
from perch.posts.errors import RuleBroken, WrongTime
from perch.posts.growing import Growing
from perch.posts.missing import Missing
from perch.posts.models import Post, PostState, Recurrence, RecurrenceState
from perch.posts.receipts import read as read_receipt
from perch.posts.refrains import Refrain, Rhythm, WrongRecurrence
from perch.posts.rhythms import WrongRule, compiled, readings, shortest_gap

SINCE = datetime(2026, 11, 20, 9, tzinfo=UTC)
WEEKLY = tuple(f"Text {n}" for n in range(7))


def refrain(writer, *texts):
    return Refrain(tuple(writer.draft(text) for text in texts))


async def begin(writer, rule="daily 09:00", texts=WEEKLY, **rhythm):
    perch = writer.house.perch
    async with perch.db.write() as session:
        return await recurring.create(
            session, perch.clock, perch.engine, refrain(writer, *texts), Rhythm(rule, **rhythm)
        )


async def occurrences(writer, recurrence):
    async with writer.house.perch.db.read() as session:
        found = await session.scalars(
            select(Post).where(Post.recurrence_id == recurrence.id).order_by(Post.due_at, Post.id)
        )
        return found.all()


async def texts_of(writer, posts):
    async with writer.house.perch.db.read() as session:
        receipts = [await read_receipt(session, post.workspace_id, post.public_id) for post in posts]
    return [receipt.cards[0].segment.text for receipt in receipts]


async def grow(writer, clock=None, **more):
    perch = writer.house.perch
    await Growing(perch.db, clock or perch.clock, perch.engine, **more).sweep()


async def fresh(writer, recurrence):
    async with writer.house.perch.db.read() as session:
        return await session.get_one(Recurrence, recurrence.id)


@pytest.mark.parametrize(
    ("said", "cron"),
    [
        ("daily 09:00", "0 9 * * *"), ("Weekdays at 8:30", "30 8 * * 1-5"),
        ("mon,thu 17:30", "30 17 * * 1,4"),
        ("mon-fri 9:00,17:00", "0 9,17 * * 1-5"), ("weekly on sunday 10:00", "0 10 * * 7"),
        ("sat-mon 9:00", "0 9 * * 6-7,1"),
        ("*/15 8-18 * * mon-fri", "*/15 8-18 * * MON-FRI"), ("0 9 l * *", "0 9 L * *"),
    ],
)  # fmt: skip
def test_a_rule_is_cron_or_words_for_it(said, cron):
    assert compiled(said) == cron


@pytest.mark.parametrize(
    "said",
    [
        "",
        "often",
        "daily",
        "daily 25:00",
        "daily 9:00,9:30",
        "mon,foo 9:00",
        "monkey 9:00",
        "0 0 30 2 *",
        "* * * * * *",
        "@daily",
    ],
)
def test_what_names_no_times_is_refused(said):
    with pytest.raises(WrongRule):
        compiled(said)


@settings(deadline=None)
@given(st.text(max_size=30) | st.lists(st.sampled_from("0159*,-/#L "), max_size=20).map("".join))
def test_no_rule_does_worse_than_being_refused(said):
    try:
        rule = compiled(said)
    except WrongRule:
        return
    assert compiled(rule) == rule


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(
        ["Europe/Berlin", "America/Nuuk", "Africa/Cairo", "Australia/Lord_Howe", "America/Havana"]
    ),
    st.integers(0, 23), st.sampled_from([0, 15, 30, 59]), st.integers(0, 1000),
)  # fmt: skip
def test_a_daily_rule_comes_once_for_every_day_of_the_calendar(zone, hour, minute, start):
    since = SINCE + timedelta(days=start)
    walls = list(islice(readings(f"{minute} {hour} * * *", zone, None, since), 200))
    days = [wall.local.date() for wall in walls]
    assert days == [days[0] + timedelta(days=n) for n in range(200)]
    assert all(before.at < after.at for before, after in pairwise(walls))
    assert all(wall.at >= since for wall in walls)


def test_an_hourly_rule_never_comes_twice_at_one_instant():
    walls = list(islice(readings("0 * * * *", "Europe/Berlin", None, datetime(2027, 3, 27, tzinfo=UTC)), 48))
    assert all(after.at - before.at == timedelta(hours=1) for before, after in pairwise(walls))


def test_the_turns_of_one_text_are_as_far_apart_as_there_are_texts():
    assert shortest_gap("0 9 * * *", "UTC", SINCE, 7) == timedelta(days=7)
    assert shortest_gap("0 9 * * 1", "Europe/Berlin", SINCE, 1) == timedelta(days=7) - timedelta(hours=1)
    assert shortest_gap("0 9 * * *", "UTC", SINCE, 7, SINCE + timedelta(days=5)) is None


@pytest.mark.both_databases
async def test_the_next_two_occurrences_are_posts_like_any_other(ada):
    made = await begin(ada)
    posts = await occurrences(ada, made)
    assert [post.state for post in posts] == [PostState.SCHEDULED] * 2
    assert [post.local_time[11:] for post in posts] == ["09:00:00"] * 2
    assert posts[1].due_at - posts[0].due_at == timedelta(days=1)
    assert await texts_of(ada, posts) == ["Text 0", "Text 1"]
    assert (await fresh(ada, made)).made == 2


@pytest.mark.both_databases
async def test_many_workers_make_each_occurrence_once(ada):
    made = await begin(ada)
    async with ada.house.perch.db.write() as session:
        await session.execute(update(Post).values(state=PostState.PUBLISHING))
    await asyncio.gather(*(grow(ada) for _ in range(6)))
    posts = await occurrences(ada, made)
    assert len(posts) == len({post.occurrence for post in posts}) == 4
    assert await texts_of(ada, posts) == ["Text 0", "Text 1", "Text 2", "Text 3"]


async def test_texts_are_taken_in_turn_for_weeks_and_never_the_same_one_too_soon(ada, still_clock):
    perch = ada.house.perch
    made = await begin(ada)
    still_clock.at = perch.clock.now()
    for _ in range(30):
        async with perch.db.write() as session:
            out = update(Post).where(Post.due_at <= still_clock.at).values(state=PostState.PUBLISHED)
            await session.execute(out)
        await grow(ada, still_clock)
        still_clock.advance(days=1)
    posts = await occurrences(ada, made)
    assert len(posts) >= 30
    days = [date.fromisoformat(post.occurrence[:10]) for post in posts]
    assert days == [days[0] + timedelta(days=n) for n in range(len(days))]
    texts = await texts_of(ada, posts)
    assert texts == [f"Text {n % 7}" for n in range(len(texts))]


async def test_one_text_every_day_is_refused_with_its_rule_and_one_a_week_is_not(ada):
    with pytest.raises(RuleBroken, match="its one text") as refused:
        await begin(ada, texts=["Good morning"])
    assert refused.value.rule == "X004"
    with pytest.raises(RuleBroken):
        await begin(ada, texts=["Good morning", "Good morning", "Good night"])
    assert await begin(ada, "mon 09:00", ["Good morning"])
    assert await begin(ada, "daily 10:00", ["Three", "Two", "One"], most=3)


async def test_words_that_were_said_by_hand_are_passed_over_and_when_all_were_it_pauses_and_says_why(ada):
    await ada.write("Text 0", due_in=3600)
    made = await begin(ada)
    assert await texts_of(ada, await occurrences(ada, made)) == ["Text 1", "Text 2"]
    await ada.write("On Mondays", due_in=3600)
    monday = await begin(ada, "0 9 * * *", ["On Mondays"], most=1)
    paused = await fresh(ada, monday)
    assert paused.state == RecurrenceState.PAUSED
    assert "was said within the last days" in paused.why
    async with ada.house.perch.db.read() as session:
        told = await notices.open_in(session, ada.person.workspace_id)
    assert [one.kind for one in told] == ["recurrence"]


async def test_a_text_that_x_would_refuse_is_refused_at_once(ada):
    with pytest.raises(RuleBroken) as refused:
        await begin(ada, texts=["$A $B"])
    assert refused.value.rule == "X001"


@pytest.mark.parametrize(
    "wrong",
    [
        {"texts": []}, {"texts": ["x"] * 101}, {"most": 0}, {"missed_policy": "perhaps"},
        {"ends_at": datetime(2020, 1, 1, tzinfo=UTC)}, {"most": 10**30},
    ],
)  # fmt: skip
async def test_what_could_never_go_out_is_refused(ada, wrong):
    with pytest.raises(WrongRecurrence):
        await begin(ada, **wrong)


async def test_it_begins_within_two_years(ada):
    with pytest.raises(WrongTime):
        await begin(ada, starts_at=datetime(9999, 12, 31, tzinfo=UTC))


async def test_its_texts_have_no_more_cards_than_can_be_looked_at_in_a_moment(ada):
    thread = replace(ada.draft("x"), segments=tuple(DraftSegment(f"Card {n}") for n in range(100)))
    perch = ada.house.perch
    with pytest.raises(WrongRecurrence, match="cards"):
        async with perch.db.write() as session:
            await recurring.create(
                session, perch.clock, perch.engine, Refrain((thread,) * 4), Rhythm("mon 9:00")
            )


async def test_it_ends_after_a_number_or_at_a_date(ada):
    three = await begin(ada, most=1)
    assert [len(await occurrences(ada, three)), (await fresh(ada, three)).state] == [1, RecurrenceState.ENDED]
    until = ada.house.perch.clock.now() + timedelta(days=1, hours=1)
    dated = await begin(ada, "daily 10:00", [f"Dated {n}" for n in range(7)], ends_at=until)
    assert all(post.due_at <= until for post in await occurrences(ada, dated))
    assert (await fresh(ada, dated)).state == RecurrenceState.ENDED


async def test_another_rule_takes_back_what_is_not_sent_and_makes_it_anew(ada):
    perch, made = ada.house.perch, await begin(ada)
    before = await occurrences(ada, made)
    async with perch.db.write() as session:
        row = await session.get_one(Recurrence, made.id)
        rhythm = Rhythm("daily 09:00", zone="Asia/Tokyo")
        await recurring.change(session, perch.clock, perch.engine, row, "Olga", rhythm=rhythm)
    after = [post for post in await occurrences(ada, made) if post.state == PostState.SCHEDULED]
    assert [post.zone for post in after] == ["Asia/Tokyo"] * 2
    gone = (await ada.read(before[0])).post
    assert (gone.state, gone.occurrence) == (PostState.CANCELLED, None)
    assert (await ada.read(before[0])).is_whole
    assert (await fresh(ada, made)).made == 2


async def test_an_occurrence_that_somebody_cancelled_is_not_made_again(ada):
    perch, made = ada.house.perch, await begin(ada)
    first, _ = await occurrences(ada, made)
    async with perch.db.write() as session:
        await changing.cancel(session, perch.clock, await session.get_one(Post, first.id), "Olga")
    await grow(ada)
    posts = await occurrences(ada, made)
    assert len(posts) == 3
    assert len({post.occurrence for post in posts}) == 3


async def test_stopped_means_nothing_more_goes_out_and_paused_can_go_on(ada):
    perch, made = ada.house.perch, await begin(ada)
    for how in (recurring.pause, recurring.stop):
        async with perch.db.write() as session:
            await how(session, perch.clock, await session.get_one(Recurrence, made.id), "Olga")
        await grow(ada)
        assert {post.state for post in await occurrences(ada, made)} == {PostState.CANCELLED}
        async with perch.db.write() as session:
            row = await session.get_one(Recurrence, made.id)
            await recurring.change(session, perch.clock, perch.engine, row, "Olga")
        states = [post.state for post in await occurrences(ada, made)]
        assert states.count(PostState.SCHEDULED) == 2


async def test_its_next_times_are_listed(ada):
    made = await begin(ada, "mon 09:00", ["On Mondays"], zone="Europe/Berlin")
    walls = recurring.upcoming(made, ada.house.perch.clock.now(), 5)
    assert [wall.local.weekday() for wall in walls] == [0] * 5
    assert [after.local - before.local for before, after in pairwise(walls)] == [timedelta(days=7)] * 4


async def test_after_a_month_away_nothing_is_made_up_for_and_late_turns_are_left_out_if_wanted(
    ada, still_clock
):
    perch = ada.house.perch
    made = await begin(ada, missed_policy="skip")
    still_clock.at = perch.clock.now() + timedelta(days=30)
    await Missing(perch.db, still_clock, perch.pace).sweep()
    assert {post.state for post in await occurrences(ada, made)} == {PostState.CANCELLED}
    await grow(ada, still_clock)
    posts = [post for post in await occurrences(ada, made) if post.state == PostState.SCHEDULED]
    assert len(posts) == 2
    assert all(post.due_at > still_clock.at for post in posts)


async def test_a_disconnected_account_pauses_its_recurring_posts(ada):
    perch, made = ada.house.perch, await begin(ada)
    async with perch.db.write() as session:
        await session.execute(update(XAccount).values(disconnected_at=perch.clock.now()))
        await session.execute(update(Post).values(state=PostState.PUBLISHING))
    await grow(ada)
    assert ((await fresh(ada, made)).state, len(await occurrences(ada, made))) == (RecurrenceState.PAUSED, 2)


async def test_a_clock_in_doubt_makes_nothing(ada):
    made = await begin(ada)
    async with ada.house.perch.db.write() as session:
        await session.execute(update(Post).values(state=PostState.PUBLISHING))
    await grow(ada, may_decide=lambda: False)
    assert len(await occurrences(ada, made)) == 2

"""When a post is due, however somebody says it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from perch.accounts.models import XAccount
from perch.posts import slots
from perch.posts.dues import AtWall, Due, NextFreeSlot, jittered
from perch.posts.errors import NoFreeSlot, WrongTime
from perch.posts.scheduling import accept, check
from perch.posts.slots import Place, WrongSlots, parse, show, upcoming
from perch.posts.walls import Wall

BERLIN = "Europe/Berlin"


def local(shown):
    return datetime.fromisoformat(shown)


async def scheduled(writer, text, when, **more):
    perch = writer.house.perch
    async with perch.db.write() as session:
        checked = await check(session, perch.clock, writer.draft(text), perch.settings.x_plan)
        return await accept(session, perch.clock, perch.engine, checked, when, **more)


async def give(writer, said, zone=BERLIN):
    async with writer.house.perch.db.write() as session:
        await session.execute(update(XAccount).values(zone=zone))
        await slots.replace(session, writer.person.account_id, parse(said))


def at_noon(writer, days=40, **more):
    day = writer.house.perch.clock.now() + timedelta(days=days)
    return AtWall(datetime(day.year, day.month, day.day, 12), **more)  # noqa: DTZ001 - a wall's reading


async def test_a_reading_is_kept_with_its_zone_beside_the_instant(ada):
    when = at_noon(ada, zone=BERLIN)
    post = await scheduled(ada, "At noon", when)
    assert (post.local_time, post.zone, post.fold) == (when.local.isoformat(), BERLIN, 0)
    assert post.due_at == Wall(when.local, BERLIN).at


async def test_a_reading_without_a_zone_is_in_the_account_s(ada):
    await give(ada, "", "Pacific/Auckland")
    when = at_noon(ada)
    post = await scheduled(ada, "At noon", when)
    assert post.due_at == Wall(when.local, "Pacific/Auckland").at


async def test_an_instant_stays_that_instant(ada):
    at = ada.house.perch.clock.now() + timedelta(days=3)
    post = await scheduled(ada, "Then", at)
    assert (post.due_at, post.local_time) == (at, None)


async def test_a_skipped_hour_is_told_on_the_receipt(ada):
    year = ada.house.perch.clock.now().year + 1
    last_sunday = max(day for day in range(25, 32) if datetime(year, 3, day, tzinfo=UTC).weekday() == 6)
    post = await scheduled(ada, "Early", AtWall(local(f"{year}-03-{last_sunday}T02:30"), BERLIN))
    assert post.due_at == datetime(year, 3, last_sunday, 1, 30, tzinfo=UTC)
    assert "put forward over 02:30" in (await ada.read(post)).lines[0].sentence


@pytest.mark.parametrize("days", [-1, 800, 365_000])
async def test_what_has_passed_or_is_too_far_away_is_refused_in_a_sentence(ada, days):
    when = ada.house.perch.clock.now() + timedelta(days=days)
    with pytest.raises(WrongTime) as refused:
        await scheduled(ada, "When", when)
    assert (refused.value.rule == "X012") == (days > 0)
    with pytest.raises(WrongTime):
        await scheduled(ada, "When", AtWall(when.replace(tzinfo=None)))


async def test_a_moment_ago_still_means_now(ada):
    now = ada.house.perch.clock.now()
    post = await scheduled(ada, "Now", now - timedelta(seconds=30))
    assert post.due_at is not None
    assert post.due_at >= now


@settings(deadline=None)
@given(
    st.integers(0, 500 * 86_400),
    st.sampled_from(["UTC", BERLIN, "America/Nuuk", "Asia/Kathmandu", "Australia/Lord_Howe"]),
    st.integers(0, 200),
    st.text(max_size=16),
)
def test_chance_moves_a_post_the_same_way_always_and_never_early_or_into_another_day(
    after, zone, minutes, seed
):
    now = datetime(2026, 11, 20, 9, 0, 0, 123456, tzinfo=UTC)
    due, most = Due(now + timedelta(seconds=after)), timedelta(minutes=minutes)
    moved = jittered(due, zone, most, seed, now)
    assert moved == jittered(due, zone, most, seed, now)
    assert moved.at - due.at == timedelta(seconds=moved.jitter_s)
    assert abs(moved.jitter_s) <= min(minutes, 120) * 60
    assert moved.at >= now
    assert Wall.read(moved.at, zone).local.date() == Wall.read(due.at, zone).local.date()


async def test_a_post_that_chance_moved_says_so(ada):
    at = ada.house.perch.clock.now().replace(hour=12, microsecond=0) + timedelta(days=2)
    posts = [await scheduled(ada, f"Number {n}", at, jitter=timedelta(minutes=30)) for n in range(8)]
    assert {post.due_at - at for post in posts} == {timedelta(seconds=post.jitter_s) for post in posts}
    assert len({post.due_at for post in posts}) > 4
    moved = next(post for post in posts if abs(post.jitter_s) > 60)
    assert "by chance" in (await ada.read(moved)).lines[0].sentence


SLOTS = st.sets(st.builds(Place, st.integers(0, 6), st.integers(0, 1439)), max_size=40)


@settings(deadline=None)
@given(SLOTS)
def test_slots_are_written_as_they_are_read(places):
    assert parse(show(places)) == tuple(sorted(places))


def test_slots_are_written_in_words():
    assert parse("mon-fri 09:00,17:30; sat 10:00") == parse("Sat 10:00;MON-FRI 17:30, 09:00")
    assert show(parse("fri-mon 08:00; daily 09:00")) == "mon,fri-sun 08:00,09:00; tue-thu 09:00"


@pytest.mark.parametrize(
    "said", ["mondays 09:00", "mon", "mon 9", "mon 24:00", "09:00", "mon 09:00 10:00", "mon- 09:00"]
)
def test_what_names_no_slots_is_refused(said):
    with pytest.raises(WrongSlots):
        parse(said)


@settings(deadline=None)
@given(SLOTS, st.sampled_from([BERLIN, "America/Nuuk", "UTC"]), st.integers(0, 900))
def test_slots_come_in_order_each_instant_once(places, zone, hours):
    after = datetime(2026, 11, 20, 9, tzinfo=UTC) + timedelta(hours=hours)
    found = [wall for wall, _ in zip(upcoming(tuple(places), zone, after), range(30), strict=False)]
    instants = [wall.at for wall in found]
    assert instants == sorted(set(instants))
    assert all(at > after for at in instants)
    assert all(
        Place(wall.local.weekday(), wall.local.hour * 60 + wall.local.minute) in places for wall in found
    )


async def test_the_next_free_slot_is_the_first_without_a_post(ada):
    await give(ada, "daily 09:00,17:30")
    posts = [await scheduled(ada, f"Number {n}", NextFreeSlot()) for n in range(4)]
    instants = [post.due_at for post in posts]
    assert instants == sorted(set(instants))
    assert {post.local_time[11:] for post in posts} == {"09:00:00", "17:30:00"}
    assert instants[2] - instants[0] in {timedelta(hours=23), timedelta(days=1), timedelta(hours=25)}


async def test_a_post_that_chance_moved_still_fills_its_slot(ada):
    await give(ada, "daily 12:00")
    first = await scheduled(ada, "First", NextFreeSlot(), jitter=timedelta(minutes=20))
    second = await scheduled(ada, "Second", NextFreeSlot())
    assert second.local_time[:10] > first.local_time[:10]


async def test_without_slots_the_next_free_one_is_refused(ada):
    with pytest.raises(NoFreeSlot, match="has no slots"):
        await scheduled(ada, "When", NextFreeSlot())


@pytest.mark.both_databases
async def test_of_many_who_ask_at_once_each_gets_a_slot_of_its_own(ada):
    await give(ada, "mon-fri 09:00; sat 10:00,11:00")
    posts = await asyncio.gather(*(scheduled(ada, f"Number {n}", NextFreeSlot()) for n in range(8)))
    assert len({post.due_at for post in posts}) == 8


async def test_new_slots_leave_posts_where_they_are(ada):
    await give(ada, "daily 09:00")
    post = await scheduled(ada, "Mine", NextFreeSlot())
    await give(ada, "daily 10:00")
    assert (await ada.read(post)).post.due_at == post.due_at
    async with ada.house.perch.db.read() as session:
        assert show(await slots.of_account(session, ada.person.account_id)) == "mon-sun 10:00"

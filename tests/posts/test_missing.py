"""What becomes of posts that could not go out in time."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from perch.accounts.models import MissedPolicy, XAccount
from perch.jobs import Pace
from perch.notices import queries as notices
from perch.posts import changing, editing, queries, resuming
from perch.posts.editing import Change
from perch.posts.errors import TooLate
from perch.posts.missing import SKIP, Late, Missing, plan
from perch.posts.models import Post, PostState
from perch.posts.scheduling import check

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
PACE = Pace()
HOUR = timedelta(hours=1)


async def overdue(writer, text, **late):
    """A post whose time came and went while Perch was away."""
    perch = writer.house.perch
    post = await writer.write(text, due_in=3600)
    async with perch.db.write() as session:
        due_at = perch.clock.now() - timedelta(**late)
        await session.execute(update(Post).where(Post.id == post.id).values(due_at=due_at))
    return post


async def look(writer, **more):
    perch = writer.house.perch
    await Missing(perch.db, perch.clock, PACE, **more).sweep()


async def asks(writer):
    async with writer.house.perch.db.write() as session:
        await session.execute(update(XAccount).values(missed_policy=MissedPolicy.ASK))


async def notice_kinds(writer):
    async with writer.house.perch.db.read() as session:
        return [one.kind for one in await notices.open_in(session, writer.person.workspace_id)]


async def may_go(writer):
    perch = writer.house.perch
    async with perch.db.read() as session:
        return list(await session.scalars(queries.ready(perch.clock.now()).with_only_columns(Post.id)))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(16, 900), st.sampled_from(["send", "ask", SKIP])),
        max_size=30,
    )
)
def test_late_posts_are_asked_about_left_out_or_sent_one_after_the_other(found):
    late = [
        Late(n, account, NOW - timedelta(minutes=m), policy) for n, (account, m, policy) in enumerate(found)
    ]
    late.sort(key=lambda one: one.due_at)
    made = plan(late, {}, NOW, PACE)
    decided = [one[0] for one in (*made.send, *made.ask, *made.skip)]
    assert sorted(decided) == [one.post_id for one in sorted(late, key=lambda one: one.post_id)]
    for account in {one.account_id for one in late}:
        times = [at for _, theirs, at in made.send if theirs == account]
        assert times[:1] in ([], [NOW])
        assert all(after - before >= timedelta(seconds=60) for before, after in pairwise(times))
    for one in late:
        is_old = NOW - one.due_at > 6 * HOUR
        if one.policy == SKIP:
            assert one.post_id in {post for post, _ in made.skip}
        elif one.policy == "ask" or is_old:
            assert one.post_id in {post for post, _ in made.ask}


async def test_what_is_a_little_late_is_not_late(ada):
    post = await overdue(ada, "A minute", minutes=14)
    await look(ada)
    assert (await ada.read(post)).post.try_at is None
    assert await may_go(ada) == [post.id]


@pytest.mark.both_databases
async def test_after_an_hour_away_late_posts_go_out_apart_in_the_order_they_were_due(ada, ben):
    posts = [await overdue(ada, f"Number {n}", minutes=60 - n) for n in range(4)]
    theirs = await overdue(ben, "Theirs", minutes=30)
    assert await may_go(ada) == []
    await look(ada)
    await look(ada)
    times = [(await ada.read(post)).post.try_at for post in posts]
    assert [after - before for before, after in pairwise(times)] == [timedelta(minutes=1)] * 3
    assert sorted(await may_go(ada)) == sorted([posts[0].id, theirs.id])
    another = await overdue(ada, "Found later", minutes=20)
    await look(ada)
    assert (await ada.read(another)).post.try_at == times[-1] + timedelta(minutes=1)
    receipt = await ada.read(posts[0])
    assert receipt.lines[-1].sentence.startswith("60 minutes late: goes out at")
    assert receipt.is_whole


@pytest.mark.both_databases
async def test_after_six_hours_a_person_is_asked_once(ada):
    posts = [await overdue(ada, f"Number {n}", hours=7) for n in range(3)]
    await look(ada)
    for post in posts:
        receipt = await ada.read(post)
        assert (receipt.post.state, receipt.post.why) == (PostState.MISSED, "It could not go out in time.")
        assert receipt.lines[-1].sentence == "missed: 7 hours late, so you are asked"
    assert await notice_kinds(ada) == ["missed"]


async def test_an_account_may_want_to_be_asked_at_once(ada):
    await asks(ada)
    post = await overdue(ada, "Ask me", minutes=16)
    await look(ada)
    assert (await ada.read(post)).post.state == PostState.MISSED


async def test_a_missed_post_is_sent_moved_or_cancelled_and_with_the_last_the_notice_ends(working, ada):
    await asks(ada)
    perch = working.perch
    sent, moved, dropped = [await overdue(ada, f"Number {n}", hours=1) for n in range(3)]
    await look(ada)
    assert await notice_kinds(ada) == ["missed"]
    async with perch.db.write() as session:
        fresh = await session.get_one(Post, moved.id)
        change = Change(when=perch.clock.now() + HOUR)
        await editing.edit(session, perch.clock, perch.engine, fresh, change, "Olga")
    async with perch.db.write() as session:
        await changing.cancel(session, perch.clock, await session.get_one(Post, dropped.id), "Olga")
    assert await notice_kinds(ada) == ["missed"]
    async with perch.db.write() as session:
        fresh = await session.get_one(Post, sent.id)
        await editing.send_now(session, perch.clock, perch.engine, fresh, "Olga")
    assert await notice_kinds(ada) == []
    assert (await ada.settled(sent)).post.state == PostState.PUBLISHED
    assert (await ada.read(moved)).post.state == PostState.SCHEDULED
    assert (await ada.read(dropped)).post.state == PostState.CANCELLED


async def test_new_words_leave_a_missed_post_missed(ada):
    await asks(ada)
    post = await overdue(ada, "Old words", hours=1)
    await look(ada)
    perch = ada.house.perch
    async with perch.db.write() as session:
        fresh = await session.get_one(Post, post.id)
        checked = await check(session, perch.clock, ada.draft("New words"), perch.settings.x_plan)
        await editing.edit(session, perch.clock, perch.engine, fresh, Change(checked), "Olga")
    assert (await ada.read(post)).post.state == PostState.MISSED


async def test_only_a_missed_post_is_sent_after_all(ada):
    post = await ada.write("In time", due_in=3600)
    perch = ada.house.perch
    async with perch.db.write() as session:
        with pytest.raises(TooLate):
            await editing.send_now(session, perch.clock, perch.engine, post, "Olga")


async def test_while_a_pause_or_a_rest_holds_it_up_nothing_is_decided(ada):
    post = await overdue(ada, "Held up", hours=8)
    perch = ada.house.perch
    for held, free in (
        ({"paused_reason": "credits"}, {"paused_reason": None}),
        ({"rests_until": perch.clock.now() + HOUR}, {"rests_until": None}),
    ):
        async with perch.db.write() as session:
            await session.execute(update(XAccount).values(**held))
        await look(ada)
        assert (await ada.read(post)).post.state == PostState.SCHEDULED
        assert await may_go(ada) == []
        async with perch.db.write() as session:
            await session.execute(update(XAccount).values(**free))
    await look(ada)
    assert (await ada.read(post)).post.state == PostState.MISSED


async def test_a_clock_in_doubt_makes_nothing_late(ada):
    post = await overdue(ada, "Next month's", hours=700)
    await look(ada, may_decide=lambda: False)
    assert (await ada.read(post)).post.state == PostState.SCHEDULED


async def test_a_running_perch_sends_what_is_late_without_being_asked(working, ada):
    post = await overdue(ada, "Late but there", minutes=16)
    assert (await ada.settled(post)).post.state == PostState.PUBLISHED


async def test_a_thread_that_is_under_way_is_never_missed(ada):
    post = await overdue(ada, "One", hours=8)
    perch = ada.house.perch
    async with perch.db.write() as session:
        await session.execute(update(Post).values(state=PostState.PUBLISHING))
    await look(ada)
    async with perch.db.read() as session:
        assert await session.scalar(select(Post.state).where(Post.id == post.id)) == PostState.PUBLISHING


async def test_who_says_try_now_of_a_late_post_has_decided(ada):
    await asks(ada)
    post = await overdue(ada, "Go", hours=8)
    perch = ada.house.perch
    async with perch.db.write() as session:
        await session.execute(update(Post).values(paused_reason="credits"))
    async with perch.db.write() as session:
        fresh = await session.get_one(Post, post.id)
        await resuming.resume(session, perch.clock, perch.engine, fresh, "Olga")
    await look(ada)
    assert (await ada.read(post)).post.state == PostState.SCHEDULED
    assert await may_go(ada) == [post.id]

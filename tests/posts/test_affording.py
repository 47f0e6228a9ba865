"""A month's budget is never passed: posts wait for a person where it has no room for them."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select, update

from perch import wiring
from perch.budget.models import MonthlyBudget, Spend
from perch.notices import queries as notices
from perch.posts import changing, resuming, steps
from perch.posts.missing import Missing
from perch.posts.models import Post, PostState

POST = {"method": "POST", "path": "/2/tweets"}
CENTS = 10_000


@pytest.fixture
async def house(build_house):
    """Room for four posts without a link, at 1.5 cents each."""
    return await build_house(pace=0.05, monthly_budget="0.065")


async def month(house):
    async with house.perch.db.read() as session:
        row = (await session.scalars(select(MonthlyBudget))).one()
        return row.reserved_micros, row.spent_micros


async def at_rest(writer, posts):
    """Each post's state, once nothing of them moves any more; a paused one is ``budget``."""
    for post in posts:
        await writer.settled(
            post, lambda one: one.paused_reason or one.state not in {"scheduled", "publishing"}
        )
    found = [(await writer.read(post)).post for post in posts]
    return [post.paused_reason or post.state for post in found]


async def told(writer):
    async with writer.house.perch.db.read() as session:
        return [one.kind for one in await notices.open_in(session, writer.person.workspace_id)]


@pytest.mark.both_databases
async def test_what_passes_the_budget_waits_and_is_told_once(working, ada):
    posts = [await ada.write(f"Post {number}") for number in range(6)]
    assert await at_rest(ada, posts) == ["published"] * 4 + ["budget"] * 2
    assert await month(working) == (0, 6 * CENTS)
    assert await told(ada) == ["budget"]
    receipt = await ada.read(posts[-1])
    assert "budget of $0.065 has no room" in (receipt.post.why or "")
    assert receipt.is_whole


@pytest.mark.both_databases
async def test_fifty_posts_of_two_accounts_that_compete_stay_below_the_budget(working, ada, ben):
    posts = [(who, await who.write(f"Post {number}")) for number in range(25) for who in (ada, ben)]
    ended = [await at_rest(who, [post]) for who, post in posts]
    assert ended.count(["published"]) == 4
    assert ended.count(["budget"]) == 46
    assert len(await working.ledger()) == 4
    assert await month(working) == (0, 6 * CENTS)


@pytest.mark.postgres
@pytest.mark.xdist_group("postgres")
async def test_two_workers_on_one_database_stay_below_the_budget_together(build_house, postgres_url, writer):
    house = await build_house(pace=0.05, monthly_budget="0.065", database_url=postgres_url)
    people = [await house.connect(f"sandbox_{name}") for name in ("ada", "ben", "cleo")]
    async with wiring.assemble(house.perch.settings) as second:
        writers = [writer(house, person) for person in people]
        posts = [(who, await who.write(f"Post {number}")) for number in range(17) for who in writers]
        workers = [asyncio.create_task(perch.engine.run()) for perch in (house.perch, second)]
        ended = [await at_rest(who, [post]) for who, post in posts]
        for perch in (house.perch, second):
            perch.engine.stop()
        await asyncio.gather(*workers)
    assert ended.count(["published"]) == len(await house.ledger()) == 4
    assert await month(house) == (0, 6 * CENTS)


async def test_a_thread_is_reserved_whole_or_not_begun(working, ada):
    fits, too_long = await ada.write("One", "Two"), await ada.write("One", "Two", "Three")
    assert await at_rest(ada, [fits, too_long]) == ["published", "budget"]
    assert len(await working.ledger()) == 2
    assert await month(working) == (0, 3 * CENTS)


async def test_what_x_refuses_gives_its_reservation_back(working, ada):
    await working.fault(match=POST, action="status", status=400, times=2)
    posts = [await ada.write(f"Post {number}") for number in range(6)]
    assert await at_rest(ada, posts) == ["refused"] * 2 + ["published"] * 4
    assert await month(working) == (0, 6 * CENTS)


async def test_what_is_paused_for_another_reason_holds_nothing(working, ada):
    await working.fault(match=POST, action="status", status=402, times=1)
    post = await ada.write("When there is money")
    assert await at_rest(ada, [post]) == ["credits"]
    assert await month(working) == (0, 0)


async def test_a_post_that_waits_for_the_budget_can_be_cancelled(working, ada):
    posts = [await ada.write(f"Post {number}") for number in range(5)]
    await at_rest(ada, posts)
    perch = working.perch
    async with perch.db.write() as session:
        await changing.cancel(session, perch.clock, await session.get_one(Post, posts[-1].id), "Olga")
    assert (await ada.read(posts[-1])).post.state == PostState.CANCELLED
    assert await month(working) == (0, 6 * CENTS)


async def test_trying_again_without_more_room_waits_again_and_with_more_goes_out(house, ada):
    posts = [await ada.write(f"Post {number}") for number in range(5)]
    perch, lane = house.perch, str(ada.person.account_id)
    await perch.publisher.drain(lane)
    async with perch.db.write() as session:
        last = await session.get_one(Post, posts[-1].id)
        await resuming.resume(session, perch.clock, perch.engine, last, "Olga")
    await perch.publisher.drain(lane)
    assert await at_rest(ada, posts) == ["published"] * 4 + ["budget"]
    more = perch.settings.model_copy(update={"monthly_budget": Decimal(1)})
    async with wiring.assemble(more) as raised:
        await wiring.prepare_apps(raised)
        assert await told(ada) == []
        await raised.publisher.drain(lane)
    assert await at_rest(ada, posts[-1:]) == ["published"]


async def test_without_a_budget_nothing_is_counted_but_what_was_spent(build_house, writer):
    house = await build_house(pace=0.05)
    ada = writer(house, await house.connect())
    await ada.write("Free")
    await house.perch.publisher.drain(str(ada.person.account_id))
    async with house.perch.db.read() as session:
        assert await session.scalar(select(func.count()).select_from(MonthlyBudget)) == 0
        assert await session.scalar(select(func.sum(Spend.micros))) == 15_000


@pytest.mark.both_databases
async def test_what_comes_too_late_to_be_kept_is_turned_away_under_a_budget_too(working, ada):
    post = await ada.write("Settled long ago")
    assert await at_rest(ada, [post]) == ["published"]
    *_, attempt = await ada.attempts(post)
    late = steps.Recording(post.id, attempt.armed_at, attempt_id=attempt.id, attempt={"state": "unknown"})
    assert not await working.perch.committer.commit(steps.record, late)
    assert await month(working) == (0, 15_000)


@pytest.mark.both_databases
async def test_what_waited_for_the_next_month_is_late_then_like_any_other(ada):
    perch, stale = ada.house.perch, await ada.write("News of last month")
    fresh = await ada.write("A minute late", due_in=0)
    now = perch.clock.now()
    async with perch.db.write() as session:
        waited = {"paused_reason": "budget", "try_at": now - timedelta(seconds=1)}
        for post, late in ((stale, timedelta(days=9)), (fresh, timedelta(seconds=20))):
            await session.execute(update(Post).where(Post.id == post.id).values(due_at=now - late, **waited))
    await perch.publisher.drain(str(stale.account_id))
    await Missing(perch.db, perch.clock, perch.pace).sweep()
    await perch.publisher.drain(str(stale.account_id))
    assert [(await ada.read(post)).post.state for post in (stale, fresh)] == ["missed", "published"]
    assert [entry["text"] for entry in await ada.house.ledger()] == ["A minute late"]

"""Threads: checked whole before the first card, and each card is sent once and in order, whatever stops."""

import asyncio
import contextlib

import pytest
from sqlalchemy import func, select

from perch.posts import deleting
from perch.posts.errors import RuleBroken
from perch.posts.models import Post, PostState

CREATE = {"method": "POST", "path": "/2/tweets"}
DELETE = {"method": "DELETE", "path": "/2/tweets/*"}
SLOW = {"action": "slow_drip", "seconds": 20, "times": 1}  # one second at this pace, after it was done


async def test_a_thread_whose_last_card_breaks_a_rule_is_refused_whole(working, ada):
    with pytest.raises(RuleBroken):
        await ada.write("Fine", "Fine too", "x" * 281)
    async with working.perch.db.read() as session:
        assert await session.scalar(select(func.count()).select_from(Post)) == 0
    assert await working.ledger() == []


async def until(condition):
    for _ in range(1000):
        if await condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


@contextlib.asynccontextmanager
async def crashing(work):
    """Work that is cut off where it stands when the block ends."""
    task = asyncio.create_task(work)
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.both_databases
async def test_after_a_crash_a_thread_goes_on_at_its_first_unsent_card(house, ada):
    perch = house.perch
    await house.fault(match=CREATE, action="delay", seconds=0, times=1)
    await house.fault(match=CREATE, **SLOW)
    post = await ada.write("One", "Two", "Three")

    async def second_is_on_its_way():
        return any(one.n == 1 and one.state == "sending" for one in (await ada.attempts(post))[1:])

    async with crashing(perch.publisher.drain(str(ada.person.account_id))):
        await until(second_is_on_its_way)
    worker = asyncio.create_task(perch.engine.run())
    receipt = await ada.settled(post)
    perch.engine.stop()
    await worker
    assert receipt.post.state == PostState.PUBLISHED
    first, second, third = await house.ledger()
    assert [one["text"] for one in (first, second, third)] == ["One", "Two", "Three"]
    assert [second["reply_to"], third["reply_to"]] == [first["id"], second["id"]]
    assert receipt.is_whole


@pytest.mark.both_databases
async def test_after_a_crash_a_deletion_goes_on_where_it_stopped(house, ada):
    perch, account = house.perch, str(ada.person.account_id)
    post = await ada.write("One", "Two")
    await perch.publisher.drain(account)
    async with perch.db.write() as session:
        fresh = await session.get_one(Post, post.id)
        await deleting.ask(session, perch.clock, perch.engine, fresh, "Olga")
    await house.fault(match=DELETE, action="delay", seconds=0, times=1)
    await house.fault(match=DELETE, **SLOW)

    async def gone():
        return sum(bool(card.segment.deleted_at) for card in (await ada.read(post)).cards)

    async def one_is_gone():
        return await gone() == 1

    async def all_are_gone():
        return await gone() == 2

    deleter = deleting.Deleter(
        perch.db, perch.clock, perch.pace, perch.publisher.lines, perch.engine, "a test", "pay-per-use"
    )
    async with crashing(deleter.delete(account)):
        await until(one_is_gone)
    assert (await ada.read(post)).cards[1].segment.deleted_at
    worker = asyncio.create_task(perch.engine.run())
    await until(all_are_gone)
    perch.engine.stop()
    await worker
    assert [entry["deleted"] for entry in await house.ledger()] == [True, True]
    assert (await ada.read(post)).is_whole

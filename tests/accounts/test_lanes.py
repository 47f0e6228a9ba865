import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from perch.accounts import lanes
from perch.accounts.models import XAccount

LEASE = timedelta(seconds=40)


@pytest.fixture
async def account(desk: Any) -> int:
    return (await desk.sign_in()).account_id


async def _take(desk: Any, account: int, worker: str = "one") -> int | None:
    async with desk.db.write() as session:
        return await lanes.take_lane(session, desk.clock, account, worker, LEASE)


async def _renew(desk: Any, account: int, fence: int) -> bool:
    async with desk.db.write() as session:
        return await lanes.renew_lane(session, desk.clock, account, fence, LEASE)


async def _drop(desk: Any, account: int, fence: int) -> None:
    async with desk.db.write() as session:
        await lanes.drop_lane(session, account, fence)


async def test_a_lane_has_one_holder_and_each_has_a_higher_fence(desk: Any, account: int) -> None:
    first = await _take(desk, account)
    assert first is not None
    assert await _take(desk, account, "two") is None
    assert await _take(desk, account, "one") is None

    await _drop(desk, account, first)

    assert await _take(desk, account, "two") == first + 1


async def test_of_twenty_who_want_a_lane_one_gets_it(desk: Any, account: int) -> None:
    fences = await asyncio.gather(*(_take(desk, account, str(n)) for n in range(20)))

    assert len([fence for fence in fences if fence is not None]) == 1


async def test_an_abandoned_lane_is_free_when_its_lease_ends(desk: Any, account: int) -> None:
    await _take(desk, account, "dead")

    desk.clock.advance(LEASE - timedelta(seconds=1))
    assert await _take(desk, account) is None
    desk.clock.advance(timedelta(seconds=1))

    assert await _take(desk, account) == 2


async def test_renewing_holds_a_lane_beyond_its_lease(desk: Any, account: int) -> None:
    fence = await _take(desk, account)
    assert fence is not None

    desk.clock.advance(LEASE / 2)
    assert await _renew(desk, account, fence)
    desk.clock.advance(LEASE - timedelta(seconds=1))

    assert await _take(desk, account, "two") is None


async def test_whoever_overslept_can_neither_renew_nor_free_the_lane(desk: Any, account: int) -> None:
    sleeper = await _take(desk, account)
    desk.clock.advance(LEASE)
    holder = await _take(desk, account, "two")
    assert sleeper is not None
    assert holder is not None

    assert not await _renew(desk, account, sleeper)
    await _drop(desk, account, sleeper)

    assert await _take(desk, account, "three") is None
    assert await _renew(desk, account, holder)


async def test_a_lane_given_back_cannot_be_renewed(desk: Any, account: int) -> None:
    fence = await _take(desk, account)
    assert fence is not None
    await _drop(desk, account, fence)

    assert not await _renew(desk, account, fence)


async def test_a_lone_process_frees_every_lane_at_its_start(desk: Any, account: int) -> None:
    other = (await desk.sign_in("sandbox_ben")).account_id
    for one in (account, other):
        await _take(desk, one, "dead")

    async with desk.db.write() as session:
        await lanes.void_lanes(session)

    assert await _take(desk, account) == 2
    assert await _take(desk, other) == 2
    async with desk.db.read() as session:
        assert set(await session.scalars(select(XAccount.lane_owner))) == {"one"}

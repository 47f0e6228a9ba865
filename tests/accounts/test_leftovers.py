"""A lane that its holder could not drop is free again with the next sweep, and no other one is touched."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from perch.accounts import lanes
from perch.accounts.leftovers import Leftovers
from perch.accounts.models import XAccount

LEASE = timedelta(minutes=5)


async def take(house, account_id, worker):
    async with house.perch.db.write() as session:
        return await lanes.take_lane(session, house.perch.clock, account_id, worker, LEASE)


async def holders(house):
    async with house.perch.db.read() as session:
        return list(await session.scalars(select(XAccount.lane_owner).order_by(XAccount.id)))


@pytest.mark.both_databases
async def test_a_lane_nobody_works_in_is_freed_and_those_at_work_are_kept(house):
    left, at_work, another = [
        (await house.connect(name)).account_id for name in ("sandbox_ada", "sandbox_ben", "sandbox_cleo")
    ]
    await take(house, left, "me")
    await take(house, at_work, "me")
    await take(house, another, "somebody else")
    await Leftovers(house.perch.db, "me", lambda account_id: account_id == at_work).sweep()
    assert await holders(house) == [None, "me", "somebody else"]
    assert await take(house, left, "somebody else") is not None

"""A lane that has passed to another worker."""

from datetime import timedelta
from typing import Any

from perch.accounts import lanes
from perch.accounts.models import XAccount

LEASE = timedelta(seconds=40)


async def test_who_overslept_the_lease_does_not_prolong_the_lane_of_its_successor(world: Any) -> None:
    account, worker = await world.connect(), world.worker()
    async with world.db.write() as session:
        older = await lanes.take_lane(session, worker.clock, account.id, "overslept", LEASE)
    world.time.advance(41)
    async with world.db.write() as session:
        assert older is not None
        assert await lanes.take_lane(session, worker.clock, account.id, "awake", LEASE) == older + 1
        before = (await session.get_one(XAccount, account.id)).lane_until
    far = worker.clock.now() + timedelta(hours=1)
    hold = lanes.Hold(account.id, older)
    await worker.committer.commit(lanes.renew, lanes.Renewal(hold, far))
    async with world.db.read() as session:
        assert (await session.get_one(XAccount, account.id)).lane_until == before

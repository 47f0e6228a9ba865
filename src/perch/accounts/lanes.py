"""The lane of an account: whoever holds it is the only one that sends for it, until the lease ends.

Each taking raises the fence, so that a holder who overslept the lease can be told from the present one.
"""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts import queries
from perch.clock import Clock


async def take_lane(
    session: AsyncSession, clock: Clock, account_id: int, worker: str, lease: timedelta
) -> int | None:
    """The fence of a lane that was free or abandoned, None while somebody holds it."""
    now = clock.now()
    return await queries.take_lane(session, account_id, worker, now, now + lease)


async def renew_lane(
    session: AsyncSession, clock: Clock, account_id: int, fence: int, lease: timedelta
) -> bool:
    """Whether the lane is still the holder's, for another lease from now."""
    return await queries.renew_lane(session, account_id, fence, clock.now() + lease)


async def drop_lane(session: AsyncSession, account_id: int, fence: int) -> None:
    """Give the lane back; nothing happens when it has passed to another holder."""
    await queries.drop_lane(session, account_id, fence)


async def void_lanes(session: AsyncSession) -> None:
    """Free every lane: for a start-up that knows itself to be the only process."""
    await queries.void_lanes(session)

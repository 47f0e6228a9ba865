"""What is done for logins beside everything else: renewed ahead, kept alive, ended on X."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from perch.accounts.disconnecting import disconnect
from perch.accounts.handlers import Upkeep
from perch.accounts.models import Grant, RefreshState

TOKEN, REVOKE = "/2/oauth2/token", "/2/oauth2/revoke"


@pytest.fixture
async def three(desk: Any) -> list[int]:
    """The accounts of three people."""
    return [(await desk.sign_in(f"sandbox_{name}")).account_id for name in ("ada", "ben", "cleo")]


def _upkeep(desk: Any, needed: Sequence[int] = ()) -> Upkeep:
    async def soon(_session: object, _until: datetime) -> Sequence[int]:
        return needed

    return Upkeep(desk.keyring(), soon, 60.0)


async def _states(desk: Any, accounts: list[int]) -> list[tuple[str, int]]:
    grants = [await desk.grant(account_id) for account_id in accounts]
    return [(grant.refresh_state, grant.generation) for grant in grants]


async def test_logins_that_are_needed_soon_are_renewed_before_they_are(desk: Any, three: list[int]) -> None:
    desk.clock.advance(timedelta(minutes=115))

    await _upkeep(desk, three[:2]).turn()

    assert await _states(desk, three) == [("idle", 2), ("idle", 2), ("idle", 1)]


async def test_a_token_that_is_still_fresh_is_left_alone(desk: Any, three: list[int]) -> None:
    desk.clock.advance(timedelta(minutes=100))

    await _upkeep(desk, three).turn()

    assert desk.x.count(TOKEN) == 3


async def test_a_broken_grant_never_stops_the_others(desk: Any, three: list[int]) -> None:
    ada, _, cleo = three
    desk.clock.advance(timedelta(hours=3))
    async with desk.db.write() as session:
        await session.execute(
            update(Grant).where(Grant.account_id == ada).values(refresh_token_sealed="k1.broken")
        )
    grants = list(desk.x.app.world.grants)
    desk.x.app.world.drop_grant(grants[1])

    await _upkeep(desk, three).turn()

    assert await _states(desk, three) == [("idle", 1), ("dead", 1), ("idle", 2)]
    assert (await desk.client_for(cleo)).username == "sandbox_cleo"


async def test_renewals_run_side_by_side_and_begin_in_the_order_of_need(desk: Any, three: list[int]) -> None:
    desk.clock.advance(timedelta(hours=3))
    desk.x.spoil(TOKEN, "delay", times=3, seconds=0.3)
    started = asyncio.get_running_loop().time()

    await _upkeep(desk, [three[2], three[0], three[1]]).turn()

    assert asyncio.get_running_loop().time() - started < 0.85
    assert await _states(desk, three) == [("idle", 2)] * 3


async def test_an_idle_login_is_kept_alive_every_sixty_days(desk: Any, three: list[int]) -> None:
    desk.clock.advance(timedelta(days=59))
    await _upkeep(desk).turn()
    assert await _states(desk, three) == [("idle", 1)] * 3

    desk.clock.advance(timedelta(days=2))
    await _upkeep(desk).turn()
    await _upkeep(desk).turn()

    assert await _states(desk, three) == [("idle", 2)] * 3
    assert desk.x.count(TOKEN) == 6


async def test_keeping_alive_in_vain_waits_an_hour(desk: Any, three: list[int]) -> None:
    desk.clock.advance(timedelta(days=61))
    desk.x.spoil(TOKEN, "status", times=3, status=503)
    await _upkeep(desk).turn()

    desk.clock.advance(timedelta(minutes=30))
    await _upkeep(desk).turn()
    assert desk.x.count(TOKEN) == 6
    desk.clock.advance(timedelta(minutes=32))
    await _upkeep(desk).turn()

    assert await _states(desk, three) == [("idle", 2)] * 3


async def test_a_sweep_waits_for_no_x_and_begins_one_turn_at_a_time(desk: Any, three: list[int]) -> None:
    desk.clock.advance(timedelta(hours=3))
    desk.x.spoil(TOKEN, "delay", times=3, seconds=0.5)
    upkeep = _upkeep(desk, three)

    for _ in range(3):
        await upkeep.sweep()
    assert [generation for _, generation in await _states(desk, three)] == [1] * 3
    await desk.clients.close()

    assert await _states(desk, three) == [(RefreshState.IDLE, 2)] * 3
    assert desk.x.count(TOKEN) == 6


async def test_what_x_did_not_end_is_ended_later(desk: Any, three: list[int]) -> None:
    ada = await desk.sign_in()
    desk.x.spoil(REVOKE, "status", times=2, status=503)
    await disconnect(
        desk.db.write, desk.clock, desk.sealer, desk.clients, ada.workspace_id, ada.account_public_id
    )
    assert len(desk.x.app.world.grants) == 3

    desk.clock.advance(timedelta(minutes=2))
    await _upkeep(desk).turn()

    assert len(desk.x.app.world.grants) == 2
    await _upkeep(desk).turn()
    assert desk.x.count(REVOKE) == 4

"""Whatever happens to the answer of a refresh, on both databases: what is kept, replayed, or given up."""

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from perch.accounts.errors import ReconnectNeeded, XUnavailable
from perch.accounts.models import Grant
from perch.accounts.tokens import Ready
from perch.x.errors import Unauthorized
from perch.x.users import Me

ROOT = Path(__file__).parents[2]
KEPT, RENEWED, LOST = "kept", "renewed", "lost"


async def _age(house: Any, left: timedelta) -> None:
    """The access token lives this much longer, and whatever was waited for is over."""
    now = house.perch.clock.now()
    over = now - timedelta(seconds=1)
    async with house.perch.db.write() as session:
        await session.execute(
            update(Grant).values(
                expires_at=now + left, rotated_at=now + left - timedelta(hours=2), refresh_until=over
            )
        )


async def _state(house: Any) -> str:
    async with house.perch.db.read() as session:
        return str(await session.scalar(select(Grant.refresh_state)))


async def _works(ready: Ready) -> bool:
    try:
        return (await ready.client.send(Me(), ready.bearer)).result.id == ready.x_user_id
    except Unauthorized:
        return False


async def _opened(house: Any, account_id: int) -> str:
    """What becomes of a call, a 401 included."""
    keyring = house.perch.keyring
    try:
        ready = await keyring.client_for(account_id)
        if await _works(ready):
            return KEPT
        assert await _works(await keyring.refresh_after_401(account_id, ready.bearer))
    except ReconnectNeeded:
        return LOST
    except XUnavailable:
        return "later"
    return RENEWED


@pytest.mark.both_databases
@pytest.mark.parametrize(
    ("fault", "switches", "at_first", "in_the_end"),
    [
        ({"action": "commit_then_drop"}, {"refresh_kills_access": False}, KEPT, LOST),
        ({"action": "commit_then_drop"}, {}, LOST, LOST),
        ({"action": "commit_then_drop"}, {"refresh_grace": 30}, RENEWED, KEPT),
        ({"action": "commit_then_drop"}, {"family_revoke": True}, LOST, LOST),
        ({"action": "commit_then_status", "status": 503}, {"refresh_kills_access": False}, KEPT, LOST),
        ({"action": "commit_then_status", "status": 400}, {"refresh_kills_access": False}, KEPT, LOST),
        ({"action": "cut"}, {"refresh_kills_access": False}, KEPT, LOST),
        ({"action": "garbage", "kind": "html"}, {"refresh_kills_access": False}, KEPT, LOST),
        ({"action": "garbage", "kind": "gzip"}, {"refresh_grace": 30}, RENEWED, KEPT),
        ({"action": "drop"}, {}, KEPT, KEPT),
        ({"action": "status", "status": 500}, {}, KEPT, KEPT),
        ({"action": "status", "status": 401, "body": {"error": "unauthorized_client"}}, {}, KEPT, KEPT),
        ({"action": "status", "status": 429}, {}, KEPT, KEPT),
    ],
)
async def test_a_refresh_whose_answer_is_spoiled(
    house: Any, fault: dict[str, Any], switches: dict[str, Any], at_first: str, in_the_end: str
) -> None:
    ada = await house.connect()
    await house.control("PUT", "/_sandbox/settings", switches)
    await house.fault(match={"path": "/2/oauth2/token"}, **fault)
    await _age(house, timedelta(minutes=9))
    await house.perch.keyring.client_for(ada.account_id)

    await _age(house, timedelta(minutes=8))
    assert await _opened(house, ada.account_id) == at_first
    if at_first != RENEWED:
        await _age(house, timedelta(minutes=2))

    assert await _opened(house, ada.account_id) == in_the_end
    assert await _state(house) == ("dead" if in_the_end == LOST else "idle")


@pytest.mark.both_databases
@pytest.mark.parametrize(("grace", "outcome"), [(60, RENEWED), (0, LOST)])
async def test_a_process_killed_between_asking_and_storing_leaves_a_lost_answer(
    house: Any, grace: float, outcome: str
) -> None:
    ada = await house.connect()
    await house.control("PUT", "/_sandbox/settings", {"refresh_grace": grace})
    await house.fault(match={"path": "/2/oauth2/token"}, action="delay", seconds=50)
    settings = house.perch.settings
    asked = {
        "database": settings.database, "key": settings.secret_key.get_secret_value(),
        "accounts": [ada.account_id], "renewals": 1, "lanes": 1,
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench._hammering", json.dumps(asked), cwd=ROOT
    )
    while not (await house.control("GET", "/_sandbox/refreshes"))["seen"]:
        await asyncio.sleep(0.05)
    process.kill()
    await process.wait()
    assert await _state(house) == "inflight"
    while not (await house.control("GET", "/_sandbox/requests"))["requests"][-1]["path"].endswith("token"):
        await asyncio.sleep(0.05)

    await _age(house, timedelta(minutes=9))
    assert await _opened(house, ada.account_id) == outcome

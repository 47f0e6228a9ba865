"""Many processes, a handful of grants: X never sees two refreshes of one grant at once, and none is lost."""

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from perch.accounts.models import Grant, RefreshState
from perch.x.users import Me

ROOT = Path(__file__).parents[2]
PROCESSES, RENEWALS = 8, 160


async def _hammered(house: Any, accounts: list[int]) -> Counter[str]:
    perch = house.perch
    asked = {
        "database": perch.settings.database, "key": perch.settings.secret_key.get_secret_value(),
        "accounts": accounts, "renewals": RENEWALS, "lanes": 1,
    }  # fmt: skip
    started = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench._hammering", json.dumps(asked), cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(PROCESSES)
    ]  # fmt: skip
    seen: Counter[str] = Counter()
    for process in started:
        said, _ = await process.communicate()
        assert process.returncode == 0
        seen += Counter(json.loads(said))
    return seen


@pytest.mark.both_databases
async def test_eight_processes_never_have_two_refreshes_of_a_grant_under_way_and_lose_none(
    house: Any,
) -> None:
    people = [await house.connect(f"sandbox_{name}") for name in ("ada", "ben", "cleo")]
    await house.fault(match={"path": "/2/oauth2/token"}, action="delay", seconds=0.5, rate=1)

    seen = await _hammered(house, [person.account_id for person in people])

    count = await house.control("GET", "/_sandbox/refreshes")
    async with house.perch.db.read() as session:
        grants = (await session.scalars(select(Grant))).all()
    assert count["overlaps"] == 0
    assert {grant.refresh_state for grant in grants} == {RefreshState.IDLE}
    assert count["seen"] == sum(grant.generation - 1 for grant in grants) >= RENEWALS
    assert seen["opened"] >= RENEWALS
    assert not seen["reconnect_needed"] + seen["x_unavailable"] + seen["x_app_broken"]
    for person in people:
        ready = await house.perch.keyring.client_for(person.account_id)
        assert (await ready.client.send(Me(), ready.bearer)).result.id == ready.x_user_id

"""People are told of a cause once, until it is mended."""

from datetime import timedelta

import pytest

from perch.notices import queries
from perch.notices.telling import News, mended, tell

CREDITS = News("credits:app:a", "credits", "No money.", "Top up.")


@pytest.fixture
async def workspace(house):
    return (await house.connect()).workspace_id


async def told(house, workspace_id):
    async with house.perch.db.read() as session:
        return [one.cause for one in await queries.open_in(session, workspace_id)]


async def say(house, *news):
    async with house.perch.db.write() as session:
        await tell(session, news, house.perch.clock.now())


@pytest.mark.both_databases
async def test_a_cause_is_told_once_however_often_it_is_met(house, workspace):
    await say(house, CREDITS, CREDITS)
    await say(house, CREDITS)
    assert await told(house, workspace) == ["credits:app:a"]


@pytest.mark.both_databases
async def test_what_is_mended_is_told_no_more_and_what_comes_back_is_told_again(house, workspace):
    await say(house, CREDITS)
    async with house.perch.db.write() as session:
        await mended(session, ["credits:app:a", "login:account:b"], house.perch.clock.now())
    assert await told(house, workspace) == []
    await say(house, CREDITS)
    assert await told(house, workspace) == ["credits:app:a"]


async def test_a_workspace_is_told_its_own_and_what_concerns_everybody(house, workspace):
    other = (await house.connect("sandbox_ben")).workspace_id
    await say(house, CREDITS, News("login:account:b", "login", "Gone.", "Sign in.", workspace_id=other))
    assert await told(house, workspace) == ["credits:app:a"]
    assert await told(house, other) == ["credits:app:a", "login:account:b"]


async def test_the_oldest_cause_stands_first(house, workspace):
    now = house.perch.clock.now()
    async with house.perch.db.write() as session:
        await tell(session, [News("b", "credits", "Later.", "")], now)
        await tell(session, [News("a", "credits", "Earlier.", "")], now - timedelta(hours=1))
    assert await told(house, workspace) == ["a", "b"]

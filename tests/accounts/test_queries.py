"""Accounts by name, for an owner, a teammate and a stranger."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update

from perch.accounts import queries
from perch.accounts.connecting import Requester
from perch.accounts.errors import AmbiguousHandle
from perch.accounts.models import XAccount
from perch.people import inviting
from perch.people.errors import NotHere
from perch.people.models import Role


@pytest.fixture
async def owner(desk: Any) -> Any:
    return await desk.sign_in("sandbox_ada")


async def _named(desk: Any, workspace_id: int, name: str) -> int:
    async with desk.db.read() as session:
        return (await queries.account_named(session, workspace_id, name)).id


@pytest.mark.parametrize("name", ["@sandbox_ada", "sandbox_ada", "@Sandbox_ADA"])
async def test_an_owner_finds_the_account_by_handle(desk: Any, owner: Any, name: str) -> None:
    assert await _named(desk, owner.workspace_id, name) == owner.account_id


async def test_an_owner_finds_the_account_by_id(desk: Any, owner: Any) -> None:
    assert await _named(desk, owner.workspace_id, owner.account_public_id) == owner.account_id


async def test_a_teammate_finds_the_owners_account(desk: Any, owner: Any) -> None:
    async with desk.db.write() as session:
        link = await inviting.invite(session, desk.clock, owner.workspace_id, Role.VIEWER)
    teammate = await desk.sign_in("sandbox_ben", invitation=link)

    assert await _named(desk, teammate.workspace_id, "@sandbox_ada") == owner.account_id


async def test_a_stranger_finds_nothing_by_any_name(desk: Any, owner: Any) -> None:
    stranger = await desk.sign_in("sandbox_ben")

    for name in ("@sandbox_ada", "sandbox_ada", owner.account_public_id):
        with pytest.raises(NotHere) as missing:
            await _named(desk, stranger.workspace_id, name)
        assert missing.value.status == 404


@pytest.mark.parametrize("name", ["", "@", "@nobody", "%", "_", "@sandbox%", "' OR 1=1 --"])
async def test_odd_names_find_nothing(desk: Any, owner: Any, name: str) -> None:
    with pytest.raises(NotHere):
        await _named(desk, owner.workspace_id, name)


async def test_one_handle_of_two_accounts_is_asked_back(desk: Any, owner: Any) -> None:
    requester = Requester(owner.person_id, owner.workspace_id)
    other = await desk.sign_in("sandbox_ben", requester=requester)
    async with desk.db.write() as session:
        await session.execute(update(XAccount).values(username="renamed"))

    with pytest.raises(AmbiguousHandle) as asked:
        await _named(desk, owner.workspace_id, "@renamed")

    assert asked.value.fix is not None
    assert owner.account_public_id in asked.value.fix
    assert await _named(desk, owner.workspace_id, other.account_public_id) == other.account_id


async def test_each_workspace_lists_its_own_accounts(desk: Any, owner: Any) -> None:
    stranger = await desk.sign_in("sandbox_ben")

    async with desk.db.read() as session:
        lists = [
            [view.username for view in await queries.accounts_of(session, who.workspace_id, desk.clock.now())]
            for who in (owner, stranger, replace(owner, workspace_id=4711))
        ]

    assert lists == [["sandbox_ada"], ["sandbox_ben"], []]

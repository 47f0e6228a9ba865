from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select

from perch.db import Database
from perch.people import inviting, queries
from perch.people.errors import InvitationUnusable, NotInvited
from perch.people.joining import Admitted
from perch.people.models import Membership, Person, Role, Workspace
from perch.settings import SignIn

Admit = Callable[..., Awaitable[Admitted]]


@pytest.fixture
def role_of(db: Database) -> Callable[[Admitted], Awaitable[str | None]]:
    async def look(who: Admitted) -> str | None:
        async with db.read() as session:
            return await queries.role_of(session, who.person_id, who.workspace_id)

    return look


@pytest.fixture
def invite(db: Database, clock: Any) -> Callable[..., Awaitable[int]]:
    """Makes an invitation and follows its link; gives the invitation's id."""

    async def make(workspace_id: int, role: Role = Role.WRITER) -> int:
        async with db.write() as session:
            token = await inviting.invite(session, clock, workspace_id, role)
            return (await inviting.find(session, clock, token)).id

    return make


async def test_the_first_person_becomes_owner_of_a_new_workspace(admit: Admit, role_of: Any) -> None:
    ada = await admit("1", SignIn.FIRST)

    assert await role_of(ada) == Role.OWNER


async def test_the_second_person_is_refused_and_leaves_no_trace(admit: Admit, db: Database) -> None:
    await admit("1", SignIn.FIRST)

    with pytest.raises(NotInvited, match="Person 2 is not a member"):
        await admit("2", SignIn.FIRST)

    async with db.read() as session:
        assert await session.scalar(select(func.count()).select_from(Person)) == 1
        assert await session.scalar(select(func.count()).select_from(Workspace)) == 1


async def test_the_same_person_comes_back_to_the_same_workspace(admit: Admit) -> None:
    assert await admit("1", SignIn.FIRST) == await admit("1", SignIn.FIRST)


async def test_the_first_live_person_becomes_owner_even_after_a_sandbox_owner(
    admit: Admit, role_of: Any
) -> None:
    played = await admit("1", SignIn.FIRST, kind="sandbox")
    real = await admit("1", SignIn.FIRST, kind="live")

    assert real.person_id != played.person_id
    assert real.workspace_id != played.workspace_id
    assert await role_of(real) == Role.OWNER
    with pytest.raises(NotInvited):
        await admit("2", SignIn.FIRST, kind="live")
    with pytest.raises(NotInvited):
        await admit("2", SignIn.FIRST, kind="sandbox")


async def test_everybody_gets_a_workspace_of_their_own_where_the_door_is_open(
    admit: Admit, role_of: Any
) -> None:
    ada, ben = await admit("1", SignIn.OPEN), await admit("2", SignIn.OPEN)

    assert ada.workspace_id != ben.workspace_id
    assert await role_of(ben) == Role.OWNER


async def test_invited_means_invited_from_the_first_person_on(admit: Admit) -> None:
    with pytest.raises(NotInvited):
        await admit("1", SignIn.INVITED)


@pytest.mark.parametrize("policy", [SignIn.FIRST, SignIn.INVITED, SignIn.OPEN])
async def test_an_invitation_lets_one_person_in_with_its_role(
    admit: Admit, invite: Any, role_of: Any, policy: SignIn
) -> None:
    owner = await admit("1", SignIn.OPEN)
    invitation = await invite(owner.workspace_id, Role.EDITOR)

    ben = await admit("2", policy, invitation_id=invitation)

    assert ben.workspace_id == owner.workspace_id
    assert await role_of(ben) == Role.EDITOR
    with pytest.raises(InvitationUnusable):
        await admit("3", policy, invitation_id=invitation)


async def test_an_invitation_lasts_seven_days(admit: Admit, invite: Any, clock: Any) -> None:
    owner = await admit("1")
    invitation = await invite(owner.workspace_id)

    clock.advance(timedelta(days=7))

    with pytest.raises(InvitationUnusable):
        await admit("2", SignIn.INVITED, invitation_id=invitation)


async def test_a_member_who_follows_an_invitation_does_not_use_it_up(admit: Admit, invite: Any) -> None:
    owner = await admit("1")
    invitation = await invite(owner.workspace_id)

    await admit("1", invitation_id=invitation)

    assert (await admit("2", invitation_id=invitation)).workspace_id == owner.workspace_id


async def test_an_invited_owner_keeps_the_own_workspace_too(admit: Admit, invite: Any) -> None:
    team, ben = await admit("1"), await admit("2")

    joined = await admit("2", invitation_id=await invite(team.workspace_id))

    assert joined.person_id == ben.person_id
    assert joined.workspace_id == team.workspace_id
    assert joined.workspaces == {team.workspace_id, ben.workspace_id}


async def test_whoever_was_removed_does_not_walk_in_again(admit: Admit, invite: Any, db: Database) -> None:
    owner = await admit("1", SignIn.FIRST)
    ben = await admit("2", SignIn.FIRST, invitation_id=await invite(owner.workspace_id))
    async with db.write() as session:
        await session.execute(delete(Membership).where(Membership.person_id == ben.person_id))

    with pytest.raises(NotInvited):
        await admit("2", SignIn.FIRST)

    back = await admit("2", SignIn.FIRST, invitation_id=await invite(owner.workspace_id))
    assert back.person_id == ben.person_id


async def test_the_link_of_an_invitation_is_kept_as_a_hash_only(
    admit: Admit, clock: Any, db: Database, tmp_path: Path
) -> None:
    owner = await admit("1")
    async with db.write() as session:
        token = await inviting.invite(session, clock, owner.workspace_id, Role.VIEWER)
    await db.close()

    assert token.encode() not in b"".join(path.read_bytes() for path in tmp_path.glob("perch.db*"))


async def test_a_made_up_link_is_refused(clock: Any, db: Database) -> None:
    with pytest.raises(InvitationUnusable):
        async with db.read() as session:
            await inviting.find(session, clock, "made-up")


async def test_members_are_listed_for_their_own_workspace_only(
    admit: Admit, invite: Any, db: Database
) -> None:
    owner, _stranger = await admit("1"), await admit("3")
    await admit("2", invitation_id=await invite(owner.workspace_id))

    async with db.read() as session:
        members = await queries.members_of(session, owner.workspace_id)

    assert [(member.name, member.role) for member in members] == [
        ("Person 1", "owner"),
        ("Person 2", "writer"),
    ]

"""How people get in: the first owner, invited people, and everybody where the door is open."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from perch.clock import Clock
from perch.people import queries
from perch.people.errors import InvitationUnusable, NotInvited
from perch.people.models import Identity, Membership, Person, Role, Workspace
from perch.settings import SignIn


@dataclass(frozen=True, slots=True)
class Arrival:
    """An X account that has just proved itself, and the X it is an account of."""

    app_kind: str
    api_url: str
    x_user_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """A person who may come in. ``workspaces`` are all they belong to, ``workspace_id`` where they land."""

    person_id: int
    workspace_id: int
    workspaces: frozenset[int]


async def admit(
    session: AsyncSession,
    clock: Clock,
    policy: SignIn,
    arrival: Arrival,
    *,
    invitation_id: int | None = None,
    prefer: int | None = None,
) -> Admitted:
    """Let someone in, making person and workspace where needed. Raises NotInvited, InvitationUnusable.

    ``prefer`` is the workspace to land in when they belong to it. Callers serialise sign-ins of one kind
    of app, or two first people could both become owner.
    """
    person = await queries.person_behind(session, arrival.app_kind, arrival.api_url, arrival.x_user_id)
    homes = [home.workspace_id for home in await queries.memberships_of(session, person.id)] if person else []
    if invitation_id is not None:
        return await _by_invitation(session, clock, arrival, person, homes, invitation_id)
    if person is not None and homes:
        return Admitted(person.id, prefer if prefer in homes else homes[0], frozenset(homes))
    if not await _may_found(session, policy, arrival.app_kind):
        raise NotInvited(arrival.name)
    workspace_id = await found_workspace(session, clock, arrival.name)
    return await _join(session, clock, arrival, person, homes, workspace_id, Role.OWNER)


async def recognise_first(session: AsyncSession, clock: Clock, person_id: int, arrival: Arrival) -> None:
    """Let the account that a member connects sign them in, while nobody signs in through its kind of app.

    Otherwise who tried the sandbox first would be locked out by the live account they connect next.
    """
    if not await queries.anybody_from(session, arrival.app_kind):
        session.add(_identity(clock, person_id, arrival))
        await session.flush()


async def found_workspace(session: AsyncSession, clock: Clock, name: str) -> int:
    """A new workspace, empty of people; its id."""
    workspace = Workspace(name=name, created_at=clock.now())
    session.add(workspace)
    await session.flush()
    return workspace.id


async def _may_found(session: AsyncSession, policy: SignIn, app_kind: str) -> bool:
    match policy:
        case SignIn.OPEN:
            return True
        case SignIn.INVITED:
            return False
        case SignIn.FIRST:
            # Anyone can be anyone in the sandbox: whoever came first there has no claim on the live app.
            return not await queries.anybody_from(session, app_kind)


async def _by_invitation(
    session: AsyncSession,
    clock: Clock,
    arrival: Arrival,
    person: Person | None,
    homes: list[int],
    invitation_id: int,
) -> Admitted:
    invited_to = await queries.workspace_invited_to(session, invitation_id)
    if person is not None and invited_to in homes:
        # A member who follows an invitation leaves it to the person it was meant for.
        return Admitted(person.id, invited_to, frozenset(homes))
    spent = await queries.spend_invitation(session, invitation_id, clock.now())
    if spent is None:
        raise InvitationUnusable
    return await _join(session, clock, arrival, person, homes, spent.workspace_id, spent.role)


async def _join(
    session: AsyncSession,
    clock: Clock,
    arrival: Arrival,
    person: Person | None,
    homes: list[int],
    workspace_id: int,
    role: str,
) -> Admitted:
    member = person or await _register(session, clock, arrival)
    session.add(Membership(person_id=member.id, workspace_id=workspace_id, role=role, created_at=clock.now()))
    await session.flush()
    return Admitted(member.id, workspace_id, frozenset((*homes, workspace_id)))


async def _register(session: AsyncSession, clock: Clock, arrival: Arrival) -> Person:
    person = Person(name=arrival.name, created_at=clock.now())
    session.add(person)
    await session.flush()
    session.add(_identity(clock, person.id, arrival))
    return person


def _identity(clock: Clock, person_id: int, arrival: Arrival) -> Identity:
    return Identity(
        person_id=person_id,
        app_kind=arrival.app_kind,
        api_url=arrival.api_url,
        x_user_id=arrival.x_user_id,
        created_at=clock.now(),
    )

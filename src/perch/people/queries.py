"""Every statement of the people room; none commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from perch.people.models import (
    ApiToken,
    Identity,
    Invitation,
    Membership,
    Person,
    Role,
    WebSession,
    Workspace,
)


@dataclass(frozen=True, slots=True)
class Member:
    """A person in a workspace."""

    person_public_id: str
    name: str
    role: str


async def members_of(session: AsyncSession, workspace_id: int) -> Sequence[Member]:
    """The people of a workspace, the longest there first."""
    found = await session.execute(
        select(Person.public_id, Person.name, Membership.role)
        .join(Membership, Membership.person_id == Person.id)
        .where(Membership.workspace_id == workspace_id)
        .order_by(Membership.id)
    )
    return [Member(*row) for row in found]


async def role_of(session: AsyncSession, person_id: int, workspace_id: int) -> str | None:
    """A person's role in a workspace, None for strangers."""
    return await session.scalar(
        select(Membership.role).where(
            Membership.person_id == person_id, Membership.workspace_id == workspace_id
        )
    )


async def memberships_of(session: AsyncSession, person_id: int) -> Sequence[Membership]:
    """Where a person belongs, the oldest first."""
    found = await session.scalars(
        select(Membership).where(Membership.person_id == person_id).order_by(Membership.id)
    )
    return found.all()


async def person_behind(session: AsyncSession, app_kind: str, api_url: str, x_user_id: str) -> Person | None:
    """The person whom this X account signs in."""
    return await session.scalar(
        select(Person)
        .join(Identity, Identity.person_id == Person.id)
        .where(Identity.app_kind == app_kind, Identity.api_url == api_url, Identity.x_user_id == x_user_id)
    )


async def anybody_from(session: AsyncSession, app_kind: str) -> bool:
    """Whether someone has ever signed in through this kind of app."""
    found = await session.scalar(select(Identity.id).where(Identity.app_kind == app_kind).limit(1))
    return found is not None


async def move_identities(session: AsyncSession, app_kind: str, old_url: str, new_url: str) -> None:
    """The same X answers at another address now: its accounts go on signing the same people in."""
    await session.execute(
        update(Identity)
        .where(Identity.app_kind == app_kind, Identity.api_url == old_url)
        .values(api_url=new_url)
    )


async def web_session(session: AsyncSession, token_hash: str) -> Row[WebSession, str, str, str] | None:
    """A browser's session with its person and that person's present role; None if no longer a member."""
    found = await session.execute(
        select(WebSession, Person.public_id, Person.name, Membership.role)
        .join(Person, Person.id == WebSession.person_id)
        .join(
            Membership,
            (Membership.person_id == WebSession.person_id)
            & (Membership.workspace_id == WebSession.workspace_id),
        )
        .where(WebSession.token_hash == token_hash)
    )
    return found.one_or_none()


async def touch_session(session: AsyncSession, session_id: int, now: datetime) -> None:
    """Note that a browser was here."""
    await session.execute(update(WebSession).where(WebSession.id == session_id).values(seen_at=now))


async def forget_session(session: AsyncSession, token_hash: str) -> None:
    """End one browser's session."""
    await session.execute(delete(WebSession).where(WebSession.token_hash == token_hash))


async def forget_sessions_of(session: AsyncSession, person_id: int) -> int:
    """End every session of a person; how many there were."""
    ended = await session.scalars(
        delete(WebSession).where(WebSession.person_id == person_id).returning(WebSession.id)
    )
    return len(ended.all())


async def forget_ended_sessions(session: AsyncSession, now: datetime, idle_since: datetime) -> None:
    """Drop what can never be used again."""
    await session.execute(
        delete(WebSession).where(or_(WebSession.expires_at <= now, WebSession.seen_at <= idle_since))
    )


async def api_token(session: AsyncSession, token_hash: str) -> Row[ApiToken, str, str] | None:
    """A token with its person's name and present role; None if no longer a member."""
    found = await session.execute(
        select(ApiToken, Person.name, Membership.role)
        .join(Person, Person.id == ApiToken.person_id)
        .join(
            Membership,
            (Membership.person_id == ApiToken.person_id) & (Membership.workspace_id == ApiToken.workspace_id),
        )
        .where(ApiToken.token_hash == token_hash)
    )
    return found.one_or_none()


async def api_tokens_of(session: AsyncSession, workspace_id: int) -> Sequence[ApiToken]:
    """The tokens of a workspace that are not revoked, the newest first."""
    found = await session.scalars(
        select(ApiToken)
        .where(ApiToken.workspace_id == workspace_id, ApiToken.revoked_at.is_(None))
        .order_by(ApiToken.id.desc())
    )
    return found.all()


async def touch_token(session: AsyncSession, token_id: int, now: datetime) -> None:
    """Note that a token was used."""
    await session.execute(update(ApiToken).where(ApiToken.id == token_id).values(used_at=now))


async def revoke_token(session: AsyncSession, workspace_id: int, public_id: str, now: datetime) -> bool:
    """End one token of this workspace; False when there is no such live token."""
    ended = await session.scalar(
        update(ApiToken)
        .where(
            ApiToken.workspace_id == workspace_id,
            ApiToken.public_id == public_id,
            ApiToken.revoked_at.is_(None),
        )
        .values(revoked_at=now)
        .returning(ApiToken.id)
    )
    return ended is not None


async def revoke_tokens_of_account(session: AsyncSession, account_id: int, now: datetime) -> None:
    """End every token that speaks for one X account."""
    await session.execute(
        update(ApiToken)
        .where(ApiToken.account_id == account_id, ApiToken.revoked_at.is_(None))
        .values(revoked_at=now)
    )


async def usable_invitation(session: AsyncSession, token_hash: str, now: datetime) -> Invitation | None:
    """The invitation behind a link, unless used or too old."""
    return await session.scalar(
        select(Invitation).where(
            Invitation.token_hash == token_hash, Invitation.used_at.is_(None), Invitation.expires_at > now
        )
    )


async def spend_invitation(session: AsyncSession, invitation_id: int, now: datetime) -> Row[int, str] | None:
    """Use an invitation up: its workspace and role, or None when somebody was quicker or it is too old."""
    found = await session.execute(
        update(Invitation)
        .where(Invitation.id == invitation_id, Invitation.used_at.is_(None), Invitation.expires_at > now)
        .values(used_at=now)
        .returning(Invitation.workspace_id, Invitation.role)
    )
    return found.one_or_none()


async def workspace_invited_to(session: AsyncSession, invitation_id: int) -> int | None:
    """Where an invitation leads, used or not."""
    return await session.scalar(select(Invitation.workspace_id).where(Invitation.id == invitation_id))


async def workspace_ids(session: AsyncSession) -> Sequence[int]:
    """Every workspace of this Perch, the oldest first; for the operator at the command line."""
    return (await session.scalars(select(Workspace.id).order_by(Workspace.id))).all()


async def owner_from(session: AsyncSession, app_kind: str) -> Membership | None:
    """The first owner who signs in through this kind of app; for the operator at the command line."""
    return await session.scalar(
        select(Membership)
        .join(Identity, Identity.person_id == Membership.person_id)
        .where(Identity.app_kind == app_kind, Membership.role == Role.OWNER)
        .order_by(Membership.id)
        .limit(1)
    )

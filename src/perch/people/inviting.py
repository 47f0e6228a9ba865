"""Invitations: a link for one person, once, within seven days."""

import secrets
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from perch.clock import Clock
from perch.people import queries
from perch.people.errors import InvitationUnusable
from perch.people.models import Invitation, Role
from perch.seal import fingerprint

LIFETIME = timedelta(days=7)


async def invite(session: AsyncSession, clock: Clock, workspace_id: int, role: Role) -> str:
    """The secret of a new invitation, to be put into a link; only its SHA-256 is kept."""
    token = secrets.token_urlsafe(32)
    now = clock.now()
    session.add(
        Invitation(
            token_hash=fingerprint(token),
            workspace_id=workspace_id,
            role=role,
            created_at=now,
            expires_at=now + LIFETIME,
        )
    )
    await session.flush()
    return token


async def find(session: AsyncSession, clock: Clock, token: str) -> Invitation:
    """The invitation behind a link. Raises InvitationUnusable; using it up is left to ``joining.admit``."""
    found = await queries.usable_invitation(session, fingerprint(token), clock.now())
    if found is None:
        raise InvitationUnusable
    return found

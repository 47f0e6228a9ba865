"""Browser sessions: opened by a sign-in, found by their cookie, closed for good."""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from perch.clock import Clock
from perch.people import queries
from perch.people.models import WebSession
from perch.seal import fingerprint

IDLE = timedelta(days=7)
"""A session nobody used for so long has ended."""
ABSOLUTE = timedelta(days=30)
"""A session as old as this has ended, however busy it is."""
_TOUCH_EVERY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session: what goes into the cookie, once, and what its forms must carry."""

    cookie_value: str = field(repr=False)
    csrf_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person behind a browser, in one workspace. ``unseen`` asks for a ``touch`` in the next write."""

    session_id: int
    person_id: int
    person_public_id: str
    name: str
    workspace_id: int
    role: str
    csrf_token: str = field(repr=False)
    unseen: bool


async def open_session(
    session: AsyncSession, clock: Clock, person_id: int, workspace_id: int, *, replacing: str | None = None
) -> Opened:
    """Start a session under an id nobody has seen before, and end the one of the cookie it replaces.

    Whatever a stranger planted in the browser before the sign-in is worth nothing after it.
    """
    now = clock.now()
    await queries.forget_ended_sessions(session, now, now - IDLE)
    if replacing:
        await close(session, replacing)
    opened = Opened(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
    session.add(
        WebSession(
            token_hash=fingerprint(opened.cookie_value),
            person_id=person_id,
            workspace_id=workspace_id,
            csrf_token=opened.csrf_token,
            created_at=now,
            seen_at=now,
            expires_at=now + ABSOLUTE,
        )
    )
    await session.flush()
    return opened


async def find(session: AsyncSession, clock: Clock, cookie_value: str) -> Visitor | None:
    """Who is behind this cookie; None when it is unknown, idle for seven days or thirty days old."""
    found = await queries.web_session(session, fingerprint(cookie_value))
    if found is None:
        return None
    row, public_id, name, role = found
    now = clock.now()
    if row.expires_at <= now or row.seen_at + IDLE <= now:
        return None
    return Visitor(
        session_id=row.id,
        person_id=row.person_id,
        person_public_id=public_id,
        name=name,
        workspace_id=row.workspace_id,
        role=role,
        csrf_token=row.csrf_token,
        unseen=row.seen_at + _TOUCH_EVERY <= now,
    )


async def touch(session: AsyncSession, clock: Clock, visitor: Visitor) -> None:
    """Keep a session from growing idle; writes at most every ten minutes."""
    if visitor.unseen:
        await queries.touch_session(session, visitor.session_id, clock.now())


async def close(session: AsyncSession, cookie_value: str) -> None:
    """End the session of this cookie; fine when there is none."""
    await queries.forget_session(session, fingerprint(cookie_value))


async def close_all(session: AsyncSession, person_id: int) -> int:
    """Sign a person out everywhere; how many sessions that ended."""
    return await queries.forget_sessions_of(session, person_id)

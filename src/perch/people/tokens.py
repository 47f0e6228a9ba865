"""Perch's own API tokens: shown once, kept as a SHA-256, limited by scope, role and time."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncSession

from perch.clock import Clock
from perch.people import queries
from perch.people.errors import NotAllowed, NotHere
from perch.people.models import ApiToken, TokenKind
from perch.people.roles import Action, may
from perch.seal import fingerprint

LIFETIME = timedelta(days=90)
"""How long a token lives unless its maker says otherwise."""
_TOUCH_EVERY = timedelta(minutes=10)
_PREFIXES = {TokenKind.GPT: "perch_gpt_", TokenKind.KEY: "perch_pat_"}


class Scope(StrEnum):
    """What a token is good for; never more than its person's role allows."""

    POSTS_READ = "posts:read"
    DRAFTS_WRITE = "drafts:write"
    PUBLISH_DIRECT = "publish:direct"


NEEDED = {
    Scope.POSTS_READ: Action.VIEW,
    Scope.DRAFTS_WRITE: Action.WRITE,
    Scope.PUBLISH_DIRECT: Action.PUBLISH,
}
"""What a person's role must reach for each scope."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token, in plain for the only time. ``scope`` is space separated (RFC 6749 section 3.3)."""

    token: str = field(repr=False)
    public_id: str
    expires_at: datetime
    scope: str


@dataclass(frozen=True, slots=True)
class Caller:
    """The person and workspace a token speaks for; ``account_id`` narrows it to one X account.

    ``unseen`` asks for a ``touch`` in the next write.
    """

    token_id: int
    public_id: str
    kind: str
    token_name: str
    person_id: int
    name: str
    workspace_id: int
    account_id: int | None
    role: str
    scopes: frozenset[str]
    unseen: bool

    def allows(self, scope: Scope) -> bool:
        """Whether the token carries this scope and its person's role still reaches that far."""
        return scope in self.scopes and may(self.role, NEEDED[scope])

    def require(self, scope: Scope) -> None:
        """Raise NotAllowed unless ``allows``."""
        if not self.allows(scope):
            raise NotAllowed(
                f"This token may not do that: it needs the scope {scope}, and a role that goes with it.",
                fix="Make a token with that scope, or sign in again.",
            )


async def issue(
    session: AsyncSession,
    clock: Clock,
    kind: TokenKind,
    *,
    person_id: int,
    workspace_id: int,
    name: str,
    scopes: Iterable[Scope],
    account_id: int | None = None,
    lifetime: timedelta = LIFETIME,
) -> Issued:
    """Make a token of 256 random bits behind a prefix that secret scanners can know."""
    now = clock.now()
    token = _PREFIXES[kind] + secrets.token_urlsafe(32)
    row = ApiToken(
        token_hash=fingerprint(token),
        kind=kind,
        name=name,
        scope=" ".join(sorted(set(scopes))),
        person_id=person_id,
        workspace_id=workspace_id,
        account_id=account_id,
        created_at=now,
        expires_at=now + lifetime,
    )
    session.add(row)
    await session.flush()
    return Issued(token, row.public_id, row.expires_at, row.scope)


async def find(session: AsyncSession, clock: Clock, bearer: str) -> Caller | None:
    """Whom a bearer token speaks for; None when unknown, expired, revoked or its person has left."""
    if not bearer.startswith(tuple(_PREFIXES.values())):
        return None
    found = await queries.api_token(session, fingerprint(bearer))
    if found is None:
        return None
    row, name, role = found
    now = clock.now()
    if row.revoked_at is not None or row.expires_at <= now:
        return None
    return Caller(
        token_id=row.id,
        public_id=row.public_id,
        kind=row.kind,
        token_name=row.name,
        person_id=row.person_id,
        name=name,
        workspace_id=row.workspace_id,
        account_id=row.account_id,
        role=role,
        scopes=frozenset(row.scope.split()),
        unseen=row.used_at is None or row.used_at + _TOUCH_EVERY <= now,
    )


async def touch(session: AsyncSession, clock: Clock, caller: Caller) -> None:
    """Note that the token was used; writes at most every ten minutes."""
    if caller.unseen:
        await queries.touch_token(session, caller.token_id, clock.now())


async def revoke(session: AsyncSession, clock: Clock, workspace_id: int, public_id: str) -> None:
    """End a token of this workspace. Raises NotHere for an unknown, foreign or ended one."""
    if not await queries.revoke_token(session, workspace_id, public_id, clock.now()):
        raise NotHere("There is no such token in this workspace.", fix="Look at the list of tokens.")

"""A grant's tokens on their way into and out of the database: sealed, and bound to their row."""

from datetime import datetime, timedelta
from typing import TypedDict

from perch.seal import Place, Sealer
from perch.x.oauth2 import TokenPair
from perch.x.wire import Bearer

ACCESS = "access_token_sealed"
REFRESH = "refresh_token_sealed"


class SealedPair(TypedDict):
    """The columns of ``x_grant`` that a new pair replaces together."""

    access_token_sealed: str
    refresh_token_sealed: str | None
    expires_at: datetime
    rotated_at: datetime


def seal_pair(
    sealer: Sealer, grant: str, account: str, pair: TokenPair, now: datetime, *, keep: str | None = None
) -> SealedPair:
    """A pair as its row keeps it; ``grant`` and ``account`` are public ids.

    ``keep`` is the sealed refresh token to go on with when X sends no new one (RFC 6749 section 6).
    """
    refresh = pair.refresh_token and sealer.seal(pair.refresh_token, _place(REFRESH, grant, account))
    return SealedPair(
        access_token_sealed=sealer.seal(pair.access_token, _place(ACCESS, grant, account)),
        refresh_token_sealed=refresh or keep,
        expires_at=now + timedelta(seconds=pair.expires_in),
        rotated_at=now,
    )


def open_access(sealer: Sealer, grant: str, account: str, sealed: str) -> Bearer:
    """The access token. Raises SealBroken."""
    return Bearer(sealer.open(sealed, _place(ACCESS, grant, account)))


def open_refresh(sealer: Sealer, grant: str, account: str, sealed: str) -> str:
    """The refresh token. Raises SealBroken."""
    return sealer.open(sealed, _place(REFRESH, grant, account))


def _place(column: str, grant: str, account: str) -> Place:
    return Place(table="x_grant", column=column, row=grant, owner=account)

"""A grant's tokens on their way into and out of the database: sealed, and bound to their row."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypedDict

from perch.accounts.freshness import Standing
from perch.accounts.models import RefreshState, XApp
from perch.seal import Place, Sealer
from perch.x.oauth2 import TokenPair
from perch.x.wire import Bearer

ACCESS = "access_token_sealed"
REFRESH = "refresh_token_sealed"


@dataclass(frozen=True, slots=True)
class Held:
    """An account's grant as one read found it; ``grant`` and ``account`` are public ids."""

    account_id: int
    account: str
    username: str
    x_user_id: str
    app: XApp
    grant: str
    scope: str
    access_token_sealed: str = field(repr=False)
    refresh_token_sealed: str | None = field(repr=False)
    expires_at: datetime
    rotated_at: datetime
    generation: int
    state: str
    owner: str | None
    until: datetime | None
    refused_since: datetime | None
    refused_at: datetime | None

    def standing(self, *, refused: bool) -> Standing:
        """What its freshness is judged by; ``refused`` when X has answered 401 to this access token."""
        return Standing(
            state=RefreshState(self.state),
            refreshable=self.refresh_token_sealed is not None,
            expires_at=self.expires_at,
            rotated_at=self.rotated_at,
            until=self.until,
            refused=refused,
            refused_since=self.refused_since,
        )


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
    refresh = pair.refresh_token and sealer.seal(pair.refresh_token, place(REFRESH, grant, account))
    return SealedPair(
        access_token_sealed=sealer.seal(pair.access_token, place(ACCESS, grant, account)),
        refresh_token_sealed=refresh or keep,
        expires_at=now + timedelta(seconds=pair.expires_in),
        rotated_at=now,
    )


def open_access(sealer: Sealer, grant: str, account: str, sealed: str) -> Bearer:
    """The access token. Raises SealBroken."""
    return Bearer(sealer.open(sealed, place(ACCESS, grant, account)))


def open_refresh(sealer: Sealer, grant: str, account: str, sealed: str) -> str:
    """The refresh token. Raises SealBroken."""
    return sealer.open(sealed, place(REFRESH, grant, account))


def place(column: str, grant: str, account: str) -> Place:
    """Where one of a grant's two tokens is sealed to."""
    return Place(table="x_grant", column=column, row=grant, owner=account)

"""How an account's connection to X is doing, as people see it; pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from perch.accounts.freshness import OUTAGE
from perch.accounts.models import AppKind, RefreshState
from perch.accounts.scopes import warnings

_EXPIRING_AFTER = timedelta(days=150)


class Health(StrEnum):
    """What a connection is good for."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    """X's answer to a renewal got lost; it works for now and settles by itself."""
    EXPIRING = "expiring"
    """Not renewed for so long that X will soon forget it."""
    RECONNECT = "reconnect"
    """Only a new consent helps."""
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True)
class Tokens:
    """What can be said of a grant without opening it."""

    refreshable: bool
    expires_at: datetime
    state: RefreshState
    rotated_at: datetime
    refused_since: datetime | None = None
    refused_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account of a workspace, with everything about it that people may see.

    ``paused_reason`` and ``rests_until`` are its own or its X app's.
    """

    id: int
    public_id: str
    x_user_id: str
    username: str
    name: str
    avatar_url: str | None
    subscription_type: str | None
    app_kind: AppKind
    zone: str
    missed_policy: str
    scope: tuple[str, ...]
    missing_scopes: tuple[str, ...]
    health: Health
    granted_at: datetime | None
    expires_at: datetime | None
    connected_at: datetime
    disconnected_at: datetime | None
    paused_reason: str | None
    rests_until: datetime | None

    @property
    def is_connected(self) -> bool:
        """Whether posts can be sent from it now, as far as the tokens tell."""
        return self.health in (Health.GOOD, Health.UNCERTAIN, Health.EXPIRING)

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each thing that its consent does not cover."""
        return warnings(self.scope) if self.is_connected else ()


def judge(tokens: Tokens, now: datetime) -> Health:
    """The health of a connected account."""
    if tokens.state is RefreshState.DEAD:
        return Health.RECONNECT
    if not tokens.refreshable and tokens.expires_at <= now:
        return Health.RECONNECT
    refused_for = _refused_for(tokens)
    if refused_for >= OUTAGE:
        return Health.RECONNECT
    if tokens.state is RefreshState.UNKNOWN or refused_for:
        return Health.UNCERTAIN
    return (
        Health.EXPIRING if tokens.refreshable and now - tokens.rotated_at >= _EXPIRING_AFTER else Health.GOOD
    )


def _refused_for(tokens: Tokens) -> timedelta:
    if tokens.refused_since is None or tokens.refused_at is None:
        return timedelta(0)
    return tokens.refused_at - tokens.refused_since

"""The ways to X: which sign-in buttons there are, and where they lead. Pure."""

from dataclasses import dataclass
from urllib.parse import urlencode

from perch.accounts.apps import kinds
from perch.accounts.models import AppKind
from perch.settings import Settings

WHERE = {AppKind.LIVE: "X", AppKind.SANDBOX: "sandbox"}
PLACE = {AppKind.LIVE: "X", AppKind.SANDBOX: "the sandbox"}


@dataclass(frozen=True, slots=True)
class Way:
    """A link that begins a sign-in."""

    href: str
    word: str


def to_sign_in(settings: Settings, next_path: str, invitation: str = "") -> tuple[Way, ...]:
    """One way for each kind of app, the default first."""
    available = kinds(settings)
    words = {AppKind.LIVE: "Sign in with X", AppKind.SANDBOX: "Sign in to the sandbox"}
    if len(available) == 1:
        words = dict.fromkeys(AppKind, "Sign in with X")
    return tuple(
        Way(_login(app=kind, next=next_path if next_path != "/" else "", invitation=invitation), words[kind])
        for kind in available
    )


def to_connect(settings: Settings) -> tuple[Way, ...]:
    """One way for each kind of app to connect one more account through."""
    words = {AppKind.LIVE: "Connect an X account", AppKind.SANDBOX: "Connect a sandbox account"}
    return tuple(
        Way(_login(app=kind, connect="1", next="/accounts"), words[kind]) for kind in kinds(settings)
    )


def to_reconnect(account_id: str, kind: AppKind) -> str:
    """Where this one account signs in again."""
    return _login(app=kind, account=account_id, next="/accounts")


def _login(**query: str) -> str:
    return f"/login/x?{urlencode({name: value for name, value in query.items() if value})}"

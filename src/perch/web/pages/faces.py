"""An account as a reader sees it: picture, name, handle, and which X it is on. Pure."""

from dataclasses import dataclass

from perch.accounts.health import AccountView
from perch.accounts.models import AppKind, XAccount, XApp
from perch.settings import Settings
from perch.web.headers import picture_origins
from perch.web.pages.ways import PLACE, WHERE


@dataclass(frozen=True, slots=True)
class Face:
    """``where`` follows a handle, ``place`` stands in a sentence. Without a picture the initial is shown."""

    id: str
    name: str
    handle: str
    where: str
    place: str
    avatar_url: str
    initial: str


def of_view(account: AccountView, settings: Settings) -> Face:
    """The face of one of a workspace's accounts."""
    return _face(
        account.public_id, account.name, account.username, account.app_kind, account.avatar_url, settings
    )


def of_row(account: XAccount, app: XApp, settings: Settings) -> Face:
    """The face of the account that a post belongs to."""
    return _face(
        account.public_id, account.name, account.username, AppKind(app.kind), account.avatar_url, settings
    )


def _face(
    public_id: str, name: str, username: str, kind: AppKind, avatar_url: str | None, settings: Settings
) -> Face:
    # From any other origin the pages' policy would leave a broken picture.
    allowed = tuple(f"{origin}/" for origin in picture_origins(settings))
    shown = avatar_url if avatar_url and avatar_url.startswith(allowed) else ""
    return Face(public_id, name, username, WHERE[kind], PLACE[kind], shown, (name or username)[:1].upper())

"""An account as a reader sees it: picture, name, handle, and which X it is on. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from perch.accounts.models import AppKind
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


def face(
    public_id: str, name: str, username: str, kind: str, avatar_url: str | None, origins: Sequence[str]
) -> Face:
    """``origins`` are those the pages' policy lets pictures come from; others would only be broken images."""
    shown = (
        avatar_url if avatar_url and avatar_url.startswith(tuple(f"{origin}/" for origin in origins)) else ""
    )
    app = AppKind(kind)
    return Face(public_id, name, username, WHERE[app], PLACE[app], shown, (name or username)[:1].upper())

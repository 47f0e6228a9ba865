"""What somebody wants to say, before it becomes rows."""

import hashlib
import json
from dataclasses import dataclass

from perch.posts.models import AuthorKind


@dataclass(frozen=True, slots=True)
class Author:
    """Who made a post: ``id`` is the public id of a person or token, ``name`` what a receipt shows."""

    kind: AuthorKind
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class DraftMedia:
    """A library asset on a card, by its public id."""

    asset_id: str
    alt_text: str = ""


@dataclass(frozen=True, slots=True)
class DraftSegment:
    """One card: text, media, or both."""

    text: str
    media: tuple[DraftMedia, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A post of one card or a thread of several, for one account of a workspace."""

    workspace_id: int
    account_id: int
    author: Author
    segments: tuple[DraftSegment, ...]

    def content_hash(self) -> str:
        """Equal for drafts that would look the same on X, whoever wrote them."""
        cards = [
            [card.text, [[media.asset_id, media.alt_text] for media in card.media]] for card in self.segments
        ]
        return hashlib.sha256(json.dumps(cards, ensure_ascii=True).encode()).hexdigest()

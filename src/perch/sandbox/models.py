"""What the sandbox remembers: people, apps, grants, posts, media. Times are epoch milliseconds."""

from dataclasses import dataclass
from typing import NamedTuple

SUBSCRIPTIONS = ("None", "Basic", "Premium", "PremiumPlus")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account. ``subscription_type`` decides how long their posts may be."""

    id: str
    username: str
    name: str
    created_at: int
    description: str = ""
    subscription_type: str = "None"
    protected: bool = False
    suspended: bool = False

    @property
    def premium(self) -> bool:
        return self.subscription_type != "None"


@dataclass(frozen=True, slots=True)
class App:
    """A registered client. A public one has no secret. ``owner_id`` pays less for reading its own posts."""

    client_id: str
    client_secret: str | None
    name: str
    callbacks: tuple[str, ...]
    owner_id: str
    account_id: str

    @property
    def confidential(self) -> bool:
        return self.client_secret is not None


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code: good once, for a few seconds (RFC 6749 section 4.1.2, RFC 7636)."""

    client_id: str
    person_id: str
    redirect_uri: str
    scope: str
    challenge: str
    method: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class Grant:
    """One person's consent to one app. A newer consent of the same two replaces it."""

    id: str
    client_id: str
    person_id: str
    scope: str
    created_at: int

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset(self.scope.split())


@dataclass(frozen=True, slots=True)
class Token:
    """An access or refresh token, known by its hash. ``spent_at`` marks a rotated refresh token."""

    hash: str
    grant_id: str
    kind: str
    expires_at: int
    spent_at: int = 0


class Link(NamedTuple):
    """A URL in a post's text: where it stands (code points), as written, and the short form X gives it."""

    start: int
    end: int
    url: str
    tco: str


class Poll(NamedTuple):
    """A poll; nobody votes here."""

    options: tuple[str, ...]
    duration_minutes: int


@dataclass(frozen=True, slots=True)
class Post:
    """An accepted post. ``sent`` is the text as it arrived, ``text`` what X made of it, links as written.

    ``fault`` names what was done to the request that made it, ``arrived_at`` is when that request began.
    """

    id: str
    author_id: str
    client_id: str
    sent: str
    text: str
    created_at: int
    conversation_id: str
    weight: int
    links: tuple[Link, ...] = ()
    media_ids: tuple[str, ...] = ()
    media_tco: str = ""
    reply_to: str | None = None
    reply_to_author: str | None = None
    quote_of: str | None = None
    reply_settings: str = "everyone"
    poll: Poll | None = None
    community_id: str | None = None
    made_with_ai: bool = False
    paid_partnership: bool = False
    fault: str = ""
    arrived_at: int = 0


@dataclass(frozen=True, slots=True)
class Media:
    """An upload, from initialize to attached. ``finalized_at`` 0 means bytes may still be appended."""

    id: str
    owner_id: str
    category: str
    media_type: str
    total_bytes: int
    created_at: int
    expires_at: int
    received: int = 0
    segments: tuple[int, ...] = ()
    finalized_at: int = 0
    ready_at: int = 0
    error: str = ""
    width: int = 0
    height: int = 0
    duration_ms: int = 0
    alt_text: str = ""

    @property
    def key(self) -> str:
        """The media_key: a prefix for the kind, then the id. ``16_`` for GIFs is unconfirmed."""
        return f"{KEY_PREFIXES.get(self.category, '3')}_{self.id}"


KEY_PREFIXES = {"tweet_video": "7", "amplify_video": "13", "tweet_gif": "16", "dm_video": "7", "dm_gif": "16"}

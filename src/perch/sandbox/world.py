"""Everything the sandbox knows, in memory. Journals write it behind; the rules live elsewhere."""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from perch.sandbox.config import SandboxConfig, Settings
from perch.sandbox.ids import Snowflakes
from perch.sandbox.models import App, Code, Grant, Media, Person, Post, Token

Record = Person | App | Grant | Token | Post | Media
FIRST_PEOPLE = (
    ("1700000000000000001", "sandbox_ada", "Ada of the sandbox"),
    ("1700000000000000002", "sandbox_ben", "Ben of the sandbox"),
    ("1700000000000000003", "sandbox_cleo", "Cleo of the sandbox"),
)
RING = 100_000
ARRIVAL = "sandbox.arrival"
"""Where a request's ASGI scope keeps its Arrival."""


class Journal(Protocol):
    """What keeps records beyond this process."""

    def put(self, key: str, record: Record) -> None: ...
    def drop(self, kind: type[Record], key: str) -> None: ...
    def deleted(self, post_id: str, at_ms: int) -> None: ...
    def clear(self) -> None: ...


class Forgetful:
    """The journal of a sandbox without a data file."""

    def put(self, key: str, record: Record) -> None:
        """Keep nothing."""

    def drop(self, kind: type[Record], key: str) -> None:
        """Nothing was kept."""

    def deleted(self, post_id: str, at_ms: int) -> None:
        """Nothing was kept."""

    def clear(self) -> None:
        """Nothing was kept."""


class Seen(NamedTuple):
    """One request, without query, body or headers: those hold secrets. ``n`` counts them from 1."""

    n: int
    method: str
    path: str
    status: int
    username: str
    fault: str
    began_ms: int
    at_ms: int


class Arrival(NamedTuple):
    """How a request came in: the fault done to it, and when."""

    fault: str = ""
    at_ms: int = 0


@dataclass(slots=True)
class World:
    """The state. Posts are never removed, only marked deleted: the ledger is all of them in order."""

    config: SandboxConfig
    settings: Settings
    journal: Journal = field(default_factory=Forgetful)
    people: dict[str, Person] = field(default_factory=dict)
    handles: dict[str, str] = field(default_factory=dict)
    apps: dict[str, App] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    grant_of: dict[tuple[str, str], str] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    tokens_of: dict[str, set[str]] = field(default_factory=dict)
    plain: dict[str, str] = field(default_factory=dict)
    posts: dict[str, Post] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)
    by_author: dict[str, list[str]] = field(default_factory=dict)
    replies: dict[str, list[str]] = field(default_factory=dict)
    quotes: dict[str, list[str]] = field(default_factory=dict)
    recent_texts: dict[tuple[str, str], str] = field(default_factory=dict)
    media: dict[str, Media] = field(default_factory=dict)
    requests: deque[Seen] = field(default_factory=lambda: deque(maxlen=RING))
    requests_seen: int = 0
    windows: dict[tuple[str, str, str], list[int]] = field(default_factory=dict)
    spent: dict[str, int] = field(default_factory=dict)
    reads_paid: set[tuple[str, str]] = field(default_factory=set)
    reads_day: int = 0
    snowflakes: Snowflakes = field(default_factory=Snowflakes)

    def now(self) -> int:
        """Epoch milliseconds, moved by the setting ``clock_offset_s``."""
        return int((self.config.clock() + self.settings.clock_offset_s) * 1000)

    def new_id(self) -> str:
        return self.snowflakes.next(self.now())

    def chance(self, *what: object) -> float:
        """A number in 0..1 that the seed and ``what`` it is about decide."""
        key = "/".join(map(str, (self.config.seed, *what))).encode()
        return int.from_bytes(hashlib.blake2b(key, digest_size=7).digest()) / 2**56

    def lag_ms(self, seconds: float, *what: object) -> float:
        """How late something shows: all of the lag, or with ``lags_vary`` a part of its own."""
        part = self.chance("lag", *what) if self.settings.lags_vary else 1.0
        return seconds * part * self.config.pace * 1000

    def note(self, method: str, path: str, status: int, username: str, fault: str, began_ms: int) -> None:
        """Write a request down that has just ended."""
        self.requests_seen += 1
        seen = Seen(self.requests_seen, method, path, status, username, fault, began_ms, self.now())
        self.requests.append(seen)

    def keep_person(self, person: Person) -> None:
        if old := self.people.get(person.id):
            self.handles.pop(old.username.lower(), None)
        self.people[person.id] = person
        self.handles[person.username.lower()] = person.id
        self.journal.put(person.id, person)

    def person_named(self, username: str) -> Person | None:
        return self.people.get(self.handles.get(username.lower(), ""))

    def keep_app(self, app: App) -> None:
        self.apps[app.client_id] = app
        self.journal.put(app.client_id, app)

    def keep_grant(self, grant: Grant) -> None:
        self.grants[grant.id] = grant
        self.grant_of[grant.client_id, grant.person_id] = grant.id
        self.journal.put(grant.id, grant)

    def drop_grant(self, grant_id: str) -> None:
        """End a grant and forget every token of it."""
        if grant := self.grants.pop(grant_id, None):
            self.grant_of.pop((grant.client_id, grant.person_id), None)
        self.journal.drop(Grant, grant_id)
        for token in self.tokens_in(grant_id):
            self.drop_token(token.hash)

    def tokens_in(self, grant_id: str) -> list[Token]:
        """Every token of a grant, spent ones too."""
        return [self.tokens[token_hash] for token_hash in self.tokens_of.get(grant_id, ())]

    def keep_token(self, token: Token) -> None:
        self.tokens[token.hash] = token
        self.tokens_of.setdefault(token.grant_id, set()).add(token.hash)
        self.journal.put(token.hash, token)

    def drop_token(self, token_hash: str) -> None:
        if token := self.tokens.pop(token_hash, None):
            self.tokens_of[token.grant_id].discard(token_hash)
        self.plain.pop(token_hash, None)
        self.journal.drop(Token, token_hash)

    def keep_post(self, post: Post) -> None:
        self.posts[post.id] = post
        self.by_author.setdefault(post.author_id, []).append(post.id)
        self.recent_texts[post.author_id, post.text.casefold()] = post.id
        if post.reply_to is not None:
            self.replies.setdefault(post.reply_to, []).append(post.id)
        if post.quote_of is not None:
            self.quotes.setdefault(post.quote_of, []).append(post.id)
        self.journal.put(post.id, post)

    def delete_post(self, post_id: str) -> None:
        self.gone[post_id] = self.now()
        self.journal.deleted(post_id, self.gone[post_id])

    def live_post(self, post_id: str) -> Post | None:
        return None if post_id in self.gone else self.posts.get(post_id)

    def posts_of(self, person_id: str) -> Iterator[Post]:
        """Newest first, without the deleted ones."""
        return self._live(reversed(self.by_author.get(person_id, ())))

    def newest(self) -> Iterator[Post]:
        """Everybody's posts, newest first, without the deleted ones."""
        return self._live(reversed(self.posts))

    def answers_to(self, post_id: str) -> Iterator[Post]:
        return self._live(self.replies.get(post_id, ()))

    def quotes_of(self, post_id: str) -> Iterator[Post]:
        return self._live(self.quotes.get(post_id, ()))

    def _live(self, ids: Iterable[str]) -> Iterator[Post]:
        return (self.posts[i] for i in ids if i not in self.gone)

    def keep_media(self, media: Media) -> None:
        self.media[media.id] = media
        self.journal.put(media.id, media)

    def empty(self) -> None:
        """Forget everything but the settings, then be as on the first day."""
        self.journal.clear()
        everything: tuple[MutableMapping[Any, Any] | deque[Seen] | set[tuple[str, str]], ...] = (
            *(self.people, self.handles, self.apps, self.codes, self.plain),
            *(self.grants, self.grant_of, self.tokens, self.tokens_of),
            *(self.posts, self.gone, self.by_author, self.replies, self.quotes, self.recent_texts),
            *(self.media, self.requests, self.windows, self.spent, self.reads_paid),
        )
        for part in everything:
            part.clear()
        self.people_it()

    def people_it(self) -> None:
        """The three people and two apps of every sandbox; the apps follow the config at each start."""
        for person_id, username, name in FIRST_PEOPLE:
            if person_id not in self.people:
                self.keep_person(Person(person_id, username, name, created_at=1_600_000_000_000))
        config = self.config
        for client_id, secret in ((config.client_id, config.client_secret), (config.public_client_id, None)):
            self.keep_app(
                App(
                    client_id,
                    secret,
                    "Perch (sandbox)",
                    config.callbacks,
                    owner_id=FIRST_PEOPLE[0][0],
                    account_id="1600000000000000001",
                )
            )

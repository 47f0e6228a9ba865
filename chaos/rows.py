"""What the database says, read from outside: posts, their cards, their attempts."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import asyncpg

POSTS = "SELECT public_id, state, paused_reason, why FROM post"
CARDS = (
    "SELECT post.public_id, segment.id, segment.position, segment.state, segment.text, segment.x_post_id"
    " FROM segment JOIN post ON post.id = segment.post_id ORDER BY segment.id"
)
ATTEMPTS = "SELECT segment_id, n, state, payload, payload_sha256 FROM attempt ORDER BY segment_id, n"
UNKNOWNS = "SELECT count(*) FROM post_event WHERE kind = 'unknown'"


@dataclass(frozen=True, slots=True)
class PostRow:
    """A post as Perch sees it."""

    public_id: str
    state: str
    paused_reason: str | None
    why: str | None


@dataclass(frozen=True, slots=True)
class CardRow:
    """A card, and the id that Perch believes it has on X."""

    post: str
    id: int
    position: int
    state: str
    text: str
    x_post_id: str | None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """An attempt with the bytes it armed."""

    segment_id: int
    n: int
    state: str
    payload: bytes
    payload_sha256: str


class Rows(Protocol):
    """A database that can be asked."""

    async def ask(self, statement: str) -> Sequence[Sequence[Any]]: ...


@dataclass(frozen=True, slots=True)
class SqliteRows:
    """A short look at the file; never a write."""

    file: Path

    async def ask(self, statement: str) -> Sequence[Sequence[Any]]:
        with sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=30) as db:
            return db.execute(statement).fetchall()


@dataclass(frozen=True, slots=True)
class PostgresRows:
    """A connection for each question: the server is restarted under us."""

    dsn: str

    async def ask(self, statement: str) -> Sequence[Sequence[Any]]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()


async def posts(rows: Rows) -> list[PostRow]:
    return [PostRow(*row) for row in await rows.ask(POSTS)]


async def cards(rows: Rows) -> list[CardRow]:
    return [CardRow(*row) for row in await rows.ask(CARDS)]


async def attempts(rows: Rows) -> list[AttemptRow]:
    return [AttemptRow(*row) for row in await rows.ask(ATTEMPTS)]


async def unknowns(rows: Rows) -> int:
    return int((await rows.ask(UNKNOWNS))[0][0])


def instant_ms(text: str) -> int:
    """Milliseconds since the epoch of an RFC 3339 instant."""
    at = datetime.fromisoformat(text)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)

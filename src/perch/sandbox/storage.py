"""Keeping the world beyond the process: an SQLite file, written behind in batches, read at the start."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from perch.sandbox.models import App, Grant, Link, Media, Person, Poll, Post, Token
from perch.sandbox.world import Record, World

FLUSH_S = 0.075
KINDS: dict[str, type[Record]] = {
    "person": Person,
    "app": App,
    "grant": Grant,
    "token": Token,
    "media": Media,
    "post": Post,
}
NAMES = {kind: name for name, kind in KINDS.items()}
COLUMNS = {kind: tuple(field.name for field in fields(kind)) for kind in NAMES}
SCHEMA = """
CREATE TABLE IF NOT EXISTS records (kind TEXT, key TEXT, row TEXT, PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gone (id TEXT PRIMARY KEY, at INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spent (client_id TEXT PRIMARY KEY, mills INTEGER) WITHOUT ROWID;
"""


class Store:
    """The journal over a file. At most a batch (75 ms) is lost when the process is killed."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(file, check_same_thread=False)
        self._db.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {SCHEMA}")
        self._waiting: dict[tuple[str, str], Record | None] = {}
        self._gone: dict[str, int] = {}
        self._wiped = False
        self._spent: dict[str, int] = {}

    def put(self, key: str, record: Record) -> None:
        self._waiting[NAMES[type(record)], key] = record

    def drop(self, kind: type[Record], key: str) -> None:
        self._waiting[NAMES[kind], key] = None

    def deleted(self, post_id: str, at_ms: int) -> None:
        self._gone[post_id] = at_ms

    def clear(self) -> None:
        self._waiting.clear()
        self._gone.clear()
        self._wiped = True

    def load(self, world: World) -> None:
        """Fill an empty world, posts in the order of their ids, then forget that this made anything new."""
        self._spent = world.spent
        keep: dict[type[Record], Callable[[Any], None]] = {
            Person: world.keep_person,
            App: world.keep_app,
            Grant: world.keep_grant,
            Token: world.keep_token,
            Media: world.keep_media,
            Post: world.keep_post,
        }
        for name, kind in KINDS.items():
            rows = self._db.execute(
                "SELECT row FROM records WHERE kind = ? ORDER BY length(key), key", (name,)
            )
            for (row,) in rows:
                record = thaw(kind, row)
                keep[kind](record)
                if isinstance(record, Post | Media):
                    world.snowflakes.saw(record.id)
        world.gone.update(self._db.execute("SELECT id, at FROM gone"))
        world.spent.update(self._db.execute("SELECT client_id, mills FROM spent"))
        self._waiting.clear()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Write batches while the block runs, and everything when it ends."""
        task = asyncio.create_task(self._write_behind())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._flush()
            self._db.close()

    async def _write_behind(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            if self._is_behind:  # a thread for nothing, ten times a second, would keep a small machine busy
                await asyncio.shield(asyncio.to_thread(self._flush))

    @property
    def _is_behind(self) -> bool:
        return bool(self._waiting or self._gone or self._wiped)

    def _flush(self) -> None:
        if not self._is_behind:
            return
        waiting, self._waiting = self._waiting, {}
        gone, self._gone = self._gone, {}
        wiped, self._wiped = self._wiped, False
        kept = [(*at, freeze(record)) for at, record in waiting.items() if record is not None]
        dropped = [at for at, record in waiting.items() if record is None]
        with self._db as db:
            for table in ("records", "gone", "spent") if wiped else ():
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - three fixed names
            db.executemany("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", kept)
            db.executemany("DELETE FROM records WHERE kind = ? AND key = ?", dropped)
            db.executemany("INSERT OR REPLACE INTO gone VALUES (?, ?)", list(gone.items()))
            db.executemany("INSERT OR REPLACE INTO spent VALUES (?, ?)", list(self._spent.items()))


def freeze(record: Record) -> str:
    """A record as one JSON array."""
    return json.dumps([getattr(record, name) for name in COLUMNS[type(record)]], ensure_ascii=False)


def thaw(kind: type[Record], row: str) -> Record:
    """A record as it was. JSON knows no tuples, so every list becomes one again."""
    values = dict(zip(COLUMNS[kind], map(_tuples, json.loads(row)), strict=False))
    if kind is Post:
        values["links"] = tuple(Link(*link) for link in values["links"])
        values["poll"] = Poll(*values["poll"]) if values["poll"] else None
    return kind(**values)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value

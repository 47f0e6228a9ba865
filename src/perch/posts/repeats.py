"""Writes that machines and double clicks repeat: the same key is the same post."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from perch.clock import Clock
from perch.posts.errors import KeyReused, StillRunning
from perch.posts.models import RememberedRequest


@dataclass(frozen=True, slots=True)
class Key:
    """``owner``: whose key. ``body``: what the request asked for. ``lifetime``: how long the key holds."""

    owner: str
    value: str
    body: str
    lifetime: timedelta


async def earlier(session: AsyncSession, clock: Clock, key: Key) -> int | None:
    """The post that this key made before, or None after taking the key for this transaction.

    Raises KeyReused for another body under the same key, StillRunning while the first request runs.
    """
    now = clock.now()
    owner, digest, body = key.owner, _digest(key.value), _digest(key.body)
    await session.execute(
        delete(RememberedRequest).where(
            RememberedRequest.owner == owner,
            RememberedRequest.key_hash == digest,
            RememberedRequest.expires_at <= now,
        )
    )
    row = {
        "owner": owner, "key_hash": digest, "body_hash": body, "post_id": None,
        "created_at": now, "expires_at": now + key.lifetime,
    }  # fmt: skip
    if await _taken(session, row):
        return None
    there = await _row(session, key)
    if there is None:
        raise _still_running()
    return _made(there, key)


async def known(session: AsyncSession, clock: Clock, key: Key) -> int | None:
    """The post that this key made before, or None; takes nothing, so slow work can be spared beforehand.

    Raises what ``earlier`` raises.
    """
    row = await _row(session, key)
    return _made(row, key) if row is not None and row.expires_at > clock.now() else None


async def remember(session: AsyncSession, key: Key, post_id: int) -> None:
    """Bind the key that ``earlier`` took to the post it made."""
    await session.execute(
        update(RememberedRequest)
        .where(RememberedRequest.owner == key.owner, RememberedRequest.key_hash == _digest(key.value))
        .values(post_id=post_id)
    )


async def forget_expired(session: AsyncSession, now: datetime) -> None:
    """Drop every key whose lifetime is over."""
    await session.execute(delete(RememberedRequest).where(RememberedRequest.expires_at <= now))


async def _row(session: AsyncSession, key: Key) -> RememberedRequest | None:
    return await session.scalar(
        select(RememberedRequest).where(
            RememberedRequest.owner == key.owner, RememberedRequest.key_hash == _digest(key.value)
        )
    )


def _made(row: RememberedRequest, key: Key) -> int:
    if row.post_id is None:
        raise _still_running()
    if row.body_hash != _digest(key.body):
        raise KeyReused(
            "This key was used for another request.", fix="Send a new Idempotency-Key for a new post."
        )
    return row.post_id


def _still_running() -> StillRunning:
    return StillRunning("The first request with this key is still running.", fix="Ask again in a moment.")


async def _taken(session: AsyncSession, row: Mapping[str, object]) -> bool:
    dialect = (await session.connection()).dialect.name
    statement = (
        sqlite.insert(RememberedRequest) if dialect == "sqlite" else postgresql.insert(RememberedRequest)
    )
    taking = statement.values(**row).on_conflict_do_nothing(index_elements=["owner", "key_hash"])
    return (await session.execute(taking.returning(RememberedRequest.id))).first() is not None


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()

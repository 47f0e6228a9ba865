"""A file comes into the library."""

import asyncio
import re
import unicodedata
from pathlib import Path

from perch.clock import Clock
from perch.db import Transactions
from perch.media import queries
from perch.media.inspecting import inspect
from perch.media.limits import Inspected
from perch.media.models import Asset
from perch.media.probe import verdict
from perch.media.storing import MediaStore, digest

LONGEST_NAME = 120


async def add(
    transactions: Transactions,
    clock: Clock,
    store: MediaStore,
    workspace_id: int,
    path: Path,
    name: str,
    source_url: str | None = None,
) -> Asset:
    """Check, clean and keep a file; the same picture twice is the same asset.

    ``path`` is left as it is. ``name`` is for people to see. Raises MediaRefused.
    """
    with store.scratch() as folder:
        found = await inspect(path, folder)
        sha256 = await asyncio.to_thread(digest, folder / verdict.CLEAN)
        await store.put(folder / verdict.CLEAN, store.key(sha256))
        await store.put(folder / verdict.PREVIEW, store.preview_key(sha256))
    async with transactions() as session:
        return await queries.keep(
            session, _asset(found, sha256, workspace_id, clean_name(name), source_url, clock)
        )


def clean_name(name: str) -> str:
    """What of a name is worth showing: its last part, without control and direction characters."""
    last = re.split(r"[/\\]|%2f|%5c", name, flags=re.IGNORECASE)[-1]
    shown = "".join(char for char in last if unicodedata.category(char)[0] != "C").strip()
    return shown[:LONGEST_NAME] or "untitled"


def _asset(
    found: Inspected, sha256: str, workspace_id: int, name: str, source_url: str | None, clock: Clock
) -> Asset:
    return Asset(
        workspace_id=workspace_id,
        kind=found.kind,
        media_type=found.media_type,
        sha256=sha256,
        size=found.size,
        width=found.width,
        height=found.height,
        duration_ms=found.duration_ms,
        frames=found.frames,
        name=name,
        source_url=source_url,
        created_at=clock.now(),
    )

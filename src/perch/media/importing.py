"""A file comes into the library from an address that a stranger gave."""

from urllib.parse import unquote, urlsplit

from perch import fetch
from perch.clock import Clock
from perch.db import Transactions
from perch.media import limits
from perch.media.adding import add
from perch.media.models import Asset
from perch.media.storing import MediaStore

SECONDS = 60
_ACCEPTED = ("image/jpeg", "image/png", "image/gif", "image/webp", "video/mp4", "video/quicktime")


async def from_url(
    transactions: Transactions,
    clock: Clock,
    store: MediaStore,
    workspace_id: int,
    url: str,
    allow: tuple[str, ...],
) -> Asset:
    """Fetch, check, clean and keep what an address leads to; ``allow`` is PERCH_FETCH_ALLOW.

    Raises FetchRefused, FetchFailed, TooLarge and MediaRefused.
    """
    with (
        store.scratch() as folder,
        await fetch.get(
            url, allow=allow, max_bytes=limits.VIDEO_BYTES, timeout=SECONDS, accept=_ACCEPTED, into=folder
        ) as fetched,
    ):
        name = unquote(urlsplit(fetched.final_url).path)
        return await add(transactions, clock, store, workspace_id, fetched.path, name, source_url=url)

"""An asset is handed to X, shortly before a post names it.

https://docs.x.com/x-api/media/introduction. Nothing here is public before the post, so a failed upload starts
again from the file at the next attempt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from perch.clock import Clock
from perch.db import Transactions
from perch.media import queries
from perch.media.errors import MediaRefused
from perch.media.models import Asset, MediaKind, MediaUpload
from perch.media.storing import MediaStore
from perch.x.media import (
    AppendSegment,
    DescribeMedia,
    FinalizeUpload,
    InitializeUpload,
    MediaCategory,
    ProcessingState,
    UploadedMedia,
    UploadOnce,
    UploadStatus,
    plan_segments,
)
from perch.x.wire import Bearer, Operation, Reply

LEAST_LEFT = timedelta(minutes=10)
"""An X media id with less to live is not given to a post any more."""
LONGEST_KEPT = timedelta(hours=20)
"""X says 24 hours, and has forgotten ids a little earlier."""
LONGEST_PROCESSING_SECONDS = 20 * 60
LONGEST_POLL_SECONDS = 30
SENDING_SECONDS = 120
"""For one call that carries bytes: 5 MB on a slow line."""
_CATEGORIES = {
    MediaKind.IMAGE: MediaCategory.IMAGE,
    MediaKind.GIF: MediaCategory.GIF,
    MediaKind.VIDEO: MediaCategory.VIDEO,
}
R = TypeVar("R")


class Sender(Protocol):
    """What uploading needs of ``perch.x.client.XClient``."""

    async def send(
        self, operation: Operation[R], auth: Bearer | None = None, *, deadline: float = ...
    ) -> Reply[R]: ...


@dataclass(frozen=True, slots=True)
class Ensured:
    """What a post may name, and until when."""

    x_media_id: str
    expires_at: datetime


async def ensure(
    transactions: Transactions,
    clock: Clock,
    x: Sender,
    auth: Bearer,
    store: MediaStore,
    account_id: int,
    asset: Asset,
    alt_text: str,
) -> Ensured:
    """Make sure that X holds an asset for an account, described, with ten minutes or more to live.

    Raises MediaRefused with X's words when X cannot process it; X's other errors pass unchanged.
    """
    async with transactions() as session:
        there = await queries.usable_upload(session, asset.id, account_id, alt_text, clock.now() + LEAST_LEFT)
    if there is not None:
        return Ensured(there.x_media_id, there.expires_at)
    upload = _Upload(clock, x, auth, store)
    sent = await upload.send(asset)
    if alt_text:
        await x.send(DescribeMedia(sent.x_media_id, alt_text), auth)
    async with transactions() as session:
        await queries.note_upload(
            session,
            MediaUpload(
                asset_id=asset.id,
                account_id=account_id,
                alt_text=alt_text,
                x_media_id=sent.x_media_id,
                ready_at=clock.now(),
                expires_at=sent.expires_at,
            ),
        )
    return sent


async def forget(session: AsyncSession, account_id: int, asset_ids: Sequence[int]) -> None:
    """X knows the ids no more that it gave for these assets: they are handed over anew."""
    await queries.forget_uploads(session, account_id, asset_ids)


@dataclass(frozen=True, slots=True)
class _Upload:
    clock: Clock
    x: Sender
    auth: Bearer
    store: MediaStore

    async def send(self, asset: Asset) -> Ensured:
        """The asset on X's side, processed."""
        key = self.store.key(asset.sha256)
        if asset.kind == MediaKind.IMAGE:
            uploaded = await self._once(key, asset.size)
        else:
            uploaded = await self._in_segments(key, asset)
        expires_at = self._expires_at(uploaded)
        await self._processed(uploaded)
        return Ensured(uploaded.id, expires_at)

    async def _once(self, key: str, size: int) -> UploadedMedia:
        whole = UploadOnce(await self.store.read(key, 0, size))
        return (await self.x.send(whole, self.auth, deadline=SENDING_SECONDS)).result

    async def _in_segments(self, key: str, asset: Asset) -> UploadedMedia:
        category = _CATEGORIES[MediaKind(asset.kind)]
        opened = await self.x.send(InitializeUpload(asset.media_type, asset.size, category), self.auth)
        media_id = opened.result.id
        for segment in plan_segments(asset.size):
            piece = await self.store.read(key, segment.offset, segment.size)
            await self.x.send(
                AppendSegment(media_id, segment.index, piece), self.auth, deadline=SENDING_SECONDS
            )
        return (await self.x.send(FinalizeUpload(media_id), self.auth)).result

    def _expires_at(self, uploaded: UploadedMedia) -> datetime:
        left = timedelta(seconds=uploaded.expires_after_secs or LONGEST_KEPT.total_seconds())
        return self.clock.now() + min(left, LONGEST_KEPT)

    async def _processed(self, uploaded: UploadedMedia) -> None:
        """Wait as X asks us to, for at most twenty minutes."""
        give_up_at = self.clock.elapsed() + LONGEST_PROCESSING_SECONDS
        while (processing := uploaded.processing) is not None and not uploaded.ready:
            if processing.state is ProcessingState.FAILED:
                raise MediaRefused(
                    f"X could not process the file. X said: {processing.error or 'nothing more'}.",
                    fix="Export it again, shorter or in another format.",
                )
            if self.clock.elapsed() >= give_up_at:
                raise MediaRefused(
                    "X has been processing the file for twenty minutes and is not done.",
                    fix="Export it shorter or smaller, or try again later.",
                )
            await self.clock.sleep(min(max(processing.check_after_secs, 1), LONGEST_POLL_SECONDS))
            uploaded = (await self.x.send(UploadStatus(uploaded.id), self.auth)).result

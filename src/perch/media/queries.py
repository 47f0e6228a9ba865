"""Every statement on the tables of the library; none of them commits."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from perch.media.models import Asset, MediaUpload


async def asset_by_public_id(session: AsyncSession, workspace_id: int, public_id: str) -> Asset | None:
    """An asset by the id people see."""
    return await session.scalar(
        select(Asset).where(Asset.workspace_id == workspace_id, Asset.public_id == public_id)
    )


async def assets_by_public_ids(
    session: AsyncSession, workspace_id: int, public_ids: Sequence[str]
) -> list[Asset]:
    """Assets in the order asked for; those that the workspace does not have are left out."""
    if not public_ids:
        return []
    rows = await session.scalars(
        select(Asset).where(Asset.workspace_id == workspace_id, Asset.public_id.in_(public_ids))
    )
    found = {asset.public_id: asset for asset in rows}
    return [found[public_id] for public_id in public_ids if public_id in found]


async def assets_by_ids(session: AsyncSession, workspace_id: int, ids: Iterable[int]) -> dict[int, Asset]:
    """Assets by their ids inside."""
    rows = await session.scalars(
        select(Asset).where(Asset.workspace_id == workspace_id, Asset.id.in_(list(ids)))
    )
    return {asset.id: asset for asset in rows}


async def recent_assets(
    session: AsyncSession, workspace_id: int, *, limit: int = 60, before_id: int | None = None
) -> list[Asset]:
    """The newest assets first; ``before_id`` continues after a page's last one."""
    query = select(Asset).where(Asset.workspace_id == workspace_id)
    if before_id is not None:
        query = query.where(Asset.id < before_id)
    return list(await session.scalars(query.order_by(Asset.id.desc()).limit(limit)))


async def asset_by_sha256(session: AsyncSession, workspace_id: int, sha256: str) -> Asset | None:
    """An asset by its bytes."""
    return await session.scalar(
        select(Asset).where(Asset.workspace_id == workspace_id, Asset.sha256 == sha256)
    )


async def keep(session: AsyncSession, asset: Asset) -> Asset:
    """Insert an asset, or find the one with the same bytes that is already there."""
    there = await asset_by_sha256(session, asset.workspace_id, asset.sha256)
    if there is not None:
        return there
    try:
        async with session.begin_nested():
            session.add(asset)
    except IntegrityError:
        there = await asset_by_sha256(session, asset.workspace_id, asset.sha256)
        if there is None:
            raise
        return there
    return asset


async def usable_upload(
    session: AsyncSession, asset_id: int, account_id: int, alt_text: str, until: datetime
) -> MediaUpload | None:
    """What X holds of an asset for an account, with this description, and beyond ``until``."""
    return await session.scalar(
        select(MediaUpload)
        .where(
            MediaUpload.asset_id == asset_id,
            MediaUpload.account_id == account_id,
            MediaUpload.alt_text == alt_text,
            MediaUpload.expires_at >= until,
        )
        .order_by(MediaUpload.expires_at.desc())
        .limit(1)
    )


async def note_upload(session: AsyncSession, upload: MediaUpload) -> None:
    """Remember an upload and forget those of the same asset that X has forgotten."""
    await session.execute(
        delete(MediaUpload).where(
            MediaUpload.asset_id == upload.asset_id,
            MediaUpload.account_id == upload.account_id,
            MediaUpload.expires_at <= upload.ready_at,
        )
    )
    session.add(upload)


async def forget_uploads(session: AsyncSession, account_id: int, asset_ids: Sequence[int]) -> None:
    """Forget what X holds of these assets for an account."""
    await session.execute(
        delete(MediaUpload).where(
            MediaUpload.account_id == account_id, MediaUpload.asset_id.in_(list(asset_ids))
        )
    )

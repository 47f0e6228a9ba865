"""The durable steps of a refresh, set-based: the committer runs each on all grants that wait.

claim → store, or claim → settle. Who lost, lost: rows are taken in one order and only as they were read.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts.freshness import RUN_GAP
from perch.accounts.grants import Held, SealedPair
from perch.accounts.models import Grant, RefreshState


@dataclass(frozen=True, slots=True)
class ClaimRefresh:
    """Become the one who refreshes this grant, if it is as it was read."""

    held: Held
    until: datetime


@dataclass(frozen=True, slots=True)
class SettleRefresh:
    """A refresh ended without a pair. Nothing is noted when another one has taken over."""

    held: Held
    owner: str
    state: RefreshState
    hold_until: datetime | None


@dataclass(frozen=True, slots=True)
class StorePair:
    """The successor of a grant's pair. ``keeps_refusals`` while it is not known that X likes it better.

    Whoever holds the pair may store it, also after its lease: the older refresh token is spent either way.
    """

    held: Held
    scope: str
    pair: SealedPair = field(repr=False)
    keeps_refusals: bool


@dataclass(frozen=True, slots=True)
class NoteRefusal:
    """X answered 401 to the access token that was read."""

    held: Held
    at: datetime


async def claim_refresh(session: AsyncSession, claims: Sequence[ClaimRefresh]) -> list[str | None]:
    """A word that names this claim, or None where somebody was quicker."""
    held = [claim.held for claim in claims]
    as_read = tuple_(
        Grant.public_id, Grant.generation, Grant.refresh_state, func.coalesce(Grant.refresh_owner, "")
    )
    standing = await _lock(
        session, as_read.in_([(one.grant, one.generation, one.state, one.owner or "") for one in held])
    )
    owners: list[str | None] = []
    changes: list[Mapping[str, object]] = []
    for claim in claims:
        # Two of this batch may want the same grant: the first one gets it.
        grant_id = standing.pop(claim.held.grant, None)
        owner = secrets.token_hex(8) if grant_id is not None else None
        owners.append(owner)
        if owner is not None:
            changes.append(_state(grant_id, RefreshState.INFLIGHT, owner, claim.until))
    await _change(session, changes)
    return owners


async def settle_refresh(session: AsyncSession, settlings: Sequence[SettleRefresh]) -> list[bool]:
    """Whether each was still the one at it."""
    wanted = [(one.held.grant, one.held.generation, one.owner) for one in settlings]
    standing = await _lock(
        session, tuple_(Grant.public_id, Grant.generation, Grant.refresh_owner).in_(wanted)
    )
    await _change(
        session,
        [
            _state(standing[one.held.grant], one.state, None, one.hold_until)
            for one in settlings
            if one.held.grant in standing
        ],
    )
    return [one.held.grant in standing for one in settlings]


def _state(
    grant_id: int | None, state: RefreshState, owner: str | None, until: datetime | None
) -> Mapping[str, object]:
    return {"id": grant_id, "refresh_state": state, "refresh_owner": owner, "refresh_until": until}


async def store_pair(session: AsyncSession, storings: Sequence[StorePair]) -> list[bool]:
    """False where the grant has another successor already, or is gone."""
    standing = await _as_read(session, [one.held for one in storings])
    await _change(
        session, [_stored(standing[one.held.grant], one) for one in storings if one.held.grant in standing]
    )
    return [one.held.grant in standing for one in storings]


def _stored(grant_id: int, storing: StorePair) -> Mapping[str, object]:
    held = storing.held
    return {
        **storing.pair, "id": grant_id, "scope": storing.scope, "generation": held.generation + 1,
        "refresh_state": RefreshState.IDLE, "refresh_owner": None, "refresh_until": None,
        "refused_since": held.refused_since if storing.keeps_refusals else None,
        "refused_at": held.refused_at if storing.keeps_refusals else None,
    }  # fmt: skip


async def note_refusal(session: AsyncSession, refusals: Sequence[NoteRefusal]) -> list[None]:
    """A run of refusals goes on, or a new one begins where the latest is long ago."""
    standing = await _as_read(session, [one.held for one in refusals])
    await _change(
        session, [_refused(standing[one.held.grant], one) for one in refusals if one.held.grant in standing]
    )
    return [None] * len(refusals)


def _refused(grant_id: int, refusal: NoteRefusal) -> Mapping[str, object]:
    held = refusal.held
    goes_on = held.refused_at is not None and refusal.at - held.refused_at < RUN_GAP
    since = held.refused_since if goes_on else refusal.at
    return {"id": grant_id, "refused_since": since, "refused_at": refusal.at}


async def _as_read(session: AsyncSession, held: Sequence[Held]) -> dict[str, int]:
    pairs = [(one.grant, one.generation) for one in held]
    return await _lock(session, tuple_(Grant.public_id, Grant.generation).in_(pairs))


async def _lock(session: AsyncSession, standing: ColumnElement[bool]) -> dict[str, int]:
    """The grants that are as somebody thinks, held to the end of the transaction, in one order for all.

    By public id: a row that was deleted may have left its number to another one.
    """
    found = await session.execute(
        select(Grant.public_id, Grant.id).where(standing).order_by(Grant.id).with_for_update()
    )
    return dict(found.all())


async def _change(session: AsyncSession, changes: Sequence[Mapping[str, object]]) -> None:
    if changes:
        await session.execute(update(Grant), changes)

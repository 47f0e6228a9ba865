"""Changing the root key while Perch runs: what older keys sealed is sealed anew, a batch at a time.

A row is replaced only if it still holds what was opened, so a refresh at the same moment wins. Whatever
was done stays done: called again, it goes on with what is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts.sealed_columns import (
    SEALED,
    SealedColumn,
    Secret,
    count_foreign,
    replace,
    sealed_otherwise,
)
from perch.db import Transactions
from perch.seal import SealBroken, Sealer

_BATCH = 200


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many secrets of one column were sealed anew, and how many open with none of the keys."""

    column: str
    done: int
    broken: int


async def reseal(transactions: Transactions, sealer: Sealer) -> list[Resealed]:
    """Seal everything with the current key."""
    return [await _reseal_column(transactions, sealer, column) for column in SEALED]


async def foreign(session: AsyncSession, kids: Sequence[str]) -> int:
    """How many secrets were sealed by keys of other ids than these."""
    return sum([await count_foreign(session, column, kids) for column in SEALED])


async def _reseal_column(transactions: Transactions, sealer: Sealer, column: SealedColumn) -> Resealed:
    done = broken = last = 0
    while True:
        async with transactions() as session:
            batch = await sealed_otherwise(session, column, sealer.kid, last, _BATCH)
            for found in batch:
                sealed = _anew(sealer, column, found)
                broken += sealed is None
                done += sealed is not None and await replace(session, column, found, sealed)
        if not batch:
            return Resealed(column.name, done, broken)
        last = batch[-1].id


def _anew(sealer: Sealer, column: SealedColumn, found: Secret) -> str | None:
    place = column.place(found.public_id, found.owner)
    try:
        return sealer.seal(sealer.open(found.sealed, place), place)
    except SealBroken:
        return None

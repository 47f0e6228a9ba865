"""Every column of this room that holds a secret, and the statements that treat them all alike."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from perch.accounts.models import Grant, LoginAttempt, Revocation, XAccount, XApp
from perch.seal import Place


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column, and the owner that its secrets are sealed to."""

    text: InstrumentedAttribute[Any]
    owner: ColumnElement[str]

    @property
    def table(self) -> Any:
        return self.text.class_

    @property
    def name(self) -> str:
        return f"{self.table.__tablename__}.{self.text.key}"

    def place(self, row: str, owner: str) -> Place:
        return Place(table=self.table.__tablename__, column=self.text.key, row=row, owner=owner)


_OF_ACCOUNT = select(XAccount.public_id).where(XAccount.id == Grant.account_id).scalar_subquery()
_OF_APP = select(XApp.public_id).where(XApp.id == LoginAttempt.app_id).scalar_subquery()
SEALED = (
    SealedColumn(XApp.client_secret_sealed, literal("instance")),
    SealedColumn(Grant.access_token_sealed, _OF_ACCOUNT),
    SealedColumn(Grant.refresh_token_sealed, _OF_ACCOUNT),
    SealedColumn(LoginAttempt.verifier_sealed, _OF_APP),
    SealedColumn(Revocation.token_sealed, Revocation.account_public_id.expression),
)


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret as it was found."""

    id: int
    public_id: str
    owner: str
    sealed: str = field(repr=False)


async def sealed_otherwise(
    session: AsyncSession, column: SealedColumn, kid: str, after: int, limit: int
) -> Sequence[Secret]:
    """Secrets that another key than this one sealed, in the order of their rows."""
    table = column.table
    found = await session.execute(
        select(table.id, table.public_id, column.owner, column.text)
        .where(_is_foreign(column, [kid]), table.id > after)
        .order_by(table.id)
        .limit(limit)
    )
    return [Secret(*row) for row in found]


async def count_foreign(session: AsyncSession, column: SealedColumn, kids: Sequence[str]) -> int:
    """How many secrets none of these keys sealed."""
    counting = select(func.count()).select_from(column.table).where(_is_foreign(column, kids))
    return await session.scalar(counting) or 0


async def replace(session: AsyncSession, column: SealedColumn, found: Secret, sealed: str) -> bool:
    """False when the row holds something else by now."""
    table = column.table
    replaced = await session.scalar(
        update(table)
        .where(table.id == found.id, column.text == found.sealed)
        .values({column.text.key: sealed})
        .returning(table.id)
    )
    return replaced is not None


def _is_foreign(column: SealedColumn, kids: Sequence[str]) -> ColumnElement[bool]:
    """A sealed text begins with its key's id and a dot."""
    named = [func.substr(column.text, 1, len(kid) + 1) != f"{kid}." for kid in kids]
    return and_(column.text.is_not(None), *named)

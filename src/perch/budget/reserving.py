"""The month's budget: what posts on their way will cost is reserved, so that they stay below the cap.

The month's row is the lock. Whoever claims posts holds it, and whoever records what they cost.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, exists, func, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from perch.budget.models import MonthlyBudget, Spend
from perch.notices import queries as notices

INSTANCE = "instance"
"""The scope of the whole installation, the only one there is so far."""
KIND = "budget"
"""The kind of notice that says that a month's budget is used up."""


def month_of(at: datetime) -> str:
    """``2026-11``: X's billing knows no zone, so the month is UTC's."""
    return f"{at.astimezone(UTC):%Y-%m}"


def next_month(at: datetime) -> datetime:
    """When the next budget begins."""
    utc = at.astimezone(UTC)
    year, month = divmod(utc.year * 12 + utc.month, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)


def is_kept() -> ColumnElement[bool]:
    """Whether this installation has ever had a budget."""
    return exists(select(MonthlyBudget.id).where(MonthlyBudget.scope == INSTANCE))


async def reserve(
    session: AsyncSession, cap_micros: int, at: datetime, wishes: Sequence[int]
) -> tuple[bool, ...]:
    """Whether each wish fits below the cap beside those before it; what fits is reserved."""
    if not any(wishes):
        return (True,) * len(wishes)
    reserved, spent = await _locked(session, at)
    granted, taken = fit(cap_micros - reserved - spent, wishes)
    await _add(session, month_of(at), reserved=taken)
    return granted


async def settle(session: AsyncSession, at: datetime, *, released: int = 0, spent: int = 0) -> None:
    """Give back what was reserved, and count what was spent."""
    if released:
        # A reservation may be older than the month, whose row then takes over what is open.
        await _locked(session, at)
    await _add(session, month_of(at), reserved=-released, spent=spent)


async def charge(session: AsyncSession, rows: Sequence[Mapping[str, object]], at: datetime) -> None:
    """Write down what was spent besides a reservation, such as reads."""
    if rows:
        await session.execute(insert(Spend), [dict(row) for row in rows])
        await settle(session, at, spent=sum(int(str(row["micros"])) for row in rows))


def fit(free: int, wishes: Sequence[int]) -> tuple[tuple[bool, ...], int]:
    """Which wishes fit one after the other, and what they take together; what costs nothing always fits."""
    granted, taken = [], 0
    for wish in wishes:
        fits = wish == 0 or taken + wish <= free
        granted.append(fits)
        taken += wish if fits else 0
    return tuple(granted), taken


async def _locked(session: AsyncSession, at: datetime) -> tuple[int, int]:
    """(reserved, spent) of the month, whose row is held until the transaction ends."""
    month = month_of(at)
    found = await _held(session, month)
    if found is None:
        await _begin(session, month)
        # Who ran into the last month's cap has waited for this.
        await notices.end_of_kind(session, KIND, at)
        found = await _held(session, month)
    assert found is not None, "a row just made is there"
    return found


async def _held(session: AsyncSession, month: str) -> tuple[int, int] | None:
    row = await session.execute(
        select(MonthlyBudget.reserved_micros, MonthlyBudget.spent_micros)
        .where(MonthlyBudget.scope == INSTANCE, MonthlyBudget.month == month)
        .with_for_update()
    )
    found = row.one_or_none()
    return None if found is None else (found[0], found[1])


async def _begin(session: AsyncSession, month: str) -> None:
    """A new month knows what was spent in it so far, and takes over what is reserved."""
    if session.get_bind().dialect.name == "postgresql":
        # Whoever writes down spending now would find no row to count it in, and would not be in our sum.
        await session.execute(text("LOCK TABLE spend IN SHARE MODE"))
    begins = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    spent = await session.scalar(select(func.sum(Spend.micros)).where(Spend.at >= begins))
    carried = await session.scalar(
        select(MonthlyBudget.reserved_micros)
        .where(MonthlyBudget.scope == INSTANCE, MonthlyBudget.month < month)
        .order_by(MonthlyBudget.month.desc())
        .limit(1)
        .with_for_update()
    )
    row = {"scope": INSTANCE, "month": month, "reserved_micros": carried or 0, "spent_micros": spent or 0}
    dialect = session.get_bind().dialect.name
    statement = sqlite.insert(MonthlyBudget) if dialect == "sqlite" else postgresql.insert(MonthlyBudget)
    making = statement.values(**row).on_conflict_do_nothing().returning(MonthlyBudget.id)
    if await session.scalar(making) is not None and carried:
        await session.execute(
            update(MonthlyBudget)
            .where(MonthlyBudget.scope == INSTANCE, MonthlyBudget.month < month)
            .values(reserved_micros=0)
        )


async def _add(session: AsyncSession, month: str, *, reserved: int = 0, spent: int = 0) -> None:
    if reserved or spent:
        await session.execute(
            update(MonthlyBudget)
            .where(MonthlyBudget.scope == INSTANCE, MonthlyBudget.month == month)
            .values(
                reserved_micros=MonthlyBudget.reserved_micros + reserved,
                spent_micros=MonthlyBudget.spent_micros + spent,
            ),
            execution_options={"synchronize_session": False},
        )

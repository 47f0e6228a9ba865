"""The month's budget as rows: reserved, spent, given back, carried into the next month."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select

from perch.budget import reserving
from perch.budget.models import MonthlyBudget, Spend

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture
async def ada(house):
    return await house.connect()


async def reserve(house, cap, *wishes, at=NOW):
    async with house.perch.db.write() as session:
        return await reserving.reserve(session, cap, at, wishes)


async def months(house):
    async with house.perch.db.read() as session:
        rows = await session.scalars(select(MonthlyBudget).order_by(MonthlyBudget.month))
        return [(row.month, row.reserved_micros, row.spent_micros) for row in rows]


def charge(person, micros, at):
    return {"workspace_id": person.workspace_id, "account_id": person.account_id, "post_id": None,
            "at": at, "what": "post", "micros": micros}  # fmt: skip


@given(st.integers(-100, 1000), st.lists(st.integers(0, 300)))
def test_what_fits_never_passes_what_is_free(free, wishes):
    granted, taken = reserving.fit(free, wishes)
    assert taken == sum(wish for wish, ok in zip(wishes, granted, strict=True) if ok)
    assert taken <= max(free, 0)
    assert all(ok for wish, ok in zip(wishes, granted, strict=True) if wish == 0)


@pytest.mark.parametrize(
    ("at", "month", "following"),
    [
        (NOW, "2026-11", DECEMBER),
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), "2026-12", datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_month_is_a_month_of_utc(at, month, following):
    assert (reserving.month_of(at), reserving.next_month(at)) == (month, following)


@pytest.mark.both_databases
async def test_wishes_are_granted_in_order_up_to_the_cap(house):
    assert await reserve(house, 100, 60, 50, 40) == (True, False, True)
    assert await reserve(house, 100, 1) == (False,)
    assert await months(house) == [("2026-11", 100, 0)]


@pytest.mark.both_databases
async def test_a_new_month_knows_what_was_spent_in_it_before_anybody_asked(house, ada):
    async with house.perch.db.write() as session:
        rows = [charge(ada, 70, NOW), charge(ada, 900, NOW - timedelta(days=40))]
        await session.execute(insert(Spend), rows)
    assert await reserve(house, 100, 40, 30) == (False, True)
    assert await months(house) == [("2026-11", 30, 70)]


@pytest.mark.both_databases
async def test_what_is_open_at_the_end_of_a_month_weighs_on_the_next(house):
    await reserve(house, 100, 60)
    assert await reserve(house, 100, 50, 40, at=DECEMBER) == (False, True)
    async with house.perch.db.write() as session:
        await reserving.settle(session, DECEMBER, released=60, spent=60)
    assert await months(house) == [("2026-11", 0, 0), ("2026-12", 40, 60)]


async def test_reads_count_as_spent(house, ada):
    await reserve(house, 100, 60)
    async with house.perch.db.write() as session:
        await reserving.charge(session, [charge(ada, 41, NOW)], NOW)
    assert await months(house) == [("2026-11", 60, 41)]


@pytest.mark.both_databases
async def test_many_who_ask_at_once_stay_below_the_cap(house):
    granted = await asyncio.gather(*(reserve(house, 1000, 30) for _ in range(50)))
    assert granted.count((True,)) == 33
    assert await months(house) == [("2026-11", 990, 0)]

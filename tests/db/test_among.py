"""Lists in one parameter, and rows in bulk."""

import pytest
from sqlalchemy import select, text

from perch.db.among import among, together_among
from perch.db.bulk import insert_rows, update_rows
from perch.posts.models import Slot

pytestmark = pytest.mark.both_databases
NINE = [(weekday, minute) for weekday in range(3) for minute in range(3)]


@pytest.fixture
async def session(house):
    """Nine slots, numbered from 1; what a slot belongs to is of no interest here."""
    person = await house.connect()
    async with house.perch.db.write() as opened:
        rows = [{"account_id": person.account_id, "weekday": one, "minute": other} for one, other in NINE]
        await insert_rows(opened, Slot, rows)
        yield opened


async def test_a_column_is_looked_for_among_any_number_of_values(session):
    ids = (await session.scalars(select(Slot.id).order_by(Slot.id))).all()
    assert (await session.scalars(select(Slot.id).where(among(Slot.id, [])))).all() == []
    found = await session.scalars(select(Slot.id).where(among(Slot.id, [ids[1], ids[7], 10**9])))
    assert sorted(found) == [ids[1], ids[7]]
    many = [*range(-40_000, 0), ids[4]]
    assert (await session.scalars(select(Slot.id).where(among(Slot.id, many)))).all() == [ids[4]]


async def test_columns_are_compared_together(session):
    weekdays_and_minutes = select(Slot.weekday, Slot.minute).order_by(Slot.id)
    wanted = together_among((Slot.weekday, Slot.minute), [(0, 1), (2, 0), (5, 5)])
    assert (await session.execute(weekdays_and_minutes.where(wanted))).all() == [(0, 1), (2, 0)]


async def test_rows_of_different_columns_are_changed_in_one_call(session):
    first, second, third = (await session.scalars(select(Slot.id).order_by(Slot.id).limit(3))).all()
    changes = [(third, {"minute": 30}), (first, {"weekday": 6, "minute": 10}), (second, {})]
    await update_rows(session, Slot, changes)
    rows = await session.execute(select(Slot.weekday, Slot.minute).order_by(Slot.id).limit(3))
    assert rows.all() == [(6, 10), NINE[1], (0, 30)]


async def test_the_index_finds_them(session, house):
    if not house.perch.db.is_sqlite:
        pytest.skip("PostgreSQL's planner decides by the size of the table")
    plan = await session.execute(text("EXPLAIN QUERY PLAN " + str(
        select(Slot.id).where(among(Slot.id, [1, 2])).compile(
            house.perch.db.engine.sync_engine, compile_kwargs={"literal_binds": True}
        )
    )))  # fmt: skip
    assert "SEARCH slot USING INTEGER PRIMARY KEY" in " ".join(row[3] for row in plan)

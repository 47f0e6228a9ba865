"""Sealing anew, on both databases: every secret, once, and never over a newer one."""

from typing import Any

import pytest
from sqlalchemy import select, update

from perch.accounts import resealing, revoking, sealed_columns
from perch.accounts.disconnecting import disconnect
from perch.accounts.models import Grant, Revocation
from perch.accounts.sealed_columns import SEALED
from perch.db import Base
from perch.seal import SealBroken, Sealer
from perch.x.users import Me

BOTH = "new:another-key-of-this-house,k1:a-key-for-tests-that-opens-nothing-else"
NEW = "new:another-key-of-this-house"


@pytest.fixture
async def peopled(house: Any) -> Any:
    """A house with two accounts, one that was disconnected while X was away, and a sign-in under way."""
    for name in ("ada", "ben", "cleo"):
        await house.connect(f"sandbox_{name}")
    await house.fault(match={"path": "/2/oauth2/revoke"}, action="status", status=503, times=2)
    perch, cleo = house.perch, house.people["sandbox_cleo"]
    gone = (cleo.workspace_id, cleo.account_public_id)
    await disconnect(perch.db.write, perch.clock, perch.sealer, perch.clients, *gone)
    return house


def test_every_sealed_column_there_is_is_known() -> None:
    sealed = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values()
        for column in table.columns
        if column.name.endswith("_sealed")
    }
    assert {column.name for column in SEALED} == sealed


@pytest.mark.both_databases
async def test_everything_is_sealed_anew_and_opens_with_the_new_key_alone(peopled: Any) -> None:
    perch = peopled.perch
    columns = await resealing.reseal(perch.db.write, Sealer(BOTH))

    assert {column.column: (column.done, column.broken) for column in columns} == {
        "x_app.client_secret_sealed": (1, 0),
        "x_grant.access_token_sealed": (2, 0),
        "x_grant.refresh_token_sealed": (2, 0),
        "login_attempt.verifier_sealed": (3, 0),
        "revocation.token_sealed": (2, 0),
    }
    async with perch.db.read() as session:
        assert await resealing.foreign(session, ["new"]) == 0
        assert await resealing.foreign(session, ["k1"]) == 10
        revocation = (await session.scalars(select(Revocation))).first()
    place = revoking.place(revocation.public_id, revocation.account_public_id)
    assert Sealer(NEW).open(revocation.token_sealed, place)
    with pytest.raises(SealBroken):
        perch.sealer.open(revocation.token_sealed, place)


@pytest.mark.both_databases
async def test_called_again_it_goes_on_with_what_is_left(peopled: Any) -> None:
    perch, sealer = peopled.perch, Sealer(BOTH)
    async with perch.db.write() as session:
        grants = SEALED[1]
        first, *_ = await sealed_columns.sealed_otherwise(session, grants, "new", 0, 1)
        place = grants.place(first.public_id, first.owner)
        anew = sealer.seal(sealer.open(first.sealed, place), place)
        assert await sealed_columns.replace(session, grants, first, anew)

    done = {column.column: column.done for column in await resealing.reseal(perch.db.write, sealer)}

    assert done["x_grant.access_token_sealed"] == 1


@pytest.mark.both_databases
async def test_a_pair_that_came_meanwhile_is_never_overwritten(peopled: Any) -> None:
    perch = peopled.perch
    async with perch.db.write() as session:
        found = await sealed_columns.sealed_otherwise(session, SEALED[2], "new", 0, 10)
        await session.execute(update(Grant).values(refresh_token_sealed="k1.newer"))

        assert not await sealed_columns.replace(session, SEALED[2], found[0], "new.older")

    async with perch.db.read() as session:
        assert set(await session.scalars(select(Grant.refresh_token_sealed))) == {"k1.newer"}


async def test_what_does_not_open_is_counted_and_left(peopled: Any) -> None:
    perch = peopled.perch
    async with perch.db.write() as session:
        await session.execute(update(Grant).values(access_token_sealed="k1.broken"))

    columns = {
        column.column: column.broken for column in await resealing.reseal(perch.db.write, Sealer(BOTH))
    }

    assert columns["x_grant.access_token_sealed"] == 2


async def test_accounts_work_before_and_after(peopled: Any) -> None:
    perch = peopled.perch
    await resealing.reseal(perch.db.write, perch.sealer)
    ready = await perch.keyring.client_for(peopled.people["sandbox_ada"].account_id)

    assert (await ready.client.send(Me(), ready.bearer)).result.id == ready.x_user_id

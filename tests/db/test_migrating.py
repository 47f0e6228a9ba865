"""Migrations on both databases: up, down, up again, and no difference to the models at the end."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from perch.db import Database
from perch.db.migrating import NewerDatabase, head, migrate, unmigrate, version
from perch.wiring import METADATA

POSTGRES = pytest.param("postgres", marks=(pytest.mark.postgres, pytest.mark.xdist_group("postgres")))


@pytest.fixture(params=["sqlite", POSTGRES])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/perch.db"
    url: str = request.getfixturevalue("empty_postgres")
    return url


@pytest.fixture
async def empty(empty_url: str) -> AsyncIterator[Database]:
    opened = Database(empty_url)
    yield opened
    await opened.close()


async def tables(db: Database) -> set[str]:
    async with db.engine.connect() as connection:
        return set(await connection.run_sync(lambda inner: inspect(inner).get_table_names()))


async def differences(db: Database) -> list[object]:
    """What `alembic check` looks for."""

    def compare(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, METADATA))

    async with db.engine.connect() as connection:
        return await connection.run_sync(compare)


async def test_the_migrations_make_exactly_what_the_models_say(empty):
    assert await version(empty) is None
    await migrate(empty, METADATA)
    assert await version(empty) == head()
    assert await differences(empty) == []


async def test_a_difference_would_be_noticed(empty):
    await migrate(empty, METADATA)
    async with empty.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE post ADD COLUMN mood TEXT"))
    assert await differences(empty)


async def test_down_leaves_nothing_and_up_again_leaves_everything(empty):
    await migrate(empty, METADATA)
    full = await tables(empty)
    await unmigrate(empty, METADATA, to="base")
    assert await tables(empty) <= {"alembic_version"}
    await migrate(empty, METADATA)
    assert await tables(empty) == full
    assert await differences(empty) == []


async def test_migrating_twice_changes_nothing(empty):
    await migrate(empty, METADATA)
    await migrate(empty, METADATA)
    assert await version(empty) == head()


async def test_a_database_of_a_newer_perch_is_refused_and_left_alone(empty):
    await migrate(empty, METADATA)
    async with empty.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerDatabase, match="9999") as refused:
        await migrate(empty, METADATA)
    assert refused.value.fix
    assert await version(empty) == "9999"


async def test_the_constraints_have_the_names_that_migrations_refer_to(empty):
    await migrate(empty, METADATA)

    def names(connection: Connection) -> set[str | None]:
        return {one["name"] for one in inspect(connection).get_check_constraints("post")}

    async with empty.engine.connect() as connection:
        assert await connection.run_sync(names) >= {"ck_post_state", "ck_post_author_kind"}

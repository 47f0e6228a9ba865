"""Migrations on both databases: up, down, up again, and no difference to the models at the end."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

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


ROWS = (
    "INSERT INTO workspace (id, public_id, name, created_at) VALUES (1, 'w', 'W', '2026-01-01')",
    "INSERT INTO x_app (id, public_id, kind, api_url, authorize_url, client_id, plan, created_at)"
    " VALUES (1, 'a', 'sandbox', 'u', 'u', 'c', 'pay-per-use', '2026-01-01')",
    "INSERT INTO x_account (id, public_id, app_id, workspace_id, x_user_id, username, name, zone, created_at,"
    " fence) VALUES (1, 'x', 1, 1, '7', 'ada', 'Ada', 'UTC', '2026-01-01', 0)",
    "INSERT INTO post (id, public_id, workspace_id, account_id, author_kind, author_id, author_name, state,"
    " version, fold, tries, content_hash, price_micros, created_at, updated_at)"
    " VALUES (1, 'p', 1, 1, 'cli', 'c', 'C', 'published', 1, 0, 0, 'h', 15000, '2026-01-01', '2026-01-01')",
    "INSERT INTO segment (id, post_id, account_id, position, state, text, weight, price_micros, x_post_id)"
    " VALUES (1, 1, 1, 0, 'published', 'hello', 5, 15000, '99')",
    "INSERT INTO attempt (id, segment_id, n, state, fence, worker, payload, payload_sha256, media_ids,"
    " since_id, armed_at, deadline_at)"
    " VALUES (1, 1, 1, 'ok', 1, 'w', '{}', 's', '[]', '1', '2026-01-01', '2026-01-01')",
    "INSERT INTO post_event (id, post_id, seq, at, kind, detail, hash)"
    " VALUES (1, 1, 1, '2026-01-01', 'queued', '{}', 'aa'), (2, 1, 2, '2026-01-01', 'sent', '{}', 'bb')",
)


@pytest.fixture
async def lived_in(empty: Database) -> Database:
    """A database of the first version with a published post in it, brought up to date."""
    await migrate(empty, METADATA, to="0001")
    async with empty.engine.begin() as connection:
        for row in ROWS:
            await connection.execute(text(row))
    await migrate(empty, METADATA)
    return empty


async def test_an_upgrade_keeps_every_row_and_learns_where_each_story_ends(lived_in):
    async with lived_in.engine.connect() as connection:
        for table in ("post", "segment", "attempt", "x_account", "x_app"):
            assert await connection.scalar(text(f"SELECT count(*) FROM {table}")) == 1
        assert (await connection.execute(text("SELECT story_seq, story_hash FROM post"))).one() == (2, "bb")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE post SET state = 'scheduled'",
        "UPDATE attempt SET state = 'armed'",
        "UPDATE attempt SET payload = 'other'",
        "UPDATE segment SET x_post_id = '100'",
        "UPDATE segment SET x_post_id = NULL",
    ],
)
async def test_the_database_itself_refuses_to_undo_what_has_ended(lived_in, change):
    with pytest.raises(DBAPIError):
        async with lived_in.engine.begin() as connection:
            await connection.execute(text(change))

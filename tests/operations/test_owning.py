"""Who may dispatch from a SQLite file, also when its address was given by hand."""

import asyncio
import socket

from perch.settings import Settings


def test_a_database_is_a_file_unless_its_address_says_otherwise():
    def settings(**named):
        return Settings(_env_file=None, **named)  # type: ignore[call-arg]

    assert settings().is_sqlite
    assert settings(database_url="sqlite+aiosqlite:////srv/perch.db").is_sqlite
    assert not settings(database_url="postgresql+asyncpg://somewhere/perch").is_sqlite


async def test_a_sqlite_file_that_was_named_is_owned_by_one_perch_too(instance):
    named = f"sqlite+aiosqlite:///{instance.data / 'perch.db'}"
    process = await instance.up(PERCH_DATABASE_URL=named)
    with socket.socket() as spare:
        spare.bind(("127.0.0.1", 0))
        other = str(spare.getsockname()[1])
    second = await asyncio.to_thread(
        instance.run, "up", PERCH_PORT=other, PERCH_SANDBOX="off", PERCH_DATABASE_URL=named
    )
    assert second.returncode == 1
    assert f"process {process.pid}" in second.stderr

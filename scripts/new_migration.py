"""Write the migration that brings the newest schema to what the models say: ``make migration NAME=…``."""

import asyncio
import sys
import tempfile

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from perch.db import Database
from perch.db.migrating import config_for, head, migrate
from perch.wiring import METADATA


async def main(message: str) -> None:
    """Migrate a throw-away database, compare, write the difference down for a person to read."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite+aiosqlite:///{folder}/empty.db")
        if head() is not None:
            await migrate(database, METADATA)

        def draft(connection: Connection) -> None:
            config = config_for(connection, METADATA)
            number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
            command.revision(config, message=message, rev_id=f"{number:04d}", autogenerate=True)

        async with database.engine.begin() as connection:
            await connection.run_sync(draft)
        await database.close()


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "change the schema"))

"""``perch migrate``."""

import os

from perch import folder, wiring
from perch.cli.output import say
from perch.db.migrating import version
from perch.settings import Settings


async def run(settings: Settings) -> None:
    """Apply migrations with the folder held. Raises FolderTaken while Perch runs."""
    folder.prepare(settings.data_dir)
    lock = folder.lock(settings.data_dir, f"process {os.getpid()}, migrating")
    try:
        async with wiring.assemble(settings) as perch:
            await wiring.bring_up_to_date(perch)
            say(f"The database is at version {await version(perch.db)}.")
    finally:
        lock.release()

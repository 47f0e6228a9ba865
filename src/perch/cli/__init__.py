"""The ``perch`` command."""

import os
import sys

from perch.cli.app import app
from perch.cli.output import fail
from perch.errors import PerchError


def main() -> None:
    """Run a command: exit 0 done, 1 refused with a sentence, 2 wrong usage."""
    os.umask(0o077)  # whatever is made holds somebody's words
    try:
        app(prog_name="perch")
    except PerchError as error:
        fail(error, as_json="--json" in sys.argv)
        sys.exit(1)
    except Exception as error:
        refusal = _refusal_of_database(error)
        if refusal is None:
            raise
        fail(refusal, as_json="--json" in sys.argv)
        sys.exit(1)


def _refusal_of_database(error: Exception) -> PerchError | None:
    """What a database that is locked, full or gone means in words; None for every other error."""
    from perch.db.failures import is_away
    from perch.db.migrating import DatabaseUnusable

    if isinstance(error, OSError) or not is_away(error):
        return None
    return DatabaseUnusable(
        f"The database did not answer in the midst of it: {getattr(error, 'orig', None) or error}.",
        fix="Try again in a minute, and look first at what was done: perch queue and the receipts tell.",
    )


__all__ = ["main"]

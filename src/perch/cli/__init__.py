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
        refusal = _what_the_database_said(error)
        if refusal is None:
            raise
        fail(refusal, as_json="--json" in sys.argv)
        sys.exit(1)


def _what_the_database_said(error: Exception) -> PerchError | None:
    """What a database that is locked, full, gone or damaged means in words; None for every other error."""
    from perch.db.failures import is_away, is_damaged
    from perch.db.migrating import DatabaseUnusable

    said = getattr(error, "orig", None) or error
    if is_damaged(error):
        return DatabaseUnusable(f"The database is damaged: {said}.", fix="Put the last copy of it back.")
    if is_away(error) and not isinstance(error, OSError):
        return DatabaseUnusable(
            f"The database did not answer in the midst of it: {said}.",
            fix="Try again in a minute, and look first at what was done: perch queue and the receipts tell.",
        )
    return None


__all__ = ["main"]

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


__all__ = ["main"]

"""What commands print: sentences for people, JSON for machines."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from perch.errors import PerchError

_TABLE_WIDTH = 110


def say(*lines: str) -> None:
    """Sentences, as they are."""
    console = Console(highlight=False, soft_wrap=True)
    for line in lines:
        console.print(line, markup=False)


def say_json(value: Mapping[str, Any] | Sequence[Any]) -> None:
    """One JSON document."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def say_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table whose columns align; colour only on a terminal."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading)
    for row in rows:
        table.add_row(*row)
    console = Console(highlight=False)
    Console(highlight=False, width=console.width if console.is_terminal else _TABLE_WIDTH).print(table)


def fail(error: PerchError, *, as_json: bool) -> None:
    """What went wrong and the one next action."""
    if as_json:
        told = {"code": error.code, "detail": error.sentence, "fix": error.fix, "rule": error.rule}
        say_json({name: value for name, value in told.items() if value is not None})
        return
    sys.stderr.write(error.sentence + "\n")
    if error.fix:
        sys.stderr.write(error.fix + "\n")

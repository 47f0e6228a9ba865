"""What commands print: sentences for people, JSON for machines."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from perch.clock import Clock
from perch.errors import PerchError

_TABLE_WIDTH = 110
_WORTH_A_BAR = 1.0  # seconds


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


@contextmanager
def progress(clock: Clock, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, once the work has taken a second; call what is given with what is done."""
    console = Console(stderr=True)
    bar = Progress(console=console, transient=True, disable=not console.is_terminal)
    task, shown_from = bar.add_task(what, total=total), clock.elapsed() + _WORTH_A_BAR

    def advance(by: int) -> None:
        bar.advance(task, by)
        if not bar.live.is_started and clock.elapsed() > shown_from:
            bar.start()

    try:
        yield advance
    finally:
        bar.stop()


def fail(error: PerchError, *, as_json: bool) -> None:
    """What went wrong and the one next action."""
    if as_json:
        told = {"code": error.code, "detail": error.sentence, "fix": error.fix, "rule": error.rule}
        say_json({name: value for name, value in told.items() if value is not None})
        return
    sys.stderr.write(error.sentence + "\n")
    if error.fix:
        sys.stderr.write(error.fix + "\n")

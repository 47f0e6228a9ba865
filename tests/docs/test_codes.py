"""docs/rules-and-errors.md explains every rule and every error code that the code knows, and no other."""

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import perch
from perch.errors import PerchError

Rows = Callable[[str], list[list[str]]]
PAGE = "docs/rules-and-errors.md"
# Docstrings may speak of a rule; one that is applied stands as a string of its own.
_RULE = re.compile(r"""["']([XM]\d{3})["']""")
_FROM_ELSEWHERE = ("perch.sandbox", "perch.db.migrations")


def _errors() -> Iterator[type[PerchError]]:
    """Every error that has a code of its own."""
    for module in pkgutil.walk_packages(perch.__path__, "perch."):
        if not module.name.startswith(_FROM_ELSEWHERE) and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    waiting = [PerchError]
    while waiting:
        found = waiting.pop().__subclasses__()
        waiting += found
        yield from (
            error for error in found if "code" in vars(error) and error.__module__.startswith("perch.")
        )


ERRORS = sorted(set(_errors()), key=lambda error: (error.code, error.__module__))


@pytest.fixture
def codes(rows: Rows) -> dict[str, str]:
    """The status of each code on the page."""
    found = [row for row in rows(PAGE) if len(row) == 4 and row[0].startswith("`")]
    assert len(found) == len({row[0] for row in found})
    return {row[0].strip("`"): row[1] for row in found}


def test_every_code_is_explained_and_no_unknown_one(codes: dict[str, str]) -> None:
    assert codes.keys() == {error.code for error in ERRORS}


def test_a_code_is_explained_with_the_status_it_is_answered_with(codes: dict[str, str]) -> None:
    statuses: dict[str, set[str]] = {}
    for error in ERRORS:
        statuses.setdefault(error.code, set()).add(str(error.status))
    assert {code: status for code, status in codes.items() if status not in statuses[code]} == {}


def test_every_rule_is_explained_and_no_unknown_one(rows: Rows) -> None:
    source = Path(next(iter(perch.__path__)))
    applied = {
        rule for path in source.rglob("*.py") for rule in _RULE.findall(path.read_text(encoding="utf-8"))
    }
    explained = [row[0].strip("`") for row in rows(PAGE) if re.fullmatch(r"`[XM]\d{3}`", row[0])]
    assert sorted(explained) == sorted(applied)

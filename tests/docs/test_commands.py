"""What the documents tell people to type exists."""

import re
from collections.abc import Callable, Iterator

import pytest
import typer

from perch.cli.app import app
from perch.web.api.routes import router as api
from perch.web.gpt.routes import router as gpt

Read = Callable[[str], str]
Blocks = Callable[[str], list[str]]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/operations.md", "docs/settings.md", "docs/sandbox.md")
_PROGRAMS = {"curl", "cp", "rsync", "systemctl"}
_ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")
_PERCH_ADDRESS = re.compile(r"http://127\.0\.0\.1:5000(?P<path>/[\w/]+)")


def _words(line: str) -> Iterator[str]:
    """A command's words without the variables before it."""
    words = line.split(" #")[0].split()
    while words and _ASSIGNMENT.fullmatch(words[0]):
        words.pop(0)
    yield from words


@pytest.fixture(scope="session")
def targets(read: Read) -> set[str]:
    """What can be made."""
    phony = re.search(r"^\.PHONY: (.+)$", read("Makefile"), re.MULTILINE)
    assert phony is not None
    return set(phony[1].split())


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_line_names_something_that_exists(
    document: str, shell_lines: Blocks, targets: set[str]
) -> None:
    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    lines = shell_lines(document)
    unknown = []
    for line in lines:
        program, *arguments = _words(line)
        known = {"make": targets, "perch": commands}.get(program)
        if (known is None and program not in _PROGRAMS) or (known and arguments[0] not in known):
            unknown.append(line)
    assert lines
    assert unknown == []


def test_the_readme_opens_with_the_two_commands(read: Read) -> None:
    opening = read("README.md").split("##")[0]
    assert opening.startswith("# Perch\n")
    assert re.findall(r"^make \w+", opening, re.MULTILINE) == ["make up", "make test"]


def test_the_addresses_of_the_readme_are_answered(read: Read) -> None:
    answered = {getattr(route, "path", "") for route in (*api.routes, *gpt.routes)}
    asked = set(_PERCH_ADDRESS.findall(read("README.md"))) - {"/auth/x"}
    assert asked == {"/startAuth", "/postTweet"}
    assert asked <= answered


def test_the_help_of_make_names_targets_that_exist(read: Read, targets: set[str]) -> None:
    told = set(re.findall(r"@echo 'make (\w+)", read("Makefile")))
    assert told
    assert told <= targets

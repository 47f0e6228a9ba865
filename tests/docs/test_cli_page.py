"""docs/cli.md has a section for every command, with every option it takes and none that it does not."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import typer

from perch.cli.app import app

Read = Callable[[str], str]
_HEADING = re.compile(r"^## perch (\w+)$", re.MULTILINE)
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
# Shown where another program takes it, or on every page of help.
_ELSEWHERE = {"--help"}


def _options() -> dict[str, set[str]]:
    """Each command's options in every spelling; a group of commands has those of all of them."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return {name: _spellings(command) for name, command in commands.items()}


def _spellings(command: Any) -> set[str]:
    own = {
        spelling
        for parameter in command.params
        if parameter.param_type_name == "option"
        for spelling in (*parameter.opts, *parameter.secondary_opts)
    }
    return own.union(*(_spellings(part) for part in getattr(command, "commands", {}).values()))


OPTIONS = _options()


@pytest.fixture
def sections(read: Read) -> dict[str, str]:
    """The text under each command's heading."""
    _, *parts = _HEADING.split(read("docs/cli.md"))
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_every_command_has_a_section_and_nothing_else_has(sections: dict[str, str]) -> None:
    assert sections.keys() == OPTIONS.keys()


@pytest.mark.parametrize("name", OPTIONS)
def test_a_section_names_exactly_the_options_of_its_command(name: str, sections: dict[str, str]) -> None:
    assert set(_OPTION.findall(sections[name])) - _ELSEWHERE == OPTIONS[name]


@pytest.mark.parametrize("name", OPTIONS)
def test_a_section_shows_its_command_at_work(name: str, sections: dict[str, str]) -> None:
    assert f"```console\n$ perch {name}" in sections[name]

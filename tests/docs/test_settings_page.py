"""docs/settings.md and example.env name every setting there is, with its default, and no other."""

import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import pytest

from perch.settings import SECRETS, Settings, load

Rows = Callable[[str], list[list[str]]]
Read = Callable[[str], str]
NAMES = {f"PERCH_{name.upper()}" for name in Settings.model_fields}
_LINE = re.compile(r"^#(?P<name>PERCH_\w+)=(?P<value>.*)$", re.MULTILINE)


@pytest.fixture
def described(rows: Rows) -> dict[str, list[str]]:
    """Each setting's default, meaning and example."""
    found = [row for row in rows("docs/settings.md") if row[0].startswith("`PERCH_")]
    assert len(found) == len({row[0] for row in found})
    return {row[0].strip("`"): row[1:] for row in found}


@pytest.fixture
def example(read: Read) -> list[tuple[str, str]]:
    return _LINE.findall(read("example.env"))


def test_every_setting_is_described_and_nothing_else(described: dict[str, list[str]]) -> None:
    assert described.keys() == NAMES


def test_every_setting_has_one_line_in_the_example_file_and_nothing_else_has(
    example: list[tuple[str, str]],
) -> None:
    assert sorted(name for name, _ in example) == sorted(NAMES)


def test_every_setting_has_a_default_a_meaning_and_an_example(described: dict[str, list[str]]) -> None:
    assert [name for name, cells in described.items() if len(cells) != 3 or not all(cells)] == []


@pytest.mark.parametrize("name", sorted(NAMES))
def test_the_default_is_the_one_of_the_code(name: str, described: dict[str, list[str]]) -> None:
    default = Settings.model_fields[name.removeprefix("PERCH_").lower()].default
    said = described[name][0]
    if default in (None, "", ()):
        assert not said.startswith("`") or " " in said
    else:
        assert said == f"`{str(default).lower() if isinstance(default, bool) else default}`"


@pytest.mark.parametrize("field", [name for name, info in Settings.model_fields.items() if info.annotation])
def test_every_choice_of_a_setting_is_named(field: str, described: dict[str, list[str]]) -> None:
    annotation = Settings.model_fields[field].annotation
    choices = list(annotation) if isinstance(annotation, type) and issubclass(annotation, StrEnum) else []
    default, meaning, _ = described[f"PERCH_{field.upper()}"]
    assert [choice for choice in choices if f"`{choice}`" not in default + meaning] == []


def test_the_examples_can_be_used(
    described: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, (_, _, example) in described.items():
        if name != "PERCH_PACE":  # refused beside a live app, which another example configures
            monkeypatch.setenv(name, example.strip("`"))
    settings = load()
    assert settings.is_live
    assert settings.public_url == "https://perch.example"


def test_the_example_file_can_be_used_with_every_line_switched_on(
    example: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in example))
    monkeypatch.chdir(tmp_path)
    assert load().fetch_allow == ("nas.lan", "192.168.1.0/24")


def test_the_secrets_that_files_may_hold_are_named(read: Read) -> None:
    wanted = {f"PERCH_{name.upper()}_FILE" for name in SECRETS if name in Settings.model_fields}
    assert set(re.findall(r"`(PERCH_\w+_FILE)`", read("docs/settings.md"))) - NAMES == wanted

"""Nothing in the project speaks of the machine that somebody worked on."""

import re
from pathlib import Path

import pytest

# Put together here, or this file would be found by its own search.
_FOLDERS = "|".join(f"/{name}/" for name in ("home", "root", "Users", "work", "workspace"))
_REGISTRIES = "|".join(
    rf"{name}\."
    for name in (r"\bpypi", "pythonhosted", r"\bregistry.npmjs", "npmmirror", "jfrog", "artifactory")
)
_LOCK_HOSTS = re.compile(r'https?://[^\s"]+\.(?:whl|tgz|tar\.gz)|--(?:extra-)?index-url|"resolved"')
# The path of a test's own made-up photograph is fine; a folder of a person is not.
_TRACES = re.compile(rf"(?<![\w.:/-])(?:{_FOLDERS})[a-z]|{_REGISTRIES}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


@pytest.fixture(scope="module")
def texts(tracked: list[Path]) -> dict[str, str]:
    return {str(path): _text(path) for path in tracked}


def test_no_file_names_a_folder_of_a_machine_or_a_registry(texts: dict[str, str]) -> None:
    found = {name: match[0] for name, text in texts.items() if (match := _TRACES.search(text))}
    assert found == {}


def test_no_lock_names_a_host(texts: dict[str, str]) -> None:
    locks = {
        name: text for name, text in texts.items() if "/requirements/" in name or name.endswith("lock.json")
    }
    assert len(locks) >= 4
    assert {name: match[0] for name, text in locks.items() if (match := _LOCK_HOSTS.search(text))} == {}


def test_nothing_that_is_made_is_kept_with_the_project(tracked: list[Path], root: Path) -> None:
    made = {"data", "build", ".venv", "node_modules", "__pycache__", "built"}
    assert [path for path in tracked if made & set(path.relative_to(root).parts)] == []

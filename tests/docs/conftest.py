"""The documents as tests read them: their text, their tables, their shell blocks."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_ROW = re.compile(r"^\| (?!---)(?P<cells>.+) \|$", re.MULTILINE)
_SHELL = re.compile(r"^ *```sh\n(?P<lines>.*?)^ *```$", re.MULTILINE | re.DOTALL)

Read = Callable[[str], str]
Rows = Callable[[str], list[list[str]]]
Blocks = Callable[[str], list[str]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def read() -> Read:
    """A document by its path from the root."""
    return lambda name: (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def rows(read: Read) -> Rows:
    """The cells of every row of every table of a document, without the rows of dashes."""
    return lambda name: [match["cells"].split(" | ") for match in _ROW.finditer(read(name))]


@pytest.fixture(scope="session")
def shell_lines(read: Read) -> Blocks:
    """The commands in a document's shell blocks; continued lines are joined, comments left out."""

    def found(name: str) -> list[str]:
        blocks = "".join(match["lines"] for match in _SHELL.finditer(read(name))).replace("\\\n", " ")
        return [line.strip() for line in blocks.splitlines() if line.strip() and not line.startswith("#")]

    return found


@pytest.fixture(scope="session")
def tracked() -> list[Path]:
    """Every file that belongs to the project, also those that git is about to learn of."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        known = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout, so nobody knows which files belong to the project")
    return [path for name in known.split("\0") if name and (path := ROOT / name).is_file()]

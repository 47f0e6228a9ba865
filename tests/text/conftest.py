import os
import sys
import types
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
Vectors = Callable[[str, str], list[dict[str, Any]]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def vectors() -> Vectors:
    """Cases of twitter-text's conformance suite, by file and section."""
    folder = Path(os.environ.get("SHARED", "../shared"))
    folder = (folder if folder.is_absolute() else ROOT / folder) / "twitter-text"
    if not folder.is_dir():
        pytest.skip(f"no conformance vectors: {folder} is absent (name their folder in SHARED)")
    loaded: dict[str, dict[str, list[dict[str, Any]]]] = {}

    def section(file: str, name: str) -> list[dict[str, Any]]:
        if file not in loaded:
            loaded[file] = yaml.load((folder / file).read_text("utf-8"), yaml.CSafeLoader)["tests"]
        return loaded[file][name]

    return section


@pytest.fixture(scope="session")
def reference() -> types.ModuleType:
    """twitter-text-parser, which finds its data through a part of setuptools that is gone."""
    former = types.ModuleType("pkg_resources")
    former.__dict__["resource_string"] = lambda module, name: (
        resources.files(module.rpartition(".")[0]).joinpath(name).read_bytes()
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pkg_resources", former)
        import twitter_text

    module: types.ModuleType = twitter_text
    return module

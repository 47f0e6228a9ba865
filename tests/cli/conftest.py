"""Commands run inside the test's own process: as a shell would see them, but in milliseconds."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO

import pytest

from perch import logs
from perch.cli import main
from perch.settings import Settings

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def command(
    instance: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """Runs ``perch`` with arguments; ``said`` is typed into it, other keywords are settings."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PERCH_")]:
        monkeypatch.delenv(name)

    def run(*arguments: str, said: str = "", **settings: str) -> "subprocess.CompletedProcess[str]":
        capsys.readouterr()
        with monkeypatch.context() as patched:
            for name, value in instance.environment(**settings).items():
                patched.setenv(name, value)
            patched.setattr(sys, "argv", ["perch", *arguments])
            with _typed(said) as stdin:
                patched.setattr(sys, "stdin", stdin)
                code = _exit_code()
        told = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, told.out, told.err)

    yield run
    logs.configure(Settings(_env_file=None, log_format="json", log_level="warning"))  # type: ignore[call-arg,arg-type]


def _typed(said: str) -> TextIO:
    """A pipe with everything in it already, as some commands wait for their input."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        pipe.write(said)
    return os.fdopen(reading)


def _exit_code() -> int:
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0

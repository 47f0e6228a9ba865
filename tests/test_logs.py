"""Log lines: one each, whatever is in them, and nothing that opens a door."""

import contextlib
import io
import json
import logging
import re
from collections.abc import Callable, Iterator

import pytest
import structlog
from _pytest.logging import LogCaptureHandler

from perch import logs
from perch.settings import Settings

NASTY = [
    "a\nb", "a\r\nb", "a\rb", "a\x0bb", "a\x0cb", "a\x1cb", "a\x1db", "a\x1eb", "a\x85b", "a\u2028b",
    "a\u2029b", "a\x00b", "a\x07b", "a\x08b", "a\x1b[31mred", "a\x1b]0;title\x07", "a\x1b[2J", "a\x7fb",
    "a\u202eb", "a\u202ab", "a\u2066b", "a\u2069b", "a\u200eb", "a\u061cb", "a\ud800b", "a\tb",
    "a\x9bb",
    '{"event": "forged"}', "a\n2026-11-20 [error] forged", "\U0001f600 猫 ü",
]  # fmt: skip
SECRET = "c4n4ry-value"


@pytest.fixture(params=["json", "console"])
def kind(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def said(kind: str) -> Iterator[Callable[[], str]]:
    """What was logged since the last look."""
    stream = io.StringIO()
    with contextlib.redirect_stderr(stream):
        logs.configure(Settings(_env_file=None, log_format=kind, log_level="debug"))  # type: ignore[call-arg,arg-type]
    yield stream.getvalue
    logs.configure(Settings(_env_file=None, log_format="json", log_level="warning"))  # type: ignore[call-arg,arg-type]


def unheard_by_pytest() -> None:
    """Pytest would carry the words to a parallel run's head, and stumble over half a character itself."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler, LogCaptureHandler):
            root.removeHandler(handler)


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_each_event_is_one_harmless_line(text, said):
    unheard_by_pytest()
    structlog.get_logger("t").info("event_happened", field=text)
    structlog.get_logger("t").info(text)
    logging.getLogger("library").warning("said %s", text)
    lines = said()
    assert len(lines.splitlines()) == lines.count("\n") == 3
    bare = re.sub(r"\x1b\[[0-9;]*m(?!red)", "", lines)
    assert not re.search(
        r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u061c\u202a-\u202e\u2066-\u2069]", bare
    )


HIDDEN_BY_NAME = [
    "access_token", "refresh_token", "token", "client_secret", "secret", "authorization", "Authorization",
    "password", "cookie", "set_cookie", "code_verifier", "code", "api_key",
]  # fmt: skip


@pytest.mark.parametrize("name", HIDDEN_BY_NAME)
def test_a_field_named_like_a_secret_is_hidden_at_any_depth(name, said):
    log = structlog.get_logger("t")
    log.info("one", **{name: SECRET})
    log.info("two", headers={name: SECRET})
    log.info("three", requests=[{"deep": ({name: SECRET},)}])
    lines = said()
    assert SECRET not in lines
    assert lines.count("[hidden]") == 3


SHAPES = [
    f"Bearer {SECRET}", f"bearer {SECRET}", f"Basic {SECRET}", f"https://x.test/cb?state=s&code={SECRET}",
    f"code={SECRET}&state=1", f"access_token={SECRET}", f"refresh_token={SECRET}", f"oauth_token={SECRET}",
    f"oauth_verifier={SECRET}", f"code_verifier={SECRET}", f"client_secret={SECRET}",
    f"{{'access_token': '{SECRET}'}}", f'{{"refresh_token":"{SECRET}"}}',
    f"perch_pat_{SECRET}", f"perch_gpt_{SECRET}",
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_a_value_shaped_like_a_secret_is_hidden_wherever_it_stands(shape, said):
    log = structlog.get_logger("t")
    log.info("one", text=shape)
    log.info(f"two {shape}")
    log.info("three", many=[shape], deep={"text": shape}, raw=shape.encode())
    logging.getLogger("library").error("four %s", shape)
    try:
        raise ValueError(shape)
    except ValueError:
        log.exception("five")
        logging.getLogger("library").exception("six")
    assert SECRET not in said()


def test_what_is_no_secret_stays_readable(said):
    structlog.get_logger("t").info("post_sent", post="abc", state="published", code_page="utf-8", count=3)
    lines = said()
    assert "published" in lines
    assert "utf-8" in lines
    assert "[hidden]" not in lines


@pytest.mark.parametrize("kind", ["json"], indirect=True)
def test_json_lines_are_json_with_event_level_and_time(said):
    structlog.get_logger("t").warning("post_sent", post="abc")
    logging.getLogger("library").warning("said so")
    ours, theirs = (json.loads(line) for line in said().splitlines())
    assert (ours["event"], ours["level"], ours["post"]) == ("post_sent", "warning", "abc")
    assert ours["timestamp"].endswith("Z")
    assert (theirs["event"], theirs["level"]) == ("said so", "warning")


def test_the_level_is_obeyed_and_chatty_libraries_are_not_heard(said):
    logging.getLogger("aiosqlite").info("executing")
    structlog.get_logger("t").debug("heard")
    lines = said()
    assert "heard" in lines
    assert "executing" not in lines

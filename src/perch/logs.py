"""Logs: one line a fact, an event name and fields, and nothing that opens a door."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from perch.settings import LogFormat, Settings

_SECRET_NAMES = re.compile(
    r"token|secret|authorization|password|cookie|verifier|^code$|api_key", re.IGNORECASE
)
_NAMES_INSIDE = (
    "access_token|refresh_token|client_secret|oauth_token|oauth_token_secret|oauth_verifier|code_verifier"
)
_SECRET_SHAPES = re.compile(
    r"perch_(?:gpt|pat)_[\w-]+|(?i:Bearer)\s+\S+|Basic\s+\S+|"
    rf"(?:code|state|{_NAMES_INSIDE})=[^&\s\"']+|"
    rf"(?:{_NAMES_INSIDE})[\"']\s*:\s*[\"'][^\"']*"
)
# Control and bidirectional characters could draw a second line, or reverse one, in somebody's terminal.
_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_TRACEBACKS = {"exception", "stack"}


def configure(settings: Settings) -> None:
    """Set logging up for this process, the libraries' too."""
    plain = settings.log_format or (LogFormat.CONSOLE if sys.stderr.isatty() else LogFormat.JSON)
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # A cached logger would keep the level of its first use, whatever is configured later.
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                _renderer(plain),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for chatty in ("aiosqlite", "alembic", "asyncio", "pgqueuer", "uvicorn"):
        logging.getLogger(chatty).setLevel(max(level, logging.WARNING))


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide values by the name of their field and by their shape, and keep every event on one line."""
    for name, value in event.items():
        if name in _TRACEBACKS and isinstance(value, str):
            # A traceback on a terminal is the one thing that may have several lines.
            event[name] = "\n".join(_printable(line) for line in value.split("\n"))
        else:
            event[name] = _told(name, value)
    return event


def _told(name: str, value: Any) -> Any:
    """A value as a log may show it, however deep it lies."""
    if _SECRET_NAMES.search(name):
        return "[hidden]"
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return _printable(value)
        case Mapping():
            return {_printable(str(inner)): _told(str(inner), one) for inner, one in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_told("", one) for one in value]
        case _:
            return _printable(repr(value))


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], _SECRET_SHAPES.sub("[hidden]", text))


def _renderer(plain: LogFormat) -> structlog.typing.Processor:
    if plain is LogFormat.CONSOLE:
        return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return structlog.processors.JSONRenderer()

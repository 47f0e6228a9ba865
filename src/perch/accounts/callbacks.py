"""The query X sends a browser back with, read as if a stranger had written it; pure."""

from collections import Counter
from collections.abc import Iterable

from perch.accounts.errors import CallbackBroken
from perch.x.oauth2 import Denied, Granted, parse_callback

_OURS = ("code", "state", "error", "error_description")
_LONGEST = 2048


def read(query: Iterable[tuple[str, str]]) -> Granted | Denied:
    """What X's answer says. Raises CallbackBroken for repeated (RFC 6749 section 3.1) or odd parameters."""
    pairs = [(name, value) for name, value in query if name in _OURS]
    for name, times in Counter(name for name, _ in pairs).items():
        if times > 1:
            raise CallbackBroken(f"it names “{name}” {times} times")
    for name, value in pairs:
        if len(value) > _LONGEST or not value.isprintable():
            raise CallbackBroken(f"its “{name}” is not one that X makes")
    return parse_callback(dict(pairs))

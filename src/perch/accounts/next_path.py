"""Where a browser may be sent after a sign-in; pure."""

import re
from urllib.parse import unquote

FALLBACK = "/"
_LONGEST = 2000
_ROUNDS = 4  # nothing honest is percent-encoded more often
_CONTROL = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]")


def safe_next(path: str | None) -> str:
    """The path if it stays on this site whatever a browser or proxy makes of it, else ``/``.

    Browsers read ``//host`` and ``/\\host`` as another host and drop tabs and newlines before they look.
    """
    if not path or len(path) > _LONGEST or "\\" in path or _CONTROL.search(path):
        return FALLBACK
    plain = path.partition("#")[0].partition("?")[0]
    for _ in range(_ROUNDS):
        if not plain.startswith("/") or plain.startswith("//") or "\\" in plain or _CONTROL.search(plain):
            return FALLBACK
        before, plain = plain, unquote(plain, errors="replace")
        if plain == before:
            return path
    return FALLBACK

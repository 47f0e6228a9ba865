"""Where a browser may be sent after a sign-in; pure."""

import re
from urllib.parse import unquote

FALLBACK = "/"
_LONGEST = 2000
_CONTROL = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]")


def safe_next(path: str | None) -> str:
    """The path if it stays on this site whatever a browser or proxy makes of it, else ``/``.

    Browsers read ``//host`` and ``/\\host`` as another host and drop tabs and newlines before they look.
    """
    if not path or len(path) > _LONGEST or not path.startswith("/") or _CONTROL.search(path):
        return FALLBACK
    plain = path.partition("#")[0].partition("?")[0]
    for _ in range(3):
        if plain.startswith("//") or "\\" in plain or _CONTROL.search(plain):
            return FALLBACK
        plain = unquote(plain, errors="replace")
    return FALLBACK if "%" in plain or "\\" in path else path

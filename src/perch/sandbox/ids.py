"""Ids as X makes them: snowflakes that carry their time, and short link slugs."""

import hashlib
import secrets

EPOCH_MS = 1_288_834_974_657
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Snowflakes:
    """Rising ids; the time of each stands in its upper bits."""

    def __init__(self, last: int = 0) -> None:
        self._last = last

    def next(self, at_ms: int) -> str:
        self._last = max(self._last + 1, (at_ms - EPOCH_MS) << 22)
        return str(self._last)

    def saw(self, taken: str) -> None:
        """Never give out ``taken`` or anything below it again."""
        self._last = max(self._last, int(taken))


def short_link(seed: int, post_id: str, position: int) -> str:
    """``https://t.co/`` and ten characters; the same seed and post give the same link."""
    number = int.from_bytes(hashlib.blake2b(f"{seed}/{post_id}/{position}".encode(), digest_size=8).digest())
    slug = ""
    for _ in range(10):
        number, digit = divmod(number, 62)
        slug += _ALPHABET[digit]
    return f"https://t.co/{slug}"


def opaque(kind: str) -> str:
    """A token that says nothing but its kind, so that a grep finds it in a log."""
    return f"sandbox-{kind}-{secrets.token_urlsafe(32)}"


def fingerprint(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()

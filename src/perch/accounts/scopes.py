"""What X's scopes are needed for; pure."""

from collections.abc import Iterable

from perch.x.oauth2 import SCOPES

REQUIRED = ("tweet.read", "users.read", "tweet.write")
"""Without one of these an account cannot post at all."""

LOSSES = {
    "media.write": "Pictures and videos cannot be attached.",
    "offline.access": "The connection ends two hours after each sign-in.",
}
"""What does not work without the others."""


def granted(scope: Iterable[str]) -> tuple[str, ...]:
    """The scopes of a token answer; one that names none grants what was asked (RFC 6749 section 5.1)."""
    return tuple(scope) or SCOPES


def lacking(scope: Iterable[str]) -> tuple[str, ...]:
    """The required scopes that are not there."""
    given = set(scope)
    return tuple(name for name in REQUIRED if name not in given)


def missing(scope: Iterable[str]) -> tuple[str, ...]:
    """Every scope Perch asks for that is not there."""
    given = set(scope)
    return tuple(name for name in SCOPES if name not in given)


def warnings(scope: Iterable[str]) -> tuple[str, ...]:
    """A sentence for each thing that will not work."""
    return tuple(LOSSES[name] for name in missing(scope) if name in LOSSES)

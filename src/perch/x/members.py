"""Members of X's JSON, taken out without trusting a single one of them.

X is renaming fields while it goes (``referenced_tweets`` → ``referenced_posts``), so every reader takes
all spellings of a name and answers with the first that has the right type.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

JsonObject = Mapping[str, object]

_X_ID = re.compile(r"[0-9]{1,19}")


def is_x_id(value: object) -> bool:
    """Whether this is an id as X spells it: a string of 1 to 19 digits.

    https://docs.x.com/fundamentals/x-ids
    """
    return isinstance(value, str) and _X_ID.fullmatch(value) is not None


def parse_object(body: bytes) -> JsonObject | None:
    """The JSON object in these bytes, or None. Looks at the body only: X's content types do not decide."""
    try:
        value = json.loads(body)
    # Hostile nesting ends in RecursionError; broken UTF-8, cut JSON and endless integers in ValueError.
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def text(source: JsonObject, *names: str) -> str | None:
    """The first of these members that is a string."""
    return next((value for name in names if isinstance(value := source.get(name), str)), None)


def number(source: JsonObject, *names: str) -> int | None:
    """The first of these members that is a whole number."""
    for name in names:
        value = source.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def flag(source: JsonObject, name: str) -> bool:
    """Whether this member is ``true``; X leaves out what is false."""
    return source.get(name) is True


def child(source: JsonObject, *names: str) -> JsonObject:
    """The first of these members that is an object, or an empty one."""
    return next((value for name in names if isinstance(value := source.get(name), dict)), {})


def children(source: JsonObject, *names: str) -> Sequence[JsonObject]:
    """The objects in the first of these members that is an array."""
    for name in names:
        value = source.get(name)
        if isinstance(value, list):
            return [item for item in value if isinstance(item, dict)]
    return []


def strings(source: JsonObject, *names: str) -> tuple[str, ...]:
    """The strings in the first of these members that is an array."""
    for name in names:
        value = source.get(name)
        if isinstance(value, list):
            return tuple(item for item in value if isinstance(item, str))
    return ()


def x_id(source: JsonObject, *names: str) -> str | None:
    """The first of these members that is an X id."""
    return next((value for name in names if is_x_id(value := text(source, name))), None)


def instant(source: JsonObject, name: str) -> datetime | None:
    """An RFC 3339 instant, aware and in UTC."""
    try:
        parsed = datetime.fromisoformat(text(source, name) or "")
    except ValueError:
        return None
    return parsed.astimezone(UTC) if parsed.tzinfo else None

"""How much of a post's 280 a text takes (twitter-text's configuration 3)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import regex

from perch.text.alphabet import INVALID
from perch.text.emoji import find_emoji
from perch.text.normal import composed
from perch.text.urls import find_urls

MAX_WEIGHT = 280
PREMIUM_MAX_WEIGHT = 25_000
URL_WEIGHT = 23
_EMOJI_WEIGHT = 2

# Latin to Georgian, and the common spaces, dashes, quotation marks and primes, weigh 1; the rest 2.
_HEAVY = re.compile(r"[^\u0000-\u10FF\u2000-\u200D\u2010-\u201F\u2032-\u2037]+")
# An emoji of one code point weighs 2 by that rule; only sequences, which hold one of these, need a look.
_IN_SEQUENCES = re.compile(
    r"[\u200D\u20E3\uFE0F\U0001F1E6-\U0001F1FF\U0001F3FB-\U0001F3FF\U000E0020-\U000E007F]"
)
_INVALID = re.compile(rf"[{INVALID}\uD800-\uDFFF]")
_CLUSTER = regex.compile(r"\X")


@dataclass(frozen=True, slots=True)
class Weight:
    """What X would count.

    ``permillage`` is how full the post is, 1000 being exactly full. ``valid_range`` is the longest beginning
    that X would take, ``[start, end)`` in code points of the text as given. ``invalid_characters`` are the
    positions of U+FFFE, U+FEFF, U+FFFF and of lone surrogates, which UTF-8 cannot carry. Control and
    bidirectional characters are allowed and weigh by their range.
    """

    weighted_length: int
    valid: bool
    permillage: int
    valid_range: tuple[int, int]
    limit: int
    invalid_characters: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Unit:
    """A link or an emoji sequence: counted whole."""

    start: int
    end: int
    weight: int


def weigh(text: str, limit: int = MAX_WEIGHT) -> Weight:
    r"""Weigh ``text`` as given, so ``\r\n`` weighs 2: see ``normal.outgoing``. An empty text is not valid.

    With Premium's limit X's own way of counting is not published; the same weights are used.
    """
    counted = composed(text)
    units = tuple(_units(counted))
    length = _length(counted, units)
    invalid = () if text.isascii() else tuple(match.start() for match in _INVALID.finditer(text))
    if length <= limit and not invalid:
        fitting = len(text)
    else:
        fitting = _given(text, counted, _fitting(counted, units, limit))
    return Weight(
        weighted_length=length,
        valid=0 < length <= limit and not invalid,
        permillage=length * 1000 // limit,
        valid_range=(0, fitting),
        limit=limit,
        invalid_characters=invalid,
    )


def _units(text: str) -> Iterator[_Unit]:
    sequences = not text.isascii() and _IN_SEQUENCES.search(text) is not None
    at = 0
    for url in find_urls(text):
        if sequences:
            yield from _emoji(text, at, url.start)
        yield _Unit(url.start, url.end, URL_WEIGHT)
        at = url.end
    if sequences:
        yield from _emoji(text, at, len(text))


def _emoji(text: str, start: int, end: int) -> Iterator[_Unit]:
    return (_Unit(*span, _EMOJI_WEIGHT) for span in find_emoji(text, start, end))


def _length(text: str, units: tuple[_Unit, ...]) -> int:
    total = at = 0
    for unit in units:
        total += _plain_length(text[at : unit.start]) + unit.weight
        at = unit.end
    return total + _plain_length(text[at:])


def _plain_length(text: str) -> int:
    return len(text) if text.isascii() else len(text) + sum(map(len, _HEAVY.findall(text)))


def _fitting(text: str, units: tuple[_Unit, ...], limit: int) -> int:
    """How many code points of a composed text fit: whole units, up to the first invalid character."""
    room = limit
    end = 0
    for unit in _walk(text, units):
        room -= unit.weight
        if room < 0 or _INVALID.match(text, unit.start) is not None:
            break
        end = unit.end
    return end


def _walk(text: str, units: tuple[_Unit, ...]) -> Iterator[_Unit]:
    at = 0
    for unit in (*units, _Unit(len(text), len(text), 0)):
        for index in range(at, unit.start):
            yield _Unit(index, index + 1, _plain_length(text[index]))
        yield unit
        at = unit.end


def _given(text: str, counted: str, fitting: int) -> int:
    """``fitting``, a length of ``counted``, as a length of the text as given, cut between characters."""
    if text == counted:
        return fitting
    end = 0
    for cluster in _CLUSTER.finditer(text):
        fitting -= len(composed(cluster[0]))
        if fitting < 0:
            break
        end = cluster.end()
    return end

"""Hashtags in running text."""

from collections.abc import Iterator

import regex

from perch.text.spans import Span, begins_outside
from perch.text.urls import find_urls

# Letters, marks and digits of any script, and what joins them inside a word: joiners, Hebrew and Tibetan
# marks, Japanese wave dashes, sound marks and dots, the Catalan middle dot.
_TAG = (
    r"\p{L}\p{M}\p{Nd}_\u200C\u200D\uA67E\u05BE\u05F3\u05F4\uFF5E\u301C\u309B\u309C\u30A0\u30FB\u3003"
    r"\u0F0B\u0F0C\u00B7"
)
_FREE = rf"(?:(?<=[\uFE0E\uFE0F])|(?<![{_TAG}&]))"
_HASHTAG = regex.compile(rf"{_FREE}[#＃](?![\uFE0F\u20E3])[{_TAG}]++(?![#＃]|://)")
_LETTER = regex.compile(r"[\p{L}\p{M}]")


def find_hashtags(text: str) -> tuple[Span, ...]:
    """Every hashtag in order, sign included; one that begins inside a link is part of the link."""
    return tuple(_hashtags(text)) if "#" in text or "＃" in text else ()


def _hashtags(text: str) -> Iterator[Span]:
    outside = begins_outside(find_urls(text))
    for found in _HASHTAG.finditer(text):
        if outside(found.start()) and _LETTER.search(found[0]) is not None:
            yield Span(found.start(), found.end(), found[0])

"""A piece of a text and where it stands, in code points and in the UTF-16 units that JavaScript counts."""

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

_ASTRAL = re.compile(r"[\U00010000-\U0010FFFF]")


class Placed(Protocol):
    """Anything that stands at ``[start, end)`` of a text."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Span:
    """A slice of a post: ``text`` is what stands at code points ``[start, end)``."""

    start: int
    end: int
    text: str


def utf16_length(text: str) -> int:
    """How many UTF-16 units ``text`` takes; a lone surrogate is one."""
    return len(text) + len(_ASTRAL.findall(text))


def utf16_offset(text: str, index: int) -> int:
    """The UTF-16 offset of the code point at ``index``."""
    return utf16_length(text[:index])


def utf16_indices(text: str, span: Placed) -> tuple[int, int]:
    """``[start, end)`` of ``span`` in UTF-16 units, as browsers and twitter-text count."""
    start = utf16_offset(text, span.start)
    return start, start + utf16_length(text[span.start : span.end])


def begins_outside(spans: tuple[Span, ...]) -> Callable[[int], bool]:
    """A test of positions: true where none of ``spans`` (in order, apart from each other) stands."""
    starts = [span.start for span in spans]

    def outside(index: int) -> bool:
        before = bisect_right(starts, index) - 1
        return before < 0 or spans[before].end <= index

    return outside

"""X's rules for the text of a post: its weight, its links, its mentions and cashtags."""

import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from html import escape
from importlib import resources
from types import ModuleType
from typing import Any, NamedTuple

MAX_WEIGHT = 280
MAX_WEIGHT_PREMIUM = 25_000

_MAYBE_LINK = re.compile(r"\.[A-Za-z]|://")
# No host name is this long, and the parser's time grows with the square of such a run.
_ENDLESS_HOST = re.compile(r"[\w.\-]{254,}")
_INVALID = re.compile("[\ufffe\ufeff\uffff]")
_MENTION = re.compile(r"(?<![A-Za-z0-9_!#$%&*@＠])[@＠]([A-Za-z0-9_]{1,20})(?![@＠A-Za-z0-9_])")
_HASHTAG = re.compile(r"(?<![\w&])[#＃](?!\d+\b)(\w*[^\W\d]\w*)")
# One ticker per post: "$" and 1-6 letters, perhaps "._" and 1-2 more (twitter-text's cashtag rule).
_CASHTAG = re.compile(r"(?:^|(?<=\s))\$([A-Za-z]{1,6}(?:[._][A-Za-z]{1,2})?)(?=$|\s|[!-#%-*,-./:;?@\[-_{}])")


class Span(NamedTuple):
    """Something found in a text, in code points."""

    start: int
    end: int
    value: str


class Weighed(NamedTuple):
    """A text's weight as X counts it, whether its characters are allowed, and the links in it."""

    weight: int
    valid: bool
    links: tuple[Span, ...]


def normal(text: str, *, trim: bool) -> str:
    """The text as X keeps it: NFC, ``\\n`` line ends, and (unsure, hence the switch) no outer whitespace."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text.strip() if trim else text


def weigh(text: str) -> Weighed:
    """Weigh a normal text. Plain ASCII without anything like a link needs no parser."""
    if text.isascii() and not _MAYBE_LINK.search(text):
        return Weighed(len(text), True, ())
    return _parse(text)


def _parse(text: str) -> Weighed:
    weight, links = _parser()(text)
    return Weighed(weight, not _INVALID.search(text), links)


def mentions(text: str) -> list[Span]:
    """The handles named, without the sign."""
    return (
        [Span(m.start(), m.end(), m[1]) for m in _MENTION.finditer(text)]
        if "@" in text or "＠" in text
        else []
    )


def hashtags(text: str) -> list[Span]:
    """The hashtags, without the sign."""
    return (
        [Span(m.start(), m.end(), m[1]) for m in _HASHTAG.finditer(text)]
        if "#" in text or "＃" in text
        else []
    )


def cashtags(text: str) -> list[Span]:
    """The tickers, without the sign."""
    return [Span(m.start(), m.end(), m[1]) for m in _CASHTAG.finditer(text)] if "$" in text else []


def wire(text: str) -> str:
    """X answers with ``& < >`` escaped and quotes as they are."""
    return escape(text, quote=False)


@cache
def _parser() -> Callable[[str], tuple[int, tuple[Span, ...]]]:
    """twitter-text-parser, imported at the first text that needs it: it costs time and memory."""
    with _lent_pkg_resources():
        from twitter_text import extract_urls_with_indices, parse_tweet

    def parse(text: str) -> tuple[int, tuple[Span, ...]]:
        text = _ENDLESS_HOST.sub(lambda run: run[0].replace(".", " "), text)
        found: list[dict[str, Any]] = extract_urls_with_indices(text)
        return parse_tweet(text).weightedLength, tuple(
            Span(f["indices"][0], f["indices"][1], f["url"]) for f in found
        )

    return parse


@contextmanager
def _lent_pkg_resources() -> Iterator[None]:
    """Stand in for ``pkg_resources`` while twitter-text-parser loads.

    Its release 3.0 reads one data file with that part of setuptools, which setuptools no longer ships.
    """
    if "pkg_resources" in sys.modules:
        yield
        return
    lent = ModuleType("pkg_resources")
    lent.__dict__["resource_string"] = lambda package, name: (
        resources.files(package.rpartition(".")[0]).joinpath(name).read_bytes()
    )
    sys.modules["pkg_resources"] = lent
    try:
        yield
    finally:
        del sys.modules["pkg_resources"]

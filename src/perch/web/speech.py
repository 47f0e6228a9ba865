"""A post's text as readers will see it: links to follow, names and tags marked. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from perch.text import Span, find_cashtags, find_hashtags, find_mentions, find_urls


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text. ``href`` makes it a link, ``marked`` a name or a tag."""

    text: str
    href: str = ""
    marked: bool = False


def pieces(text: str) -> tuple[Piece, ...]:
    """The text cut at its links and tags; put together again it is the text."""
    return tuple(_cut(text))


def _cut(text: str) -> Iterator[Piece]:
    urls = {(span.start, span.end) for span in find_urls(text)}
    at = 0
    for start, end in _places(text, urls):
        if start < at:
            continue
        if start > at:
            yield Piece(text[at:start])
        found = text[start:end]
        yield Piece(found, href=_href(found)) if (start, end) in urls else Piece(found, marked=True)
        at = end
    if at < len(text):
        yield Piece(text[at:])


def _places(text: str, urls: set[tuple[int, int]]) -> list[tuple[int, int]]:
    marks: list[Span] = [*find_hashtags(text), *find_cashtags(text)]
    return sorted(
        urls
        | {(span.start, span.end) for span in marks}
        | {(mention.start, mention.end) for mention in find_mentions(text)}
    )


def _href(url: str) -> str:
    has_scheme = url.lower().startswith(("http://", "https://"))
    return url if has_scheme else f"https://{url}"

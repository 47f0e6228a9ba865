"""X's rules for a post, checked before it is accepted. Pure: facts in, findings out."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from perch.media.models import MediaKind
from perch.posts.findings import Finding, Severity
from perch.text import find_cashtags, weigh

POST_LIMIT = 280
LONG_POST_LIMIT = 25_000
ALT_TEXT_LIMIT = 1000
MOST_PICTURES = 4
LONGEST_THREAD = 100
LONGEST_READ = 50_000
"""Characters. Twice what any post may have; counting a megabyte of links would keep everybody waiting."""
# PostgreSQL keeps no U+0000 and UTF-8 no half of a character, whatever X would say to them.
_NOT_KEPT = re.compile(r"[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Card:
    """The facts of one card that rules look at."""

    text: str
    kinds: tuple[MediaKind, ...] = ()
    alt_texts: tuple[str, ...] = ()


def check(cards: Sequence[Card], *, long_posts: bool = False) -> tuple[Finding, ...]:
    """Every finding, in the order of the cards. ``long_posts``: the account may write 25,000 characters."""
    findings = [
        finding for position, card in enumerate(cards) for finding in _card(card, position, long_posts)
    ]
    if not cards:
        findings.append(_error("X009", "There is nothing to post.", "Write a text or add a picture.", 0))
    if len(cards) > LONGEST_THREAD:
        findings.append(
            _error("X010", f"A thread may have {LONGEST_THREAD} posts at most.", "Make two threads of it.", 0)
        )
    return tuple(findings)


def _card(card: Card, position: int, long_posts: bool) -> Iterator[Finding]:
    if not card.text.strip() and not card.kinds:
        yield _error("X009", "There is nothing to post.", "Write a text or add a picture.", position)
    yield from _text(card.text, position, LONG_POST_LIMIT if long_posts else POST_LIMIT)
    yield from _media(card, position)


def _text(text: str, position: int, limit: int) -> Iterator[Finding]:
    if len(text) > LONGEST_READ:
        yield _error(
            "X006",
            f"The text has {len(text)} characters, far over X's limit of {limit}.",
            "Cut it or make it a thread.",
            position,
        )
        return
    weight = weigh(text, limit=limit)
    if weight.weighted_length > limit:
        over = weight.weighted_length - limit
        yield _error(
            "X006",
            f"The text is {over} over X's limit of {limit}.",
            f"Cut {over} or make it a thread.",
            position,
        )
    invalid = {*weight.invalid_characters, *(match.start() for match in _NOT_KEPT.finditer(text))}
    if invalid:
        yield _error(
            "X008",
            f"Character {min(invalid) + 1} is one that X does not accept.",
            "Delete it and type it again.",
            position,
        )
    if len(find_cashtags(text)) > 1:
        yield _error(
            "X001",
            "X allows one cashtag in a post.",
            "Keep one, and write the others without the $ sign.",
            position,
        )


def _media(card: Card, position: int) -> Iterator[Finding]:
    pictures = card.kinds.count(MediaKind.IMAGE)
    others = len(card.kinds) - pictures
    if pictures > MOST_PICTURES or others > 1 or (others and pictures):
        yield _error(
            "X007",
            "X takes up to four pictures, or one GIF, or one video.",
            "Remove what is too much, or put it on another post.",
            position,
        )
    if any(len(alt_text) > ALT_TEXT_LIMIT for alt_text in card.alt_texts):
        yield _error(
            "X011",
            f"A description may have {ALT_TEXT_LIMIT} characters.",
            "Shorten the description.",
            position,
        )
    if any(_NOT_KEPT.search(alt_text) for alt_text in card.alt_texts):
        yield _error(
            "X008",
            "A description holds half of a character, or one that is no character.",
            "Type the description again.",
            position,
        )


def _error(rule: str, sentence: str, fix: str, position: int) -> Finding:
    return Finding(rule, Severity.ERROR, sentence, fix, position)

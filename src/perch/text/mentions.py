"""Accounts and lists that a text names with an at sign."""

from collections.abc import Iterator
from dataclasses import dataclass

import regex

from perch.text.alphabet import LATIN_ACCENTS, SPACES
from perch.text.spans import begins_outside
from perch.text.urls import find_urls

_NAME = r"[@＠](?P<screen_name>[A-Za-z0-9_]{1,20}+)"
# Not a mention when an e-mail address, a longer foreign name or a scheme goes on behind it.
_DONE = rf"(?![@＠{LATIN_ACCENTS}]|://)"
_FREE = r"(?<![A-Za-z0-9_!#$%&*@＠])"
_RETWEET = r"(?<=[Rr][Tt])(?<![A-Za-z0-9_+~.\-][Rr][Tt])"
_MENTION = regex.compile(
    rf"(?:{_FREE}|{_RETWEET}){_NAME}(?P<list_slug>/[A-Za-z][A-Za-z0-9_\-]{{0,24}}+)?+{_DONE}"
)
_REPLY = regex.compile(rf"[{SPACES}]*+{_NAME}{_DONE}")


@dataclass(frozen=True, slots=True)
class Mention:
    """``@screen_name`` or ``@screen_name/list_slug`` at code points ``[start, end)``, the sign included.

    ``list_slug`` is empty for an account.
    """

    start: int
    end: int
    screen_name: str
    list_slug: str


def find_mentions(text: str) -> tuple[Mention, ...]:
    """The accounts ``text`` mentions, in order; an at sign inside a link mentions nobody."""
    return tuple(mention for mention in _all(text) if not mention.list_slug)


def find_lists(text: str) -> tuple[Mention, ...]:
    """The lists ``text`` names as ``@owner/list``, in order."""
    return tuple(mention for mention in _all(text) if mention.list_slug)


def find_reply(text: str) -> str | None:
    """The screen name that ``text`` begins with, if it does: X shows such a post to fewer people."""
    reply = _REPLY.match(text)
    return reply["screen_name"] if reply is not None else None


def _all(text: str) -> Iterator[Mention]:
    if "@" not in text and "＠" not in text:
        return
    outside = begins_outside(find_urls(text))
    for found in _MENTION.finditer(text):
        if outside(found.start()):
            slug = (found["list_slug"] or "").removeprefix("/")
            yield Mention(found.start(), found.end(), found["screen_name"], slug)

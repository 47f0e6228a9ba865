"""Emoji in running text, by Unicode's own grammar (UTS #51), so that an emoji of next year is one too."""

from collections.abc import Iterator

import regex

# Without a variation selector © and ® are letters; a text selector (U+FE0E) turns any emoji into one.
_PICTURE = r"(?:[\p{Emoji}&&\p{Extended_Pictographic}--[©®]](?:\uFE0F|(?!\uFE0E))|[©®]\uFE0F)"
_PERSON = r"\p{Emoji_Modifier_Base}\p{Emoji_Modifier}"
_ELEMENT = rf"(?:{_PERSON}|{_PICTURE})"
_FLAG = r"\p{Regional_Indicator}{2}"
_KEYCAP = r"[0-9#*]\uFE0F?\u20E3"
# A flag of a part of a country spells its code (at most six letters and digits) in tags.
_TAGGED = rf"{_ELEMENT}[\U000E0030-\U000E0039\U000E0061-\U000E007A]{{1,6}}\U000E007F"
# Unicode recommends no sequence of more than four, and X counts by such a list.
_JOINED = rf"{_ELEMENT}(?:\u200D{_ELEMENT}){{0,3}}"
_EMOJI = regex.compile(rf"{_FLAG}|{_KEYCAP}|{_TAGGED}|{_JOINED}", regex.V1)


def find_emoji(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """``[start, end)`` of every emoji, a joined, toned, keycap or flag sequence being one."""
    return (match.span() for match in _EMOJI.finditer(text, start, len(text) if end is None else end))

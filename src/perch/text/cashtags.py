"""Cashtags in running text: ``$TICKER``, of which X allows one in a post."""

import re

from perch.text.alphabet import DIRECTIONAL_MARKS, PUNCTUATION, SPACES
from perch.text.spans import Span

_CASHTAG = re.compile(
    rf"(?<![^{SPACES}{DIRECTIONAL_MARKS}])\$[A-Za-z]{{1,6}}(?:[._][A-Za-z]{{1,2}})?(?=$|\s|[{PUNCTUATION}])"
)


def find_cashtags(text: str) -> tuple[Span, ...]:
    """Every cashtag in order, sign included: one to six letters, perhaps a share class as in ``$BRK.B``."""
    return tuple(Span(found.start(), found.end(), found[0]) for found in _CASHTAG.finditer(text))

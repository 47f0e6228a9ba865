"""One spelling for texts that mean the same: what Perch sends, and what it compares."""

import unicodedata
from itertools import pairwise

import regex

# Canonical ordering sorts a run of marks in quadratic time; no language needs more than thirty (UAX #15, 13).
_TOO_MANY_MARKS = regex.compile(r"\P{Canonical_Combining_Class=0}{30}")


def composed(text: str) -> str:
    """``text`` in NFC, as X counts it; a run of more than thirty combining marks is composed in pieces."""
    if text.isascii():
        return text
    cuts = [0, *(run.end() for run in _TOO_MANY_MARKS.finditer(text)), len(text)]
    return "".join(unicodedata.normalize("NFC", text[start:end]) for start, end in pairwise(cuts))


def outgoing(text: str) -> str:
    r"""The text as Perch sends it: ``\n`` ends a line and nothing blank stands around it.

    X is seen to trim the ends itself, and a ``\r\n`` would weigh 2 where people see one line end. Nothing
    else is touched, so what is shown before publishing is what is published.
    """
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def normalised(text: str, *, unescape: bool = False) -> str:
    """A spelling for comparing texts: ``outgoing`` in NFC.

    ``unescape`` undoes the three entities of a text that X gave back, and only those: a link may well hold
    ``&copy=`` without meaning a sign.
    """
    if unescape:
        text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return composed(outgoing(text))

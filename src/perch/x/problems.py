"""What X says when it says no, in any of the shapes it uses.

Problem documents (RFC 9457, https://docs.x.com/x-api/fundamentals/response-codes-and-errors), the same with
an ``errors`` array, the older ``errors`` array of codes, OAuth's ``error`` and ``error_description``
(RFC 6749 section 5.2), ``code`` and ``message``, and what the edge in front of X sends, HTML or nothing.
The body decides, never the content type: X sends problems under several.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from perch.x import members
from perch.x.members import JsonObject
from perch.x.wire import Answer

_LONGEST_WORDS = 500
_HTML_TITLE = re.compile(rb"<title[^>]*>([^<]{1,300})</title", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
# Shape B explains itself in its errors and keeps this sentence, which explains nothing, for its detail.
_EMPTY_PHRASE = "one or more parameters to your request was invalid"


class Speaker(StrEnum):
    """Who answered, judged by the body."""

    X = "x"
    EDGE = "edge"
    """An HTML page or other body that is none of X's shapes: the edge, or a proxy on the way."""
    NOBODY = "nobody"
    """An empty body."""


@dataclass(frozen=True, slots=True)
class Problem:
    """X's own words about a refusal, and what can be told apart by more than words.

    ``type`` is the last segment of the problem's URI (X serves the same ones from two hosts), ``codes`` are
    those of the older API, ``parameters`` the names X found at fault, ``error`` is OAuth's code.
    ``speaker`` says whether X's application answered at all.
    """

    words: str
    title: str = ""
    type: str = ""
    codes: tuple[int, ...] = ()
    parameters: tuple[str, ...] = ()
    reason: str = ""
    error: str = ""
    speaker: Speaker = Speaker.X

    @classmethod
    def of(cls, answer: Answer) -> "Problem":
        """Read any answer whatsoever; never raises."""
        document = members.parse_object(answer.body)
        if document is None or not document.keys() & _KNOWN_MEMBERS:
            return _foreign(answer)
        return cls.in_document(document)

    @classmethod
    def in_document(cls, document: JsonObject) -> "Problem":
        """Read a JSON object that X sent, or one entry of its ``errors``."""
        errors = members.children(document, "errors")
        numbers = (members.number(source, "code") for source in (document, *errors))
        return cls(
            words=_clean(_words(document, errors)),
            title=members.text(document, "title") or "",
            type=(members.text(document, "type") or "").rstrip("/").rpartition("/")[2],
            codes=tuple(code for code in numbers if code is not None),
            parameters=tuple(name for entry in errors for name in _parameters(entry)),
            reason=members.text(document, "reason") or "",
            error=members.text(document, "error") or "",
        )


_KNOWN_MEMBERS = frozenset({"title", "detail", "type", "errors", "error", "message", "code"})


def _words(document: JsonObject, errors: Sequence[JsonObject]) -> str:
    detail = members.text(document, "detail", "error_description", "message") or ""
    messages = [members.text(entry, "message", "detail", "title") or "" for entry in errors]
    said = "; ".join(message for message in messages if message)
    if said and (not detail or detail.lower().startswith(_EMPTY_PHRASE)):
        return said
    named = detail or members.text(document, "title", "error", "type")
    return named or f"code {members.number(document, 'code')}"


def _parameters(entry: JsonObject) -> tuple[str, ...]:
    named = members.text(entry, "parameter")
    return (*members.child(entry, "parameters"), *((named,) if named else ()))


def _foreign(answer: Answer) -> Problem:
    status = f"HTTP {answer.status}"
    if not answer.body.strip():
        return Problem(f"nothing but {status}", speaker=Speaker.NOBODY)
    if 200 <= answer.status < 300:
        # A success may hold tokens, and its words end up in exceptions: never quote it.
        return Problem(f"{status} and a body that cannot be used", speaker=Speaker.EDGE)
    title = _HTML_TITLE.search(answer.body)
    if title:
        return Problem(f"{status} and a web page titled “{_decode(title[1])}”", speaker=Speaker.EDGE)
    start = _decode(answer.body[:80])
    return Problem(f"{status} and a body that is not X's: “{start}”", speaker=Speaker.EDGE)


def _decode(words: bytes) -> str:
    return _clean(words.decode(errors="replace"))


def _clean(words: str) -> str:
    # X's words end up in logs and on pages: one line, no direction marks, no end in sight cut off.
    single = _UNPRINTABLE.sub(" ", words).strip()
    return single if len(single) <= _LONGEST_WORDS else single[: _LONGEST_WORDS - 1] + "…"

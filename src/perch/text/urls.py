"""Links in running text, found as X finds them: with or without a scheme, in time linear in the text.

The grammar is twitter-text's (``extractUrl``), whose regular expression tries every split of every word again
and again. Here a *chain*, a longest row of labels that each end with a dot, is read once, and the last of its
dots that a top-level domain follows decides.
"""

from collections.abc import Iterator
from dataclasses import dataclass

# Not the standard library's: in Python 3.11.2 its possessive groups stop too early.
import regex

from perch.text.alphabet import CYRILLIC, INVALID, LATIN_ACCENTS, NOT_A_LETTER, NOT_IN_LABEL
from perch.text.domains import ascii_length, top_level_domain_end
from perch.text.spans import Span

MAX_URL_LENGTH = 4096
MAX_TCO_SLUG_LENGTH = 40
_SCHEMES = ("https://", "http://")

# A first look: no link is without a dot that a letter follows.
_DOT_AND_LETTER = regex.compile(r"\.[^\W\d_]")

_LABEL = rf"[^{NOT_A_LETTER}]++(?:[-_]++[^{NOT_A_LETTER}]++)*+"
_ROW_OF_LABELS = rf"[-_]*+(?P<labels>(?:{_LABEL}\.)++)"
_CHAIN_HERE = regex.compile(_ROW_OF_LABELS)
_CHAIN = regex.compile(rf"(?<![^{NOT_IN_LABEL}.]){_ROW_OF_LABELS}")
_NOT_BEFORE_A_LINK = rf"A-Za-z0-9@＠$#＃{INVALID}"
_FIRST_LETTER = regex.compile(rf"(?<=[^{_NOT_BEFORE_A_LINK}])[^{NOT_A_LETTER}]")
_MAY_PRECEDE = regex.compile(rf"[^{_NOT_BEFORE_A_LINK}]")
_NOT_BEFORE_A_BARE_LINK = frozenset("-_./")
_ASCII_LABELS = regex.compile(rf"(?:[-A-Za-z0-9{LATIN_ACCENTS}]++\.)++")

_WORD = rf"A-Za-z0-9{CYRILLIC}{LATIN_ACCENTS}=_#/+\-"
_MARKS = r"!*';:,.$%\[\]\u2013~@|&"
_IN_PARENTHESES = rf"[{_WORD}{_MARKS}]"
# As in Wikipedia's "Primer_(film)", with at most one more pair inside.
_PARENTHESES = rf"\((?:{_IN_PARENTHESES}++\)|{_IN_PARENTHESES}*+\({_IN_PARENTHESES}++\){_IN_PARENTHESES}*+\))"
# A path ends with a word character, or with parentheses that no mark parts from one.
_PATH = rf"/(?:[{_WORD}]|{_PARENTHESES}|[{_MARKS}]++(?:[{_MARKS}]|{_PARENTHESES})*+[{_WORD}])*+"
_QUERY = r"\?(?:[!?*'@();:+$%\[\].,~|]*+[A-Za-z0-9\-_&=#/])++"
_TAIL = regex.compile(rf"(?::[0-9]++)?+(?P<path>{_PATH})?+(?:{_QUERY})?+")
_TCO = regex.compile(rf"https?://t\.co/(?P<slug>[A-Za-z0-9]++)(?:{_QUERY})?+", regex.IGNORECASE | regex.ASCII)


@dataclass(frozen=True, slots=True)
class _Ending:
    """A dot with a top-level domain behind it; ``spoilt`` by an underscore in the name before it."""

    dot: int
    end: int
    spoilt: bool


@dataclass(frozen=True, slots=True)
class _Candidate:
    """What the grammar takes for a link, before the rules about lengths and neighbours."""

    text: str
    start: int
    host: int
    host_end: int
    path: bool
    end: int

    @property
    def bare(self) -> bool:
        return self.start == self.host


def find_urls(text: str) -> tuple[Span, ...]:
    """Every link of ``text`` in order, in code points: what X would turn into t.co links."""
    if _DOT_AND_LETTER.search(text) is None:
        return ()
    return tuple(span for candidate in _candidates(text) for span in _links(candidate))


def _candidates(text: str) -> Iterator[_Candidate]:
    taken = 0
    chain = _CHAIN.search(text)
    while chain is not None:
        begin, end = chain.span("labels")
        endings = tuple(_endings(text, begin, end))
        candidate = _candidate(text, begin, end, taken, endings) if endings else None
        if candidate is not None:
            yield candidate
            taken = candidate.end
        for ending in endings:
            if ending.spoilt and ending.dot >= taken:
                taken = _tail(text, ending.end).end()
        chain = _CHAIN.search(text, end) if taken < end else _chain_after(text, taken)


def _chain_after(text: str, taken: int) -> regex.Match[str] | None:
    """The next chain; the character at ``taken`` can only stand before a link, even inside a word."""
    return _CHAIN_HERE.match(text, taken + 1) or _CHAIN.search(text, taken + 1)


def _tail(text: str, host_end: int) -> regex.Match[str]:
    tail = _TAIL.match(text, host_end)
    assert tail is not None, "every part of a tail may be absent"
    return tail


def _endings(text: str, begin: int, end: int) -> Iterator[_Ending]:
    label = begin
    while label < end:
        dot = text.index(".", label)
        tld_end = top_level_domain_end(text, dot + 1)
        if tld_end is not None:
            yield _Ending(dot, tld_end, spoilt="_" in text[label:dot])
        label = dot + 1


def _candidate(
    text: str, begin: int, end: int, taken: int, endings: tuple[_Ending, ...]
) -> _Candidate | None:
    ending = next((ending for ending in reversed(endings) if not ending.spoilt), None)
    scheme = _scheme(text, begin, taken)
    host = begin if scheme else _first_letter(text, begin, end, taken)
    if ending is None or host is None or host >= ending.dot:
        return None
    tail = _tail(text, ending.end)
    return _Candidate(text, host - scheme, host, ending.end, tail["path"] is not None, tail.end())


def _scheme(text: str, begin: int, taken: int) -> int:
    """The length of the scheme before ``begin``, 0 without one or when what precedes it forbids a link."""
    before = text[max(0, begin - len(_SCHEMES[0])) : begin].lower()
    length = next((len(scheme) for scheme in _SCHEMES if before.endswith(scheme)), 0)
    start = begin - length
    free = start == 0 or (start > taken and _MAY_PRECEDE.match(text, start - 1) is not None)
    return length if free else 0


def _first_letter(text: str, begin: int, end: int, taken: int) -> int | None:
    """Where a bare link can begin: after a character that may precede one, or where the text does."""
    found = _FIRST_LETTER.search(text, max(begin, taken + 1 if taken else 0), end)
    if begin == 0 == taken and (found is None or found.start() > 1):
        return 0
    return found.start() if found is not None else None


def _links(candidate: _Candidate) -> Iterator[Span]:
    if not _fits(candidate):
        return
    if not candidate.bare:
        yield from _link_with_scheme(candidate)
    elif candidate.text[candidate.start - 1 : candidate.start] not in _NOT_BEFORE_A_BARE_LINK:
        yield from _bare_links(candidate)


def _fits(candidate: _Candidate) -> bool:
    octets = ascii_length(candidate.text[candidate.host : candidate.host_end])
    if octets is None:
        return False
    implied = len(_SCHEMES[0]) if candidate.bare else 0
    spelled = candidate.end - candidate.start - (candidate.host_end - candidate.host)
    return implied + spelled + octets <= MAX_URL_LENGTH


def _link_with_scheme(candidate: _Candidate) -> Iterator[Span]:
    start, end = candidate.start, candidate.end
    tco = _TCO.match(candidate.text, start, end)
    if tco is not None:
        if len(tco["slug"]) > MAX_TCO_SLUG_LENGTH:
            return
        end = tco.end()
    yield Span(start, end, candidate.text[start:end])


def _bare_links(candidate: _Candidate) -> Iterator[Span]:
    """The ASCII domains of a bare host; the last one takes the path, and a query only along with a path."""
    spans = tuple(_ascii_domains(candidate))
    for start, end in spans[:-1]:
        yield Span(start, end, candidate.text[start:end])
    for start, end in spans[-1:]:
        last = candidate.end if candidate.path else end
        yield Span(start, last, candidate.text[start:last])


def _ascii_domains(candidate: _Candidate) -> Iterator[tuple[int, int]]:
    text, at = candidate.text, candidate.host
    while (labels := _ASCII_LABELS.search(text, at, candidate.host_end)) is not None:
        endings = tuple(_endings(text, *labels.span()))
        if endings:
            yield labels.start(), endings[-1].end
        at = max([labels.end(), *(ending.end for ending in endings[-1:])])

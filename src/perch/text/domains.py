"""Domain names in running text: which endings are top-level domains, which names DNS could carry."""

from collections import defaultdict
from encodings import idna as idna2003
from importlib import resources

import regex
import tld

from perch.text.retired import RETIRED_TOP_LEVEL_DOMAINS


def _delegated() -> frozenset[str]:
    """Every top-level domain in Unicode spelling.

    The Public Suffix List, whose ICANN half follows IANA's root zone, is bundled in the `tld` package. Its
    file is read directly because the package's own loader goes to the network when it finds none.
    """
    suffixes = resources.files(tld).joinpath("res/effective_tld_names_public_only.dat.txt").read_text("utf-8")
    icann, _, _ = suffixes.partition("// ===END ICANN DOMAINS===")
    rules = (line.split()[0] for line in icann.splitlines() if line and not line.startswith("//"))
    return frozenset(rule.rpartition(".")[2] for rule in rules)


def _by_first_letter(names: frozenset[str]) -> dict[str, tuple[str, ...]]:
    sharing: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(names, key=len, reverse=True):
        sharing[name[0]].append(name)
    return {letter: tuple(longest_first) for letter, longest_first in sharing.items()}


TOP_LEVEL_DOMAINS = _delegated() | RETIRED_TOP_LEVEL_DOMAINS
_ASCII = frozenset(filter(str.isascii, TOP_LEVEL_DOMAINS))
_INTERNATIONAL = _by_first_letter(TOP_LEVEL_DOMAINS - _ASCII)

_ASCII_ENDING = regex.compile(r"[0-9A-Za-z]++(?![@+\-])")
_PUNYCODE_ENDING = regex.compile(r"[Xx][Nn]--[-0-9A-Za-z]++")
_GOES_ON = regex.compile(r"[0-9A-Za-z@+\-]")
# RFC 3490 section 3.1: these four separate labels.
_LABEL_SEPARATOR = regex.compile(r"[.\u3002\uFF0E\uFF61]")
_LONGEST_LABEL = 63


def top_level_domain_end(text: str, start: int) -> int | None:
    """Where the top-level domain at ``start`` ends; None when there is none."""
    ascii_ending = _ASCII_ENDING.match(text, start)
    if ascii_ending is not None and ascii_ending[0].lower() in _ASCII:
        return ascii_ending.end()
    punycode = _PUNYCODE_ENDING.match(text, start)
    return punycode.end() if punycode is not None else _international_end(text, start)


def _international_end(text: str, start: int) -> int | None:
    for name in _INTERNATIONAL.get(text[start : start + 1].lower(), ()):
        end = start + len(name)
        if text[start:end].lower() == name and _GOES_ON.match(text, end) is None:
            return end
    return None


def ascii_length(domain: str) -> int | None:
    """How long ``domain`` is as DNS spells it; None when a label is empty, over 63 octets or not encodable.

    IDNA 2003 (RFC 3490) on purpose: X links `✪df.ws`, which IDNA 2008 forbids.
    """
    labels = _LABEL_SEPARATOR.split(domain)
    if any(len(label) > _LONGEST_LABEL for label in labels):
        return None
    try:
        return sum(len(idna2003.ToASCII(label)) for label in labels) + len(labels) - 1
    except UnicodeError:
        return None

"""A post's story, in words: a sentence for every kind of line that is ever written."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from perch.budget.prices import Price
from perch.posts import chain

_Fact = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the story."""

    at: datetime
    kind: str
    sentence: str


def story(lines: Iterable[chain.Line], *, is_thread: bool = False) -> Iterator[Line]:
    """Every line, with what one alone cannot say: the card of a thread, and how long X was silent."""
    sent_at: datetime | None = None
    armed: int | None = None
    for line in lines:
        sentence = tell(line.kind, line.detail)
        card = json.loads(line.detail).get("card")
        if line.kind == "armed":
            armed = card
        if line.kind == "sent":
            sent_at, card = line.at, card or armed
        if line.kind == "unknown" and sent_at is not None:
            sentence = f"no clear answer {_silence((line.at - sent_at).total_seconds())}: {sentence}"
        names_card = is_thread and card and line.kind not in _NAMING_CARDS
        yield Line(line.at, line.kind, f"card {card}: {sentence}" if names_card else sentence)


def tell(kind: str, detail: str) -> str:
    """The sentence for a line. Unknown kinds, from a newer Perch, are shown by name."""
    facts = json.loads(detail)
    teller = _TELLERS.get(kind)
    return teller(facts) if teller else kind.replace("_", " ")


def _queued(facts: _Fact) -> str:
    return f"queued by {facts['name']}, {Price(facts['price_micros']).show()}{_moved(facts)}"


def _moved(facts: _Fact) -> str:
    """How the time differs from the one that was asked for."""
    parts = [f". {facts['shift'].rstrip('.')}"] if facts.get("shift") else []
    if seconds := facts.get("jitter_s"):
        way = "later" if seconds > 0 else "earlier"
        parts.append(f", {_count(max(1, round(abs(seconds) / 60)), 'minute')} {way} by chance")
    return "".join(parts)


def _rescheduled(facts: _Fact) -> str:
    if facts["due_at"] is None:
        return f"made a draft by {facts['name']}"
    return f"moved to {_utc(facts['due_at'])} by {facts['name']}{_moved(facts)}"


def _utc(instant: str) -> str:
    return f"{datetime.fromisoformat(instant).astimezone(UTC):%d %b %Y %H:%M} UTC".lstrip("0")


def _span(minutes: int) -> str:
    return _count(minutes, "minute") if minutes < 120 else _count(round(minutes / 60), "hour")


def _drafted(facts: _Fact) -> str:
    return f"kept as a draft by {facts['name']}"


def _armed(facts: _Fact) -> str:
    parts = [_count(facts["characters"], "character")]
    parts += [
        _count(facts[name], word) for name, word in (("links", "link"), ("media", "file")) if facts[name]
    ]
    return f"armed: {', '.join(parts)}, {Price(facts['price_micros']).show()} reserved"


def _answered(facts: _Fact) -> str:
    return f"X answered {facts['status']}: live as {facts['x_post_id']}"


def _recorded(facts: _Fact) -> str:
    return f"recorded, {Price(facts['spent_micros']).show()} spent"


def _sentence(facts: _Fact) -> str:
    return str(facts["sentence"])


def _settled(facts: _Fact) -> str:
    by = facts["name"]
    return {
        "found": f"{by} looked on X and found it, live as {facts.get('x_post_id')}",
        "send_again": f"{by} looked on X, it is not there: the same bytes go out again",
        "drop": f"{by} gave it up",
    }[facts["how"]]


def _looked(facts: _Fact) -> str:
    if facts["absences"]:
        return "looked on X: not there; one more look a little later proves it"
    return "looked on X: not there yet"


def _found(facts: _Fact) -> str:
    if facts["x_post_id"] is None:
        return "X says that it has it already: live, its address is not known"
    return f"looked on X: found live as {facts['x_post_id']}"


def _delete_asked(facts: _Fact) -> str:
    return f"{facts['name']} asked to delete {_count(facts['cards'], 'card')} on X"


def _deleted(facts: _Fact) -> str:
    if not facts["was_there"]:
        return "to be deleted, and no longer on X"
    spent = facts["spent_micros"]
    return "deleted on X" + (f", {Price(spent).show()} spent" if spent else "")


def _left(facts: _Fact) -> str:
    return f"left as it is by {facts['name']}, {_count(facts['unsent'], 'card')} not sent"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _silence(seconds: float) -> str:
    return "within a second" if seconds < 1 else f"after {seconds:.0f} s"


_TELLERS: Mapping[str, Callable[[_Fact], str]] = {
    "queued": _queued,
    "drafted": _drafted,
    "armed": _armed,
    "sent": lambda _facts: "sent",
    "answered": _answered,
    "recorded": _recorded,
    "waiting": lambda facts: f"waits: {facts['sentence']}",
    "paused": lambda facts: f"paused: {facts['sentence']}",
    "not_sent": _sentence,
    "login_refused": lambda _facts: "X refused the login; renewing it",
    "unknown": _sentence,
    "refused": _sentence,
    "looked": _looked,
    "look_failed": lambda facts: f"could not look on X: {facts['sentence']}",
    "found": _found,
    "absent": lambda _facts: "not there in two late looks: the same bytes go out again",
    "needs_you": lambda facts: f"needs you: {facts['sentence']}",
    "settled": _settled,
    "resumed": lambda facts: f"resumed by {facts['name']}",
    "continued": lambda facts: f"continued by {facts['name']}, from card {facts['card']} on",
    "left": _left,
    "delete_asked": _delete_asked,
    "deleted": _deleted,
    "delete_waits": lambda facts: f"not deleted yet: {facts['sentence']}",
    "delete_refused": lambda facts: f"not deleted: {facts['sentence']}",
    "edited": lambda facts: f"changed by {facts['name']}, {Price(facts['price_micros']).show()} now",
    "rescheduled": _rescheduled,
    "due_moved": lambda facts: f"the rules for {facts['zone']} changed: due at {_utc(facts['due_at'])} now",
    "late": lambda facts: f"{_span(facts['minutes'])} late: goes out at {_utc(facts['try_at'])}",
    "missed": lambda facts: f"missed: {_span(facts['minutes'])} late, so you are asked",
    "skipped": lambda facts: f"left out: {_span(facts['minutes'])} late",
    "withdrawn": lambda facts: f"withdrawn: {facts['name']} changed the recurring post it came from",
    "cancelled": lambda facts: f"cancelled by {facts['name']}",
}
_NAMING_CARDS = ("continued",)

KINDS = frozenset(_TELLERS)
"""Every kind of line there is."""

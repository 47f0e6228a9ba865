"""A line of a post's story, in words."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from perch.budget.prices import Price

_Fact = Mapping[str, Any]


def tell(kind: str, detail: str) -> str:
    """The sentence for an event. Unknown kinds, from a newer Perch, are shown by name."""
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
        "found": f"{by} looked on X and found it, id {facts.get('x_post_id')}",
        "send_again": f"{by} looked on X, it is not there: to be sent again",
        "drop": f"{by} dropped it",
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
        return f"card {facts['card']} was no longer on X"
    spent = facts["spent_micros"]
    return f"card {facts['card']} deleted on X" + (f", {Price(spent).show()} spent" if spent else "")


def _left(facts: _Fact) -> str:
    unsent = _count(facts["unsent"], "card")
    return f"left as it is by {facts['name']}; {unsent} {'was' if facts['unsent'] == 1 else 'were'} not sent"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


_TELLERS: Mapping[str, Callable[[_Fact], str]] = {
    "queued": _queued,
    "drafted": _drafted,
    "armed": _armed,
    "sent": lambda _facts: "sent",
    "answered": _answered,
    "recorded": _recorded,
    "waiting": _sentence,
    "paused": _sentence,
    "not_sent": _sentence,
    "login_refused": lambda _facts: "X refused the login; renewing it",
    "unknown": _sentence,
    "refused": _sentence,
    "looked": _looked,
    "look_failed": lambda facts: f"could not look on X: {facts['sentence']}",
    "found": _found,
    "absent": lambda _facts: "not on X in two late looks: the same bytes go out again",
    "needs_you": _sentence,
    "settled": _settled,
    "resumed": lambda facts: f"resumed by {facts['name']}",
    "continued": lambda facts: f"continued by {facts['name']}, from card {facts['card']} on",
    "left": _left,
    "delete_asked": _delete_asked,
    "deleted": _deleted,
    "delete_waits": lambda facts: f"not deleted yet: {facts['sentence']}",
    "delete_refused": lambda facts: f"not deleted: {facts['sentence']}",
    "cancelled": lambda facts: f"cancelled by {facts['name']}",
}

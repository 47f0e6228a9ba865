"""The verdict: what people were promised, against what X holds and what Perch believes. Pure."""

import hashlib
import json
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from chaos.rows import AttemptRow, CardRow, PostRow

ENDED = frozenset({"published", "refused", "cancelled", "expired"})
AT_REST = ENDED | {"needs_you", "partly_published", "missed"}
EARLY_MS = 1_000
Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A post that Perch said yes to, and what was done to it afterwards."""

    public_id: str
    username: str
    texts: tuple[str, ...]
    due_ms: int
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything a campaign leaves behind. ``troubled``: spans (ms) in which somebody died or stood still."""

    accepted: Sequence[Accepted]
    posts: Sequence[PostRow]
    cards: Sequence[CardRow]
    attempts: Sequence[AttemptRow]
    ledger: Sequence[Entry]
    requests: Sequence[Entry]
    ended: Mapping[str, str]
    troubled: Sequence[tuple[int, int]] = ()
    patience_ms: float = 600.0


@dataclass(slots=True)
class Verdict:
    """Findings by the invariant they break; the sentences say which post."""

    broken: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def find(self, invariant: str, sentence: str) -> None:
        self.broken[invariant].append(sentence)

    def count(self, *invariants: str) -> int:
        return sum(len(self.broken.get(name, ())) for name in invariants)

    @property
    def duplicates(self) -> int:
        return self.count("I1")

    @property
    def lost(self) -> int:
        return self.count("I2", "I3")

    @property
    def out_of_order(self) -> int:
        return self.count("I6")


def judge(evidence: Evidence) -> Verdict:
    """Every invariant that shows from outside."""
    verdict = Verdict()
    on_x = _by_text(evidence.ledger)
    cards = _by_post(evidence.cards)
    posts = {post.public_id: post for post in evidence.posts}
    for accepted in evidence.accepted:
        post = posts.get(accepted.public_id)
        if post is None or post.state not in AT_REST:
            verdict.find("I2", f"{accepted.public_id} is {post.state if post else 'gone'}")
            continue
        live = [on_x.get(card.text, []) for card in cards[accepted.public_id]]
        _as_written(verdict, accepted, cards[accepted.public_id])
        _once(verdict, accepted, live)
        _believed(verdict, accepted, post, cards[accepted.public_id], live)
        _in_order(verdict, accepted, live)
        _in_time(verdict, accepted, live)
    _nothing_else(verdict, evidence)
    _armed_first(verdict, evidence, on_x)
    _one_at_a_time(verdict, evidence)
    _ended_for_good(verdict, evidence, posts)
    return verdict


def _as_written(verdict: Verdict, accepted: Accepted, cards: Sequence[CardRow]) -> None:
    """X normalises texts, and so does Perch before it sends; nothing else may differ."""
    if [_nfc(card.text) for card in cards] != [_nfc(text) for text in accepted.texts]:
        verdict.find("I3", f"{accepted.public_id} is not the text that was accepted")


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _once(verdict: Verdict, accepted: Accepted, live: Sequence[list[Entry]]) -> None:
    for position, entries in enumerate(live):
        for extra in entries[1:]:
            verdict.find("I1", f"{accepted.public_id} card {position} is on X again as {extra['id']}")


def _believed(
    verdict: Verdict,
    accepted: Accepted,
    post: PostRow,
    cards: Sequence[CardRow],
    live: Sequence[list[Entry]],
) -> None:
    """A card has an id where and only where X has the post, unless a person is asked."""
    for card, entries in zip(cards, live, strict=True):
        name = f"{accepted.public_id} card {card.position} ({post.state}, {card.state})"
        ids = [entry["id"] for entry in entries]
        if card.x_post_id is not None and card.x_post_id not in ids:
            verdict.find("I3", f"{name} believes in {card.x_post_id}, X has {ids}")
        if any(entry["account"] != accepted.username for entry in entries):
            verdict.find("I3", f"{name} is on X for somebody else")
        if post.state == "published" and not entries:
            verdict.find("I3", f"{name} is not on X")
        if card.x_post_id is None and ids and card.state != "needs_you":
            verdict.find("wrong", f"{name} is on X as {ids}, and Perch does not know")
        if accepted.is_cancelled and ids:
            verdict.find("I5", f"{name} was cancelled and is on X")


def _in_order(verdict: Verdict, accepted: Accepted, live: Sequence[list[Entry]]) -> None:
    for position, entries in enumerate(live):
        parents = {entry["id"] for entry in live[position - 1]} if position else {None}
        for entry in entries:
            if entry["reply_to"] not in parents:
                verdict.find("I6", f"{accepted.public_id} card {position} replies to {entry['reply_to']}")


def _in_time(verdict: Verdict, accepted: Accepted, live: Sequence[list[Entry]]) -> None:
    for entry in live[0]:
        if entry["arrived_ms"] < accepted.due_ms - EARLY_MS:
            early = accepted.due_ms - entry["arrived_ms"]
            verdict.find("I8", f"{accepted.public_id} arrived {early} ms before it was due")


def _nothing_else(verdict: Verdict, evidence: Evidence) -> None:
    wanted = {card.text for card in evidence.cards}
    for entry in evidence.ledger:
        if entry["text"] not in wanted:
            verdict.find("I3", f"X has {entry['id']}, which nobody wrote")


def _armed_first(verdict: Verdict, evidence: Evidence, on_x: Mapping[str, Sequence[Entry]]) -> None:
    """As many armed rows as sends that X saw, each with the bytes that its hash says."""
    attempts = defaultdict(list)
    for attempt in evidence.attempts:
        attempts[attempt.segment_id].append(attempt)
        if hashlib.sha256(attempt.payload).hexdigest() != attempt.payload_sha256:
            verdict.find("I4", f"attempt {attempt.n} of card {attempt.segment_id} is not what was armed")
    for card in evidence.cards:
        mine = attempts[card.id]
        if len(on_x.get(card.text, ())) > len(mine):
            verdict.find("I4", f"{card.post} card {card.position} was sent more often than armed")
        if len({json.dumps(json.loads(attempt.payload).get("text")) for attempt in mine}) > 1:
            verdict.find("I4", f"{card.post} card {card.position} was armed with different texts")


def _one_at_a_time(verdict: Verdict, evidence: Evidence) -> None:
    """Of one account's sends the next begins after the one before, unless its sender died or gave up."""
    sends = defaultdict(list)
    for request in evidence.requests:
        if request["method"] == "POST" and request["path"] == "/2/tweets":
            sends[request["username"]].append(request)
    for username, mine in sends.items():
        mine.sort(key=lambda request: request["began_ms"])
        for before, after in pairwise(mine):
            if after["began_ms"] < before["at_ms"] and not _excused(evidence, before, after):
                verdict.find("I7", f"{username}: a send at {after['began_ms']} beside one in flight")


def _excused(evidence: Evidence, before: Entry, after: Entry) -> bool:
    if after["began_ms"] - before["began_ms"] >= evidence.patience_ms or before["fault"] == "late_commit":
        return True
    return any(begin <= after["began_ms"] and end >= before["began_ms"] for begin, end in evidence.troubled)


def _ended_for_good(verdict: Verdict, evidence: Evidence, posts: Mapping[str, PostRow]) -> None:
    for public_id, state in evidence.ended.items():
        if (now := posts.get(public_id)) is None or now.state != state:
            verdict.find("I10", f"{public_id} was {state} and is {now.state if now else 'gone'}")


def _by_text(ledger: Iterable[Entry]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in ledger:
        if not entry["deleted"]:
            found[entry["text"]].append(entry)
    return found


def _by_post(cards: Iterable[CardRow]) -> dict[str, list[CardRow]]:
    found: dict[str, list[CardRow]] = defaultdict(list)
    for card in sorted(cards, key=lambda card: card.position):
        found[card.post].append(card)
    return found


@dataclass(frozen=True, slots=True)
class Unknowns:
    """How the attempts without a verdict ended."""

    found: int
    absent: int
    asked: int

    @classmethod
    def of(cls, attempts: Iterable[AttemptRow]) -> "Unknowns":
        states = Counter(attempt.state for attempt in attempts)
        return cls(states["found"], states["absent"], states["needs_you"] + states["unknown"])

    @property
    def resolved(self) -> float:
        """The share that needed nobody."""
        total = self.found + self.absent + self.asked
        return (self.found + self.absent) / total if total else 1.0


def faulted(requests: Iterable[Entry]) -> float:
    """The share of sends that a fault was done to."""
    sends = [request for request in requests if (request["method"], request["path"]) == ("POST", "/2/tweets")]
    return sum(1 for request in sends if request["fault"]) / len(sends) if sends else 0.0

"""Whether every story is whole, and whether the rows of posts, cards and attempts agree with what is told."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from perch.db import Database
from perch.posts import chain, stories
from perch.posts.models import AttemptState, SegmentState
from perch.posts.stories import Card, Story, Try

_A_BATCH = 500  # posts, with all of their lines

GIVES_ID = ("answered", "found", "settled")
"""The kinds of line that say which id X gave to a card."""
SAID_OF: Mapping[AttemptState, tuple[str, ...]] = {
    AttemptState.ARMED: ("armed",),
    AttemptState.SENDING: ("armed",),
    AttemptState.OK: ("answered",),
    AttemptState.REJECTED: ("refused", "waiting", "paused", "login_refused", "needs_you"),
    AttemptState.NOT_SENT: ("not_sent", "waiting", "paused"),
    AttemptState.UNKNOWN: ("unknown",),
    AttemptState.FOUND: ("found", "settled"),
    AttemptState.ABSENT: ("absent", "settled"),
    AttemptState.NEEDS_YOU: ("needs_you", "unknown"),
}
"""The kinds of line of which each state of an attempt needs one."""


@dataclass(frozen=True, slots=True)
class Break:
    """Something that does not hold, of one post."""

    post: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, and what does not hold."""

    posts: int
    lines: int
    breaks: tuple[Break, ...]


async def verify(db: Database, public_id: str | None = None) -> AsyncIterator[Verified]:
    """Every post of every workspace, or the one with this id, a batch at a time."""
    last, batch = 0, _A_BATCH
    while True:
        try:
            async with db.snapshot() as session:
                found = await stories.after(session, last, batch, public_id)
            breaks = tuple(Break(one.public_id, said) for one in found for said in faults(one))
        except (TypeError, ValueError):
            # SQLite lets anything stand anywhere: the post that cannot be read is found one by one.
            if batch == 1:
                async with db.snapshot() as session:
                    last, name = await stories.next_named(session, last, public_id)
                yield Verified(1, 0, (Break(name, "something of it cannot be read at all"),))
            batch = _A_BATCH if batch == 1 else 1
            continue
        if not found:
            return
        last = found[-1].post_id
        yield Verified(len(found), sum(len(one.lines) for one in found), breaks)


def faults(story: Story) -> Iterator[str]:
    """What does not hold of one post, in sentences. Pure."""
    if broken := chain.fault(story.public_id, story.end, story.lines):
        yield broken
    told = _Told.of(story.lines)
    attempts: dict[int, list[Try]] = {}
    for attempt in story.attempts:
        attempts.setdefault(attempt.segment_id, []).append(attempt)
    for card in story.cards:
        yield from _attempts_told(card, attempts.get(card.id, []), told)
        yield from _card_told(card, told)
    yield from _ids_kept(story.cards, told)


@dataclass(frozen=True, slots=True)
class _Told:
    """The lines by kind and card. A line that names no card may be of any."""

    counts: Counter[tuple[str, int | None]]
    ids: Mapping[str, int | None]

    @classmethod
    def of(cls, lines: Iterable[chain.Line]) -> "_Told":
        facts = [(line.kind, _facts(line.detail)) for line in lines]
        counts = Counter((kind, detail.get("card")) for kind, detail in facts)
        given = [detail for kind, detail in facts if kind in GIVES_ID and detail.get("x_post_id")]
        return cls(counts, {detail["x_post_id"]: detail.get("card") for detail in given})

    def count(self, kinds: Iterable[str], card: int) -> int:
        return sum(self.counts[kind, card] + self.counts[kind, None] for kind in kinds)


def _facts(detail: str) -> Mapping[str, Any]:
    try:
        facts = json.loads(detail)
    except ValueError:
        return {}  # an altered line, of which the chain tells
    return facts if isinstance(facts, dict) else {}


def _attempts_told(segment: Card, attempts: Sequence[Try], told: _Told) -> Iterator[str]:
    card = segment.position + 1
    armed = told.count(("armed",), card)
    if armed != len(attempts):
        yield f"card {card} has {len(attempts)} attempts, and the story tells of {armed}"
    for state, count in Counter(AttemptState(one.state) for one in attempts).items():
        if told.count(SAID_OF[state], card) < count:
            yield f"no line says how an attempt of card {card} came to be {state.replace('_', ' ')}"


def _card_told(segment: Card, told: _Told) -> Iterator[str]:
    card = segment.position + 1
    is_published = segment.state == SegmentState.PUBLISHED
    if segment.x_post_id is not None and not is_published:
        yield f"card {card} has an id on X and is not called published"
    if segment.x_post_id is not None and segment.x_post_id not in told.ids:
        yield f"no line says that X gave card {card} the id {segment.x_post_id}"
    if is_published and not told.count(GIVES_ID, card):
        yield f"no line says that card {card} is out"
    if bool(segment.deleted_at) != bool(told.count(("deleted",), card)):
        yield f"card {card} and the story disagree on whether it was deleted on X"


def _ids_kept(segments: Sequence[Card], told: _Told) -> Iterator[str]:
    known = {segment.x_post_id for segment in segments}
    # A card that was given up while X was answering keeps its line, and no id.
    dropped = {segment.position + 1 for segment in segments if segment.state == SegmentState.DROPPED}
    for x_post_id, card in told.ids.items():
        if x_post_id not in known and card not in dropped:
            yield f"the story names {x_post_id} on X, and no card has this id"

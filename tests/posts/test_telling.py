"""Every line of a story as people read it."""

import ast
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import perch.posts
from perch.posts.models import PostEvent
from perch.posts.telling import KINDS, story, tell

MONEY = {"name": "Olga", "price_micros": 15_000}
TABLE = [
    ("queued", {**MONEY, "by": "person"}, "queued by Olga, $0.015"),
    (
        "queued",
        {**MONEY, "by": "person", "jitter_s": -130, "shift": "The clocks jump."},
        "queued by Olga, $0.015. The clocks jump, 2 minutes earlier by chance",
    ),
    ("drafted", {**MONEY, "by": "person"}, "kept as a draft by Olga"),
    ("edited", {**MONEY, "version": 2}, "changed by Olga, $0.015 now"),
    (
        "rescheduled",
        {"name": "Olga", "version": 2, "due_at": "2026-12-01T08:00:00+00:00"},
        "moved to 1 Dec 2026 08:00 UTC by Olga",
    ),
    ("rescheduled", {"name": "Olga", "version": 2, "due_at": None}, "made a draft by Olga"),
    (
        "due_moved",
        {"zone": "Europe/Berlin", "rules": "2027.1", "due_at": "2026-12-01T08:00:00+00:00"},
        "the rules for Europe/Berlin changed: due at 1 Dec 2026 08:00 UTC now",
    ),
    (
        "late",
        {"minutes": 16, "try_at": "2026-12-01T08:00:00+00:00"},
        "16 minutes late: goes out at 1 Dec 2026 08:00 UTC",
    ),
    ("missed", {"minutes": 420}, "missed: 7 hours late, so you are asked"),
    ("skipped", {"minutes": 1}, "left out: 1 minute late"),
    ("withdrawn", {"name": "Olga"}, "withdrawn: Olga changed the recurring post it came from"),
    (
        "armed",
        {"characters": 1, "links": 0, "media": 0, "price_micros": 15_000, "card": 1},
        "armed: 1 character, $0.015 reserved",
    ),
    (
        "armed",
        {"characters": 280, "links": 1, "media": 4, "price_micros": 1_234_567, "card": 1},
        "armed: 280 characters, 1 link, 4 files, $1.23 reserved",
    ),
    ("sent", {}, "sent"),
    ("answered", {"status": 201, "x_post_id": "17", "card": 1}, "X answered 201: live as 17"),
    ("recorded", {"spent_micros": 200_000, "card": 1}, "recorded, $0.200 spent"),
    ("waiting", {"sentence": "X is down."}, "waits: X is down."),
    ("paused", {"sentence": "No credits."}, "paused: No credits."),
    ("not_sent", {"sentence": "Held up."}, "Held up."),
    ("login_refused", {}, "X refused the login; renewing it"),
    ("unknown", {"sentence": "Lost."}, "Lost."),
    ("refused", {"sentence": "X said no."}, "X said no."),
    ("looked", {"absences": 0, "n": 1, "posts": 0, "card": 1}, "looked on X: not there yet"),
    (
        "looked",
        {"absences": 1, "n": 4, "posts": 2, "card": 1},
        "looked on X: not there; one more look a little later proves it",
    ),
    ("look_failed", {"sentence": "X is down."}, "could not look on X: X is down."),
    ("found", {"x_post_id": "17", "n": 1, "posts": 1, "card": 1}, "looked on X: found live as 17"),
    (
        "found",
        {"x_post_id": None, "card": 1},
        "X says that it has it already: live, its address is not known",
    ),
    ("absent", {"n": 5, "posts": 0, "card": 1}, "not there in two late looks: the same bytes go out again"),
    ("needs_you", {"sentence": "Which is it?", "card": 1}, "needs you: Which is it?"),
    (
        "settled",
        {"how": "found", "name": "Olga", "x_post_id": "17"},
        "Olga looked on X and found it, live as 17",
    ),
    (
        "settled",
        {"how": "send_again", "name": "Olga"},
        "Olga looked on X, it is not there: the same bytes go out again",
    ),
    ("settled", {"how": "drop", "name": "Olga"}, "Olga gave it up"),
    ("continued", {"name": "Olga", "card": 2}, "continued by Olga, from card 2 on"),
    ("left", {"name": "Olga", "unsent": 2}, "left as it is by Olga, 2 cards not sent"),
    ("delete_asked", {"name": "Olga", "cards": 1}, "Olga asked to delete 1 card on X"),
    (
        "deleted",
        {"card": 1, "x_post_id": "17", "was_there": 1, "spent_micros": 10_000},
        "deleted on X, $0.010 spent",
    ),
    ("deleted", {"card": 1, "was_there": 1, "spent_micros": 0}, "deleted on X"),
    ("deleted", {"card": 1, "was_there": 0, "spent_micros": 0}, "to be deleted, and no longer on X"),
    ("delete_waits", {"card": 1, "sentence": "X is down."}, "not deleted yet: X is down."),
    ("delete_refused", {"card": 1, "sentence": "X said no."}, "not deleted: X said no."),
    ("resumed", {"name": "Olga"}, "resumed by Olga"),
    ("cancelled", {"name": "Olga"}, "cancelled by Olga"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "facts", "sentence"), TABLE)
def test_each_kind_of_event_has_its_sentence(kind, facts, sentence):
    assert tell(kind, json.dumps(facts)) == sentence


def test_a_kind_of_a_newer_perch_is_shown_by_its_name():
    assert tell("beamed_up", "{}") == "beamed up"


def told(*lines, is_thread=False):
    at = datetime(2026, 11, 20, 9, tzinfo=UTC)
    events = [
        PostEvent(seq=seq, at=at + timedelta(seconds=after), kind=kind, detail=json.dumps(facts), hash="")
        for seq, (after, kind, facts) in enumerate(lines, start=1)
    ]
    return [line.sentence for line in story(events, is_thread=is_thread)]


def test_a_story_says_how_long_x_was_silent():
    assert told(
        (0, "sent", {}),
        (10, "unknown", {"sentence": "The call broke off.", "card": 1}),
        (15, "looked", {"absences": 0, "card": 1}),
        (40, "found", {"x_post_id": "17", "card": 1}),
    ) == [
        "sent",
        "no clear answer after 10 s: The call broke off.",
        "looked on X: not there yet",
        "looked on X: found live as 17",
    ]


def test_a_thread_s_story_names_the_card():
    armed = {"characters": 1, "links": 0, "media": 0, "price_micros": 15_000, "card": 2}
    facts = {"sentence": "X is down.", "card": 2}
    assert told((0, "armed", armed), (0, "sent", {}), (0, "waiting", facts), is_thread=True) == [
        "card 2: armed: 1 character, $0.015 reserved",
        "card 2: sent",
        "card 2: waits: X is down.",
    ]
    assert told((0, "continued", {"name": "Olga", "card": 2}), is_thread=True) == [
        "continued by Olga, from card 2 on"
    ]


def test_every_kind_that_any_code_writes_has_words_and_a_place_in_the_table():
    written = {kind for path in SOURCES for kind in kinds_in(ast.parse(path.read_text()))}
    assert written == KINDS
    assert {kind for kind, _, _ in TABLE} == KINDS


SOURCES = sorted(Path(perch.posts.__path__[0]).glob("*.py"))
KIND = re.compile(r"[a-z_]+")


def kinds_in(tree):
    """What is written into stories: said to a Happening, to ``wake``, or as the head of a pair."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="Happening") | ast.Name(id="Happening"), args=[_, _, kind, *_]
            ):
                yield from constants(kind)
            case ast.Call(func=ast.Attribute(attr="wake") | ast.Name(id="wake"), args=[_, _, _, _, kind, *_]):
                yield from constants(kind)
            case ast.Tuple(elts=[ast.Constant() as kind, ast.Dict()]):
                yield from constants(kind)
            case ast.keyword(arg="happening" | "happenings", value=value):
                for pair in ast.walk(value):
                    if isinstance(pair, ast.Tuple) and len(pair.elts) == 2:
                        yield from constants(pair.elts[0])
            case ast.Assign(targets=[ast.Name(id="kind" | "happening")], value=value):
                yield from constants(value.elts[0] if isinstance(value, ast.Tuple) else value)


def constants(node):
    """The words that an expression can be."""
    if isinstance(node, ast.IfExp):
        return [*constants(node.body), *constants(node.orelse)]
    if isinstance(node, ast.Tuple):
        return constants(node.elts[0])
    is_word = isinstance(node, ast.Constant) and isinstance(node.value, str) and KIND.fullmatch(node.value)
    return [node.value] if is_word else []

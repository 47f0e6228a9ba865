"""Every line of a story as people read it."""

import json
import re
from pathlib import Path

import pytest

import perch.posts
from perch.posts.telling import tell

MONEY = {"name": "Olga", "price_micros": 15_000}
TABLE = [
    ("queued", {**MONEY, "by": "person"}, "queued by Olga, $0.015"),
    ("drafted", {**MONEY, "by": "person"}, "kept as a draft by Olga"),
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
    ("waiting", {"sentence": "X is down."}, "X is down."),
    ("paused", {"sentence": "No credits."}, "No credits."),
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
    ("absent", {"n": 5, "posts": 0, "card": 1}, "not on X in two late looks: the same bytes go out again"),
    ("needs_you", {"sentence": "Which is it?", "card": 1}, "Which is it?"),
    ("settled", {"how": "found", "name": "Olga", "x_post_id": "17"}, "Olga looked on X and found it, id 17"),
    ("settled", {"how": "send_again", "name": "Olga"}, "Olga looked on X, it is not there: to be sent again"),
    ("settled", {"how": "drop", "name": "Olga"}, "Olga dropped it"),
    ("resumed", {"name": "Olga"}, "resumed by Olga"),
    ("cancelled", {"name": "Olga"}, "cancelled by Olga"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "facts", "sentence"), TABLE)
def test_each_kind_of_event_has_its_sentence(kind, facts, sentence):
    assert tell(kind, json.dumps(facts)) == sentence


def test_a_kind_of_a_newer_perch_is_shown_by_its_name():
    assert tell("beamed_up", "{}") == "beamed up"


def test_every_kind_that_is_written_is_in_the_table():
    source = "".join(path.read_text() for path in Path(perch.posts.__path__[0]).glob("*.py"))
    written = set(re.findall(r'\(\s*"([a-z_]+)",\s*\{', source))
    written |= set(re.findall(r'chain\.Happening\([^"()]*"([a-z_]+)"', source))
    assert written <= {kind for kind, _, _ in TABLE}
    assert {"answered", "recorded", "waiting", "refused", "cancelled"} <= written

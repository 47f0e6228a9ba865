"""What needs no server: words, times, states, links."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from perch.posts.models import PostState, Segment, SegmentState
from perch.posts.standing import Standing
from perch.web import states
from perch.web.errors import quoted_path
from perch.web.frame import Frame
from perch.web.speech import pieces
from perch.web.times import in_words, wall

NOON = datetime(2026, 11, 20, 12, 0, 5, tzinfo=UTC)


@given(st.text())
def test_a_cut_text_put_together_again_is_the_text(text: str) -> None:
    assert "".join(piece.text for piece in pieces(text)) == text


@given(st.text(alphabet="htps:/.comjavascript@#$ax é"))
def test_a_link_never_leads_anywhere_but_the_web(text: str) -> None:
    assert all(piece.href == "" or piece.href.startswith(("http", "HTTP")) for piece in pieces(text))


def test_links_are_followed_and_names_and_tags_are_marked() -> None:
    found = [(piece.text, piece.href, piece.marked) for piece in pieces("see example.com #birds @ada $ACME")]
    assert found == [
        ("see ", "", False),
        ("example.com", "https://example.com", False),
        (" ", "", False),
        ("#birds", "", True),
        (" ", "", False),
        ("@ada", "", True),
        (" ", "", False),
        ("$ACME", "", True),
    ]


@pytest.mark.parametrize("state", list(PostState))
def test_every_state_of_a_post_has_a_shape_and_a_word(state: PostState) -> None:
    shown = states.of_post(Standing(state, due_at=None), NOON)
    assert shown.word
    assert shown.shape


@pytest.mark.parametrize("state", list(SegmentState))
def test_every_state_of_a_card_has_a_shape_and_a_word(state: SegmentState) -> None:
    assert states.of_card(Segment(state=state)).word


SAID = [
    ({"state": "scheduled", "paused_reason": "login"}, "paused"),
    ({"state": "publishing", "paused_reason": "credits"}, "paused"),
    ({"state": "scheduled", "due_at": NOON}, "waiting"),
    ({"state": "scheduled", "due_at": NOON.replace(year=2030), "paused_reason": "credits"}, "scheduled"),
    ({"state": "publishing", "is_checking": True}, "checking"),
    ({"state": "published", "live": 1, "is_deleting": True}, "deleting"),
    ({"state": "published", "live": 1, "deleted": 2}, "live"),
    ({"state": "published", "deleted": 3}, "deleted on X"),
    ({"state": "cancelled", "deleted": 1}, "cancelled"),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "word"), SAID)
def test_a_post_is_called_what_it_is(facts: dict[str, Any], word: str) -> None:
    standing = Standing(**{"due_at": None, **facts, "state": PostState(facts["state"])})
    assert states.of_post(standing, NOON).word == word


@pytest.mark.parametrize(
    ("facts", "is_checking", "word"),
    [
        ({}, True, "checking"),
        ({"delete_at": NOON}, False, "deleting"),
        ({"deleted_at": NOON}, False, "deleted on X"),
    ],
)
def test_a_card_is_called_what_it_is(facts: dict[str, Any], is_checking: bool, word: str) -> None:
    assert states.of_card(Segment(state="published", **facts), is_checking=is_checking).word == word


def test_every_shape_is_drawn() -> None:
    drawn = {path.stem for path in (Path(__file__).parents[2] / "assets/icons").glob("state-*.svg")}
    said = {states.of_post(Standing(state, due_at=None), NOON) for state in PostState}
    said |= {state for state, _ in states.MEANINGS}
    assert {f"state-{one.shape}" for one in said} <= drawn


def test_times_are_read_in_the_zone_of_the_writer() -> None:
    berlin = wall("Europe/Berlin", NOON)
    assert (berlin.day(NOON), berlin.minute(NOON), berlin.second(NOON)) == (
        "Today, Fri 20 Nov",
        "13:00",
        "13:00:05",
    )


def test_another_year_is_named() -> None:
    assert wall("UTC", NOON).day(NOON.replace(year=2025)) == "Thu 20 Nov 2025"


@pytest.mark.parametrize("zone", [None, "", "Mars/Olympus", "../etc/passwd", "/etc/passwd", "Europe", "\x00"])
def test_a_zone_nobody_knows_is_read_as_utc(zone: str | None) -> None:
    assert wall(zone, NOON).name == "UTC"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 s"), (40, "40 s"), (300, "5 min"), (7200, "2 h"), (86_400, "1 day"), (3e5, "3 days")],
)
def test_a_span_is_rounded_to_what_matters(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


@pytest.mark.parametrize(
    ("path", "here"), [("/", "Queue"), ("/posts/abc", "Queue"), ("/accounts/x/disconnect", "Accounts")]
)
def test_the_rail_says_where_the_reader_is(path: str, here: str) -> None:
    frame = Frame(path, "Olga", "token", "system", sandbox_in_use=True)
    assert [place.word for place in frame.places if place.here] == [here]


@given(st.text())
def test_a_redirect_built_from_a_path_stays_on_this_site(path: str) -> None:
    request = Request({"type": "http", "path": f"/{path}", "headers": []})
    shown = quoted_path(request)
    assert shown.startswith("/")
    assert not shown.startswith(("//", "/\\"))
    assert shown.isascii()


def test_a_moment_of_another_day_says_which() -> None:
    clock = wall("Europe/Berlin", datetime(2026, 11, 20, 9, tzinfo=UTC))
    assert clock.moment(datetime(2026, 11, 20, 10, 0, 5, tzinfo=UTC)) == "11:00:05"
    assert clock.moment(datetime(2027, 1, 15, 8, 0, 0, tzinfo=UTC)) == "09:00:00 on Fri 15 Jan 2027"

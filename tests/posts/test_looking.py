"""What a timeline proves of a post without a verdict: found, resembled, not there; and when to look again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from perch.jobs import Pace
from perch.posts.looking import (
    Absent,
    LookAgain,
    NotSeen,
    Seen,
    Sought,
    Unclear,
    after_nothing,
    is_text,
    recognise,
)
from perch.sandbox import drafts, posting, rendering, texts
from perch.sandbox.config import SandboxConfig, Settings
from perch.sandbox.models import Media
from perch.sandbox.problems import Refused
from perch.sandbox.world import World
from perch.text import normalised, outgoing
from perch.x.posts import CreatePost
from perch.x.xpost import Link, XPost

SENT_AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
PACE = Pace()


def sought(text="Hello", *, attempt=1, media=(), reply_to=None, since="100"):
    return Sought(attempt, text, media, reply_to, since)


def post(text="Hello", *, x_id="101", media=(), reply_to=None, source=None, links=()):
    return XPost(
        x_id, text, in_reply_to=reply_to, media_keys=tuple(f"3_{one}" for one in media), source=source,
        links=links,
    )  # fmt: skip


def sighting(one, *posts, ours=()):
    return recognise([one], posts, ours)[one.attempt_id]


ALIKE = Unclear(("101",), is_certain=False)
CASES = {
    "the same text": (sought(), [post()], Seen("101")),
    "another text": (sought(), [post("Good bye")], NotSeen()),
    "nothing at all": (sought(), [], NotSeen()),
    "our media under other words": (sought("Hi", media=("7",)), [post("Odd", media=("7",))], ALIKE),
    "our media before it was armed": (
        sought(media=("7",)), [post(media=("7",), x_id="99")], Seen("99")),
    "our text with other media": (sought(media=("7",)), [post(media=("8",))], ALIKE),
    "our text, its media untold": (sought(media=("7",)), [post()], ALIKE),
    "our text with media we did not send": (sought(), [post(media=("8",))], NotSeen()),
    "our reply": (sought(reply_to="50"), [post(reply_to="50")], Seen("101")),
    "a reply to something else": (sought(reply_to="50"), [post(reply_to="51")], NotSeen()),
    "our text, its parent untold": (sought(reply_to="50"), [post()], ALIKE),
    "a reply with the text of a post": (sought(), [post(reply_to="51")], NotSeen()),
    "our text from before it was armed": (sought(), [post(x_id="100")], Unclear(("100",), is_certain=False)),
    "two with the same text": (
        sought(), [post(), post(x_id="102")], Unclear(("101", "102"), is_certain=True)),
    "one of two with our media": (
        sought(media=("7",)), [post(), post(x_id="102", media=("7",))], Seen("102")),
    "in capitals": (sought(), [post("HELLO")], ALIKE),
    "with other blanks": (sought("a\n\n\nb"), [post("a\nb")], ALIKE),
    "cut short": (sought("Hello, " + "long " * 60), [post("Hello, long… https://t.co/x")], ALIKE),
    "escaped": (sought("1 < 2 & 3"), [post("1 &lt; 2 &amp; 3")], Seen("101")),
    "a link that X spells otherwise": (
        sought("see http://müller.example/ä"),
        [post("see https://t.co/q", links=(Link("https://t.co/q", "http://xn--mller-kva.example/%C3%A4"),))],
        ALIKE,
    ),
}  # fmt: skip


def test_two_posts_that_share_one_upload_are_told_apart_by_their_words():
    one, other = sought("One", media=("7",)), sought("Other", attempt=2, media=("7",))
    shown = [post("One", media=("7",)), post("Other", x_id="102", media=("7",))]
    assert recognise([one, other], shown, ours=()) == {1: Seen("101"), 2: Seen("102")}


@pytest.mark.parametrize(("one", "posts", "expected"), CASES.values(), ids=CASES)
def test_a_post_is_recognised_by_what_is_certain(one, posts, expected):
    assert sighting(one, *posts) == expected


def test_a_card_s_own_post_is_nobody_else_s():
    assert sighting(sought(), post(), ours={"101"}) == NotSeen()


def test_a_post_from_another_app_is_not_ours_once_our_app_s_name_is_known():
    ours, by_hand = post("Before", x_id="101", source="Perch"), post(x_id="102", source="X Web App")
    assert sighting(sought(), ours, by_hand, ours={"101"}) == NotSeen()
    assert sighting(sought(), by_hand) == Seen("102")


def test_one_post_is_not_two_attempts():
    both = recognise([sought(attempt=1), sought(attempt=2)], [post()], ())
    assert set(both.values()) == {Unclear(("101",), is_certain=True)}


def test_what_was_sent_is_read_from_the_very_bytes():
    payload = CreatePost("Hi", media_ids=("7",), reply_to="50").body()
    assert Sought.of(1, payload, "100") == sought("Hi", media=("7",), reply_to="50")


WORDS = (
    *(
        "example.com",
        "https://perch.example/a?b=c&d",
        "http://x.org/",
        "t.co",
        "https://t.co/abc",
        "www.a.de/ü",
    ),
    *(
        "&amp;",
        "<b>",
        "@ben",
        "#tag",
        "é",
        "e\u0301",
        "日本",
        "\U0001f469\u200d\U0001f680",
        "“so”",
        "a",
        "B",
        "…",
    ),
)
TEXTS = st.lists(st.sampled_from([*WORDS, " ", " ", "\n", "\r\n"]), max_size=24).map("".join) | st.text()


def world():
    made = World(SandboxConfig(), Settings(duplicate_window_s=0, self_serve=False))
    made.people_it()
    ada = replace(next(iter(made.people.values())), subscription_type="Premium")
    made.keep_person(ada)
    return made, ada


def as_x_shows(text, *, with_media=False):
    """The post as the sandbox tells it on a timeline, and the ids of its media."""
    x, ada = world()
    media_ids: tuple[str, ...] = ()
    if with_media:
        now = x.now()
        x.keep_media(Media("77", ada.id, "tweet_image", "image/png", 9, now, now + 10**6, finalized_at=now))
        media_ids = ("77",)
    app = next(iter(x.apps.values()))
    try:
        made = posting.accept(x, ada, app, drafts.Draft(text, media_ids=media_ids))
    except Refused:
        assume(False)
    fields = frozenset({"entities", "attachments", "note_tweet", "referenced_tweets", "source"})
    shown = XPost.of(rendering.post_fields(x, made, fields))
    assert shown is not None
    return shown, media_ids


@settings(deadline=None)
@given(TEXTS, st.booleans())
def test_whatever_x_makes_of_a_text_it_is_recognised(text, with_media):
    text = outgoing(text)
    shown, media_ids = as_x_shows(text, with_media=with_media)
    assert is_text(text, shown)
    assert sighting(sought(text, media=media_ids, since="1"), shown) == Seen(shown.id)


@settings(deadline=None)
@given(TEXTS)
def test_long_texts_are_recognised_too(text):
    text = outgoing(f"{text} " + "and so on, " * 40)
    shown, _ = as_x_shows(text)
    assert sighting(sought(text, since="1"), shown) == Seen(shown.id)


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_a_different_text_is_never_found(text, other):
    shown, _ = as_x_shows(outgoing(other))
    assume(_expanded(text) != _expanded(other))
    assert not is_text(outgoing(text), shown)


def _expanded(text):
    """X does not tell whether a link was written with ``http://``: these two it cannot tell apart."""
    out, at, kept = "", 0, normalised(text)
    for link in texts.weigh(texts.normal(outgoing(text), trim=True)).links:
        out += kept[at : link.start] + rendering.expanded(link.value)
        at = link.end
    return out + kept[at:]


def seconds(number):
    return SENT_AT + timedelta(seconds=number)


LOOKS = [
    (5, 0, None, LookAgain(seconds(30))),
    (31, 0, None, LookAgain(seconds(120))),
    (120, 0, None, LookAgain(seconds(300))),
    (299, 0, None, LookAgain(seconds(300))),
    (300, 0, None, LookAgain(seconds(360), 1, seconds(300))),
    (400, 0, None, LookAgain(seconds(460), 1, seconds(400))),
    (359, 1, 300, LookAgain(seconds(360), 1, seconds(300))),
    (360, 1, 300, Absent()),
    (90_000, 0, None, LookAgain(seconds(90_060), 1, seconds(90_000))),
]


@pytest.mark.parametrize(("at", "absences", "absent_at", "expected"), LOOKS)
def test_absence_counts_late_and_twice(at, absences, absent_at, expected):
    before = None if absent_at is None else seconds(absent_at)
    assert after_nothing(SENT_AT, seconds(at), absences, before, PACE) == expected


@settings(deadline=None)
@given(st.lists(st.floats(0, 500), min_size=1, max_size=12), st.sampled_from([1.0, 0.02]))
def test_nothing_is_proven_before_its_time_however_often_one_looks(pauses, factor):
    pace, at, state = PACE.scaled(factor), SENT_AT, LookAgain(SENT_AT)
    seen = []
    for pause in pauses:
        at += timedelta(seconds=pause * factor)
        seen.append(at)
        result = after_nothing(SENT_AT, at, state.absences, state.absent_at, pace)
        if isinstance(result, Absent):
            settled = SENT_AT + timedelta(seconds=pace.latest_arrival + pace.visibility)
            late = [one for one in seen if one >= settled]
            assert late[-1] - late[0] >= timedelta(seconds=pace.second_look) - timedelta(microseconds=1)
            return
        assert result.at > at
        state = result

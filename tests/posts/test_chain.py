"""The chain of a post's story notices what somebody does to it afterwards."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from perch.posts.chain import Happening, append, is_whole, link
from perch.posts.models import PostEvent

POST = "abcdefgh23456789"
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
KINDS = st.sampled_from(["queued", "armed", "sent", "answered", "recorded", "waiting"])
DETAILS = st.dictionaries(
    st.text(max_size=5), st.one_of(st.text(max_size=8), st.integers(), st.none()), max_size=3
)
LINES = st.lists(st.tuples(KINDS, DETAILS, st.integers(0, 10**9)), min_size=2, max_size=6)


def story(lines):
    events, before = [], ""
    for seq, (kind, detail, micros) in enumerate(lines, start=1):
        at, told = NOW + timedelta(microseconds=micros), json.dumps(detail, sort_keys=True)
        before = link(before, POST, seq, at, kind, told)
        events.append(PostEvent(seq=seq, at=at, kind=kind, detail=told, hash=before))
    return events


def end_of(events):
    return (len(events), events[-1].hash) if events else (0, "")


def renumbered(events):
    """As somebody would who wants to hide a gap."""
    return [PostEvent(seq=seq, at=one.at, kind=one.kind, detail=one.detail, hash=one.hash)
            for seq, one in enumerate(events, start=1)]  # fmt: skip


@given(LINES)
def test_a_story_as_it_was_written_is_whole(lines):
    events = story(lines)
    assert is_whole(POST, end_of(events), events)


@given(LINES, st.data())
def test_no_line_can_be_changed(lines, data):
    events = story(lines)
    end = end_of(events)
    place = data.draw(st.integers(0, len(events) - 1))
    change = data.draw(st.sampled_from(["kind", "detail", "at", "hash", "seq"]))
    other = {
        "kind": "cancelled", "detail": '{"other": 1}', "at": NOW - timedelta(seconds=1),
        "hash": "0" * 64, "seq": 99,
    }[change]  # fmt: skip
    setattr(events[place], change, other)
    assert not is_whole(POST, end, events)


@given(LINES, st.data())
def test_no_line_can_be_taken_away_not_even_the_last(lines, data):
    events = story(lines)
    end = end_of(events)
    del events[data.draw(st.integers(0, len(events) - 1))]
    assert not is_whole(POST, end, events)
    assert not is_whole(POST, end, renumbered(events))


@given(LINES, st.data())
def test_no_line_can_be_repeated(lines, data):
    events = story(lines)
    place = data.draw(st.integers(0, len(events) - 1))
    events.insert(place, events[place])
    assert not is_whole(POST, end_of(events), renumbered(events))


@given(LINES, st.randoms())
def test_no_two_lines_can_change_places(lines, chance):
    events = story(lines)
    shuffled = list(events)
    chance.shuffle(shuffled)
    assume(shuffled != events)
    assert not is_whole(POST, end_of(events), shuffled)
    assert not is_whole(POST, end_of(shuffled), renumbered(shuffled))


@given(LINES)
def test_a_story_belongs_to_one_post(lines):
    events = story(lines)
    assert not is_whole("another-post-s-id", end_of(events), events)


async def test_several_stories_are_written_in_one_go_and_each_is_whole(ada):
    one, other = await ada.write("One"), await ada.write("Other")
    clock = ada.house.perch.clock
    async with ada.house.perch.db.write() as session:
        await append(session, [
            Happening(one.id, clock.now(), "waiting", {"sentence": "First."}),
            Happening(other.id, clock.now(), "waiting", {"sentence": "Between."}),
            Happening(one.id, clock.now(), "waiting", {"sentence": "Second."}),
        ])  # fmt: skip
        await append(session, [])
    receipt = await ada.read(one)
    assert [line.sentence for line in receipt.lines][1:] == ["waits: First.", "waits: Second."]
    assert all(earlier.at <= later.at for earlier, later in pairwise(receipt.lines))
    assert receipt.is_whole
    assert (await ada.read(other)).is_whole

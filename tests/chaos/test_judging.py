"""The judge of a campaign finds what it is there to find: a proof that cannot fail proves nothing."""

import hashlib
import json
from dataclasses import replace

import pytest
from chaos.judging import Accepted, Evidence, Unknowns, faulted, judge
from chaos.rows import AttemptRow, CardRow, PostRow


def entry(number, text, reply_to=None, **more):
    return {
        "id": str(number), "text": text, "account": "ada", "reply_to": reply_to, "deleted": False,
        "arrived_ms": 10_000 + number, "fault": "", **more,
    }  # fmt: skip


def attempt(card, text, n=1, state="ok"):
    payload = json.dumps({"text": text}).encode()
    return AttemptRow(card, n, state, payload, hashlib.sha256(payload).hexdigest())


def request(began, ended, username="ada", fault=""):
    return {
        "method": "POST", "path": "/2/tweets", "username": username, "began_ms": began, "at_ms": ended,
        "fault": fault,
    }  # fmt: skip


SOUND = Evidence(
    accepted=[Accepted("p", "ada", ("one", "two"), due_ms=10_000)],
    posts=[PostRow("p", "published", None, None)],
    cards=[CardRow("p", 1, 0, "published", "one", "1"), CardRow("p", 2, 1, "published", "two", "2")],
    attempts=[attempt(1, "one"), attempt(2, "two")],
    ledger=[entry(1, "one"), entry(2, "two", "1")],
    requests=[request(0, 10), request(20, 30)],
    ended={"p": "published"},
)


def broken(**changes):
    return set(judge(replace(SOUND, **changes)).broken)


def test_a_sound_campaign_breaks_nothing():
    assert broken() == set()


@pytest.mark.parametrize(
    ("invariant", "changes"),
    {
        "a second live post": ("I1", {"ledger": [*SOUND.ledger, entry(3, "one")]}),
        "a post that never came to rest": ("I2", {"posts": [PostRow("p", "publishing", None, None)]}),
        "a post that is gone": ("I2", {"posts": []}),
        "published, and X has only half": ("I3", {"ledger": SOUND.ledger[:1]}),
        "another's account": ("I3", {"ledger": [entry(1, "one", account="ben"), SOUND.ledger[1]]}),
        "what nobody wrote": ("I3", {"ledger": [*SOUND.ledger, entry(3, "three")]}),
        "another text than accepted": ("I3", {"accepted": [Accepted("p", "ada", ("one", "2"), 10_000)]}),
        "a send without a row": ("I4", {"attempts": SOUND.attempts[:1]}),
        "other bytes": ("I4", {"attempts": [replace(SOUND.attempts[0], payload=b"{}"), SOUND.attempts[1]]}),
        "cancelled and out": ("I5", {"accepted": [replace(SOUND.accepted[0], is_cancelled=True)]}),
        "a fork": ("I6", {"ledger": [SOUND.ledger[0], entry(2, "two", None)]}),
        "a gap": ("I6", {"ledger": [entry(2, "two", "1")]}),
        "two at once": ("I7", {"requests": [request(0, 10), request(5, 15)]}),
        "too early": ("I8", {"accepted": [replace(SOUND.accepted[0], due_ms=20_000)]}),
        "an end that was left": ("I10", {"ended": {"p": "cancelled"}}),
        "out, and Perch does not know": (
            "wrong",
            {"cards": [SOUND.cards[0], replace(SOUND.cards[1], x_post_id=None, state="waiting")]},
        ),
    }.values(),
)
def test_every_broken_promise_is_found(invariant, changes):
    assert invariant in broken(**changes)


def test_a_send_beside_one_whose_sender_died_is_no_fault():
    overlap = [request(0, 100), request(50, 150)]
    assert broken(requests=overlap, troubled=[(20, 40)]) == set()
    assert broken(requests=overlap, patience_ms=40) == set()
    assert broken(requests=[request(0, 100), request(50, 150, "ben")]) == set()


def test_a_deleted_post_is_not_live():
    assert broken(ledger=[entry(0, "one", deleted=True), *SOUND.ledger]) == set()


def test_unknowns_are_counted_by_how_they_ended():
    states = ("ok", "found", "found", "absent", "needs_you")
    ended = Unknowns.of([attempt(1, "one", n, state) for n, state in enumerate(states)])
    assert (ended.found, ended.absent, ended.asked, ended.resolved) == (2, 1, 1, 0.75)


def test_the_share_of_faulted_sends_counts_sends_only():
    look = {**request(0, 1, fault="drop"), "method": "GET"}
    assert faulted([request(0, 1), request(2, 3, fault="cut"), look]) == 0.5

"""Every class of answer that X may give: where the post ends, what the attempt says, what X really holds."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from perch.posts.models import AttemptState, PostState

POST = {"method": "POST", "path": "/2/tweets"}
READ = {"method": "GET", "path": "/2/users/*/tweets"}
OK, REJECTED = AttemptState.OK, AttemptState.REJECTED
UNKNOWN, FOUND = AttemptState.UNKNOWN, AttemptState.FOUND


def problem(kind: str, detail: str = "No.", title: str = "Forbidden") -> dict[str, Any]:
    return {"title": title, "type": f"https://api.twitter.com/2/problems/{kind}", "detail": detail}


@dataclass(frozen=True)
class Case:
    """A fault for the next request, and what has to come of it. ``live``: posts that X then holds."""

    fault: dict[str, Any]
    state: PostState
    attempts: tuple[AttemptState, ...]
    live: int
    paused: str | None = None
    waits: bool = False
    times: int = field(default=1)


def status(code: int, body: Any = None, **more: Any) -> dict[str, Any]:
    return {"action": "status", "status": code, "body": body, **more}


def refused(fault: dict[str, Any]) -> Case:
    return Case(fault, PostState.REFUSED, (REJECTED,), 0)


def paused(reason: str, fault: dict[str, Any], **more: Any) -> Case:
    return Case(fault, PostState.SCHEDULED, (REJECTED,), 0, paused=reason, **more)


def found(fault: dict[str, Any]) -> Case:
    """It arrived: the first look finds it."""
    return Case(fault, PostState.PUBLISHED, (FOUND,), 1)


def unknown(fault: dict[str, Any]) -> Case:
    """It did not arrive: Perch looks, and nothing is sent again while it does."""
    return Case(fault, PostState.PUBLISHING, (UNKNOWN,), 0)


def waits(fault: dict[str, Any]) -> Case:
    return Case(fault, PostState.SCHEDULED, (REJECTED,), 0, waits=True)


def again(fault: dict[str, Any]) -> Case:
    return Case(fault, PostState.PUBLISHED, (REJECTED, OK), 1)


def forbidden(detail: str, **more: Any) -> dict[str, Any]:
    return status(403, {"title": "Forbidden", "type": "about:blank", "detail": detail, **more})


CASES = {
    "400": refused(status(400, problem("invalid-request", title="Invalid Request"))),
    "413": refused(status(413)),
    "422": refused(status(422)),
    "a duplicate": refused(forbidden("You are not allowed to create a Tweet with duplicate content.")),
    "a parent that is gone": refused(
        forbidden("You attempted to reply to a Tweet that is deleted or not visible to you.")
    ),
    "not permitted": refused(forbidden("You are not permitted to perform this action.")),
    "a 403 without a reason": refused(forbidden("Forbidden.")),
    "a suspended account": paused("account", status(403, problem("user-suspended"))),
    "a locked account": paused("account", forbidden("", errors=[{"code": 326, "message": "locked"}])),
    "a missing scope": paused("login", status(403, problem("oauth2-permissions"))),
    "an app without a project": paused("app", status(403, problem("client-forbidden"))),
    "402": paused("credits", status(402, problem("credits", title="CreditsDepleted"))),
    "402 without a body": paused("credits", status(402)),
    "a usage cap as 403": paused("credits", status(403, problem("usage-capped", title="UsageCapExceeded"))),
    "a usage cap as 429": paused("credits", status(429, problem("usage-capped", title="UsageCapExceeded"))),
    "the edge": again(status(403, "<html>Attention Required!</html>", headers={"content-type": "text/html"})),
    "429 with headers": again(
        status(429, headers={"x-rate-limit-remaining": "0", "x-rate-limit-reset": "1"})
    ),
    "429 without headers": waits(status(429)),
    "the day's limit": waits(forbidden("", errors=[{"code": 185, "message": "over daily limit"}])),
    "one 401": again(status(401)),
    "401 twice": Case(status(401), PostState.PUBLISHED, (REJECTED, REJECTED, OK), 1, times=2),
    "404": unknown(status(404)),
    "408": unknown(status(408)),
    **{str(code): unknown(status(code)) for code in (500, 502, 503, 504, 520, 529)},
    "an answer that is lost": found({"action": "commit_then_drop"}),
    "a 500 after the work": found({"action": "commit_then_status", "status": 500}),
    "half an answer": found({"action": "cut"}),
    "a page for people": found({"action": "garbage", "kind": "html"}),
    "broken gzip": found({"action": "garbage", "kind": "gzip"}),
    "a drip that never ends": found({"action": "slow_drip", "seconds": 90}),
    "a slow drip": Case({"action": "slow_drip", "seconds": 2}, PostState.PUBLISHED, (OK,), 1),
    "silence before the work": unknown({"action": "drop"}),
    "a long silence": unknown({"action": "delay", "seconds": 90}),
    "work long after": found({"action": "late_commit", "seconds": 5}),
    "an answer without an id": unknown({"action": "status", "status": 201, "body": {"data": {}}}),
    "an empty answer": unknown({"action": "status", "status": 201}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_every_answer_ends_where_the_table_says(working, ada, case):
    await working.fault(match=POST, times=case.times, **case.fault)
    post = await ada.write("Once")
    receipt = await ada.settled(post, until=lambda one: _rests(one, case))
    assert (receipt.post.state, receipt.post.paused_reason) == (case.state, case.paused)
    # A machine that is busy may hold Perch up before it sends: no answer of X, and nothing of this table.
    sent = [one.state for one in await ada.attempts(post) if one.state != AttemptState.NOT_SENT]
    assert sent == list(case.attempts)
    assert receipt.is_whole
    assert bool(receipt.post.why) == (case.state is not PostState.PUBLISHED)
    await _arrived(working, case)
    assert len(await working.ledger()) == case.live


def _rests(post, case):
    if case.waits:
        return post.try_at is not None
    if case.state is PostState.PUBLISHING:
        return post.state == PostState.PUBLISHING and post.why
    return post.paused_reason or post.state not in {"scheduled", "publishing"}


async def _arrived(working, case):
    """Until what comes late has come, and a post that must not go again had the time to."""
    if case.state is not PostState.PUBLISHED:
        await asyncio.sleep(0.15)
    if case.fault["action"] == "delay":
        await working.control("DELETE", "/_sandbox/faults")
    await asyncio.gather(*working.x.app.faults.late)


async def test_what_is_looked_for_is_shown_with_words(working, ada):
    await working.fault(match=POST, action="drop")
    receipt = await ada.settled(await ada.write("Once"), until=lambda post: post.why)
    assert "may have happened" in (receipt.post.why or "")
    assert "Perch looks" in (receipt.post.fix or "")
    assert "unknown" in [line.kind for line in receipt.lines]


async def test_what_perch_cannot_look_for_is_a_person_s_to_settle(working, ada):
    await working.fault(match=POST, action="commit_then_drop")
    await working.fault(match=READ, action="status", status=402)
    receipt = await ada.settled(await ada.write("Once"))
    assert receipt.post.state == PostState.NEEDS_YOU
    assert receipt.post.fix
    assert receipt.lines[-1].kind == "needs_you"
    assert len(await working.ledger()) == 1


async def test_a_thread_stops_where_it_is_unknown_and_nothing_is_sent_below(working, ada):
    await working.fault(match=POST, action="delay", seconds=0, times=1)
    await working.fault(match=POST, action="drop", times=1)
    receipt = await ada.settled(await ada.write("One", "Two", "Three"), until=lambda post: post.why)
    assert [card.segment.state for card in receipt.cards] == ["published", "waiting", "waiting"]
    await asyncio.sleep(0.5)
    assert [entry["text"] for entry in await working.ledger()] == ["One"]


async def test_a_thread_goes_on_below_a_card_that_was_found(working, ada):
    await working.fault(match=POST, action="delay", seconds=0, times=1)
    await working.fault(match=POST, action="commit_then_drop", times=1)
    receipt = await ada.settled(await ada.write("One", "Two", "Three"))
    assert receipt.post.state == PostState.PUBLISHED
    ledger = await working.ledger()
    assert [entry["text"] for entry in ledger] == ["One", "Two", "Three"]
    assert [entry["reply_to"] for entry in ledger[1:]] == [entry["id"] for entry in ledger[:2]]


async def test_a_thread_that_is_refused_half_way_says_that_a_part_is_out(working, ada):
    await working.fault(match=POST, action="delay", seconds=0, times=1)
    await working.fault(match=POST, action="status", status=400, times=1)
    receipt = await ada.settled(await ada.write("One", "Two", "Three"))
    assert receipt.post.state == PostState.PARTLY_PUBLISHED
    assert [card.segment.state for card in receipt.cards] == ["published", "refused", "waiting"]
    assert len(await working.ledger()) == 1


async def test_a_thread_waits_half_way_and_goes_on_below_its_first_card(working, ada):
    await working.fault(match=POST, action="delay", seconds=0, times=1)
    headers = {"x-rate-limit-remaining": "0", "x-rate-limit-reset": str(int(time.time()) + 1)}
    await working.fault(match=POST, action="status", status=429, headers=headers, times=1)
    receipt = await ada.settled(await ada.write("One", "Two"))
    assert receipt.post.state == PostState.PUBLISHED
    first, second = await working.ledger()
    assert second["reply_to"] == first["id"]


async def test_a_post_that_is_looked_for_does_not_hold_up_the_next_one(working, ada):
    await working.fault(match=POST, action="drop")
    lost = await ada.settled(await ada.write("Lost"), until=lambda post: post.why)
    after = await ada.settled(await ada.write("Next"))
    assert (lost.post.state, after.post.state) == (PostState.PUBLISHING, PostState.PUBLISHED)


async def test_a_storm_of_every_fault_loses_nothing_and_doubles_nothing(working, ada, ben):
    for number, action in enumerate(["status", "commit_then_drop", "cut", "drop"]):
        await working.fault(match=POST, action=action, status=(503, 500)[number % 2], rate=0.15)
    posts = [(who, await who.write(f"{number}")) for who in (ada, ben) for number in range(12)]
    ended = [(await who.settled(post)).post for who, post in posts]
    assert {post.state for post in ended} <= {PostState.PUBLISHED, PostState.NEEDS_YOU}
    ledger = await working.ledger()
    sent = [(entry["account"], entry["text"]) for entry in ledger]
    assert len(sent) == len(set(sent))
    live = {entry["id"] for entry in ledger}
    for who, post in posts:
        [card] = (await who.read(post)).cards
        assert (card.segment.x_post_id is None) or card.segment.x_post_id in live


async def test_a_login_that_is_gone_pauses_the_post_until_somebody_reconnects(working, ada):
    await working.fault(match=POST, action="status", status=401, times=1)
    gone = {"error": "invalid_request", "error_description": "Value passed for the token was invalid."}
    await working.fault(match={"path": "/2/oauth2/token"}, action="status", status=400, body=gone, times=1)
    post = await ada.write("After the reconnect")
    receipt = await ada.settled(post, until=lambda one: one.paused_reason)
    assert (receipt.post.state, receipt.post.paused_reason) == (PostState.SCHEDULED, "login")
    assert await working.ledger() == []

"""What programs decide about posts: the buttons of the receipt, for those who may press them."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from perch.people.models import Role
from perch.people.tokens import Scope

CREATE = {"method": "POST", "path": "/2/tweets"}
DECISIONS = ("cancel", "resume", "found", "send-again", "drop", "continue", "leave", "delete")


async def decide(caller, post_id, decision):
    body = {"address": "https://x.com/sandbox_ada/status/17"} if decision == "found" else None
    return await caller.post(f"/api/v1/posts/{post_id}/{decision}", json=body)


async def settled(caller, post_id, until=lambda post: post["state"] not in {"scheduled", "publishing"}):
    for _ in range(1000):
        post = (await caller.get(f"/api/v1/posts/{post_id}")).json
        if until(post):
            return post
        await asyncio.sleep(0.02)
    raise AssertionError(post)


async def made(caller, **fields):
    answer = await caller.post("/api/v1/posts", json={"scheduled_at": "now", **fields})
    assert answer.status == 201, answer.text
    return answer.json["id"]


@pytest.mark.parametrize("decision", DECISIONS)
async def test_who_may_publish_may_decide_and_nobody_else(site, decision):
    owner = await site.connect()
    due = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    callers = {
        "editor": await site.teammate(owner, Role.EDITOR),
        "writer": await site.teammate(owner, Role.WRITER),
        "viewer": await site.teammate(owner, Role.VIEWER),
        "stranger": await site.with_token(await site.connect("sandbox_cleo")),
        "reader": await site.with_token(owner, scopes=(Scope.POSTS_READ,)),
        "nobody": site.nobody,
    }
    post_id = await made(await site.with_token(owner), text="Ours", scheduled_at=due)
    found = {name: (await decide(callers[name], post_id, decision)).status for name in reversed(callers)}
    allowed = 200 if decision in {"cancel", "resume"} else 409
    assert found == {
        "editor": allowed, "writer": 403, "viewer": 403, "stranger": 404, "reader": 403, "nobody": 401
    }  # fmt: skip


async def test_a_decision_that_comes_too_late_says_so(site):
    owner = await site.with_token(await site.connect())
    draft = await made(owner, text="A draft", scheduled_at=None)
    for decision in set(DECISIONS) - {"cancel"}:
        answer = await decide(owner, draft, decision)
        assert (answer.status, answer.json["code"]) == (409, "too_late"), decision
        assert answer.json["fix"]


async def test_a_published_post_is_deleted_on_x_and_says_since_when(working_site):
    ada = await working_site.with_token(await working_site.connect())
    post_id = await made(ada, text="Out, and back")
    assert (await settled(ada, post_id))["segments"][0]["url"]
    asked = await decide(ada, post_id, "delete")
    assert asked.status == 200
    gone = await settled(ada, post_id, until=lambda post: not post["deleting"])
    [segment] = gone["segments"]
    assert (gone["state"], segment["url"]) == ("published", None)
    assert segment["deleted_at"]
    assert gone["events"][-1]["sentence"] == "deleted on X, $0.010 spent"
    [listed] = (await ada.get("/api/v1/posts")).json["posts"]
    assert (listed["x_url"], listed["deleting"]) == (None, False)
    assert [entry["deleted"] for entry in await working_site.house.ledger()] == [True]


async def test_a_broken_thread_goes_on_when_a_program_says_so(working_site):
    ada = await working_site.with_token(await working_site.connect())
    await working_site.house.fault(match=CREATE, action="delay", seconds=0, times=1)
    await working_site.house.fault(match=CREATE, action="status", status=403, times=1)
    post_id = await made(ada, thread=[{"text": "One"}, {"text": "Two"}])
    assert (await settled(ada, post_id))["state"] == "partly_published"
    assert (await decide(ada, post_id, "continue")).status == 200
    post = await settled(ada, post_id)
    assert (post["state"], [one["state"] for one in post["segments"]]) == ("published", ["published"] * 2)


async def test_where_a_post_was_found_must_be_said(site):
    owner = await site.with_token(await site.connect())
    draft = await made(owner, text="A draft", scheduled_at=None)
    answer = await owner.post(f"/api/v1/posts/{draft}/found", json={"adress": "17"})
    assert (answer.status, answer.json["code"]) == (422, "invalid_request")

"""What programs are told of causes that need somebody, and saying that one is mended."""

import asyncio

import pytest

from perch.people.models import Role
from perch.people.tokens import Scope


async def noticed(caller):
    for _ in range(1000):
        if found := (await caller.get("/api/v1/notices")).json["notices"]:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("no notice came")


async def gone(caller):
    for _ in range(1000):
        if not (await caller.get("/api/v1/notices")).json["notices"]:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the notice stayed")


async def make(caller, text):
    answer = await caller.post("/api/v1/posts", json={"text": text, "scheduled_at": "now"})
    assert answer.status == 201, answer.text
    return answer.json["id"]


@pytest.fixture
async def paused(working_site):
    """A site whose X app ran out of credits when its owner posted."""
    owner = await working_site.connect()
    caller = await working_site.with_token(owner)
    await working_site.house.control("PUT", "/_sandbox/settings", {"credits": 0})
    post_id = await make(caller, "When there is money")
    [notice] = await noticed(caller)
    return working_site, owner, caller, post_id, notice


async def test_a_cause_is_told_once_with_what_waits_for_it(paused):
    _, _, caller, _, notice = paused
    await make(caller, "After it")
    [again] = (await caller.get("/api/v1/notices")).json["notices"]
    assert (again["id"], again["kind"], again["posts_waiting"]) == (notice["id"], "credits", 2)
    assert again["sentence"] == "The X app has no credits left."
    assert "console.x.com" in again["fix"]


async def test_an_account_that_waits_says_so_and_a_post_behind_it_too(paused):
    _, _, caller, _, _ = paused
    [account] = (await caller.get("/api/v1/accounts")).json["accounts"]
    assert account["healthy"] is False
    behind = (await caller.get(f"/api/v1/posts/{await make(caller, 'After it')}")).json
    assert (behind["state"], behind["paused"]) == ("scheduled", "credits")


async def test_who_may_publish_resumes_and_all_goes_out(paused):
    site, _, caller, post_id, _ = paused
    await site.house.control("PUT", "/_sandbox/settings", {"credits": 1000})
    answer = await caller.post("/api/v1/accounts/@sandbox_ada/resume")
    assert (answer.status, answer.json["healthy"]) == (200, True)
    await gone(caller)
    for _ in range(1000):
        if (await caller.get(f"/api/v1/posts/{post_id}")).json["state"] == "published":
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not go out")


async def test_a_viewer_a_reading_token_and_a_stranger_resume_nothing(paused):
    site, owner, _, _, _ = paused
    stranger = await site.with_token(await site.connect("sandbox_ben"))
    reader = await site.with_token(owner, scopes=(Scope.POSTS_READ,))
    callers = (await site.teammate(owner, Role.VIEWER), reader, stranger, site.nobody)
    refused = [(await one.post("/api/v1/accounts/@sandbox_ada/resume")).status for one in callers]
    assert refused == [403, 403, 404, 401]
    assert (await site.nobody.get("/api/v1/notices")).status == 401

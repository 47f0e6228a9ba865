"""A request that is repeated is not done twice."""

import asyncio
from datetime import timedelta

from sqlalchemy import func, select, update

from perch.posts.models import Post, RememberedRequest

NOW = {"text": "Once", "scheduled_at": "now"}


async def count(site):
    async with site.perch.db.read() as session:
        return await session.scalar(select(func.count()).select_from(Post))


async def test_a_hundred_equal_requests_at_once_make_one_post(working_site):
    ada = await working_site.with_token(await working_site.connect())
    answers = await asyncio.gather(
        *(ada.post("/api/v1/posts", json=NOW, headers={"Idempotency-Key": "k"}) for _ in range(100))
    )
    assert {answer.status for answer in answers} == {201}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert await count(working_site) == 1
    for _ in range(400):
        if ledger := await working_site.house.ledger():
            break
        await asyncio.sleep(0.02)
    assert [entry["text"] for entry in ledger] == ["Once"]


async def test_the_same_body_written_otherwise_is_the_same_body(site):
    ada = await site.with_token(await site.connect())
    sent = ('{"text": "Kept"}', '{ "scheduled_at":null,"text":"\\u004bept" }')
    answers = [
        await ada.post(
            "/api/v1/posts", data=body, headers={"Idempotency-Key": "k", "Content-Type": "application/json"}
        )
        for body in sent
    ]
    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].json["id"] == answers[1].json["id"]


async def test_another_body_under_the_same_key_is_refused(site):
    ada = await site.with_token(await site.connect())
    key = {"Idempotency-Key": "k"}
    await ada.post("/api/v1/posts", json={"text": "One"}, headers=key)
    other = await ada.post("/api/v1/posts", json={"text": "Two"}, headers=key)
    assert (other.status, other.json["code"]) == (422, "key_reused")
    assert await count(site) == 1


async def test_a_request_that_was_refused_leaves_its_key_free(site):
    ada = await site.with_token(await site.connect())
    key = {"Idempotency-Key": "k"}
    refused = await ada.post("/api/v1/posts", json={"text": "x" * 281}, headers=key)
    made = await ada.post("/api/v1/posts", json={"text": "x" * 280}, headers=key)
    assert (refused.status, made.status) == (422, 201)


async def test_a_key_holds_for_seven_days(site):
    ada = await site.with_token(await site.connect())
    key = {"Idempotency-Key": "k"}
    first = await ada.post("/api/v1/posts", json={"text": "One"}, headers=key)
    async with site.perch.db.write() as session:
        row = await session.scalar(select(RememberedRequest))
        assert row.expires_at - row.created_at == timedelta(days=7)
        await session.execute(update(RememberedRequest).values(expires_at=site.perch.clock.now()))
    second = await ada.post("/api/v1/posts", json={"text": "Two"}, headers=key)
    assert second.status == 201
    assert first.json["id"] != second.json["id"]


async def test_a_key_whose_first_request_has_not_ended_is_answered_409(site):
    ada = await site.with_token(await site.connect())
    key = {"Idempotency-Key": "k"}
    await ada.post("/api/v1/posts", json={"text": "One"}, headers=key)
    async with site.perch.db.write() as session:
        await session.execute(update(RememberedRequest).values(post_id=None))
    answer = await ada.post("/api/v1/posts", json={"text": "One"}, headers=key)
    assert (answer.status, answer.json["code"]) == (409, "still_running")


async def test_keys_of_different_people_are_different_keys(site):
    ada = await site.with_token(await site.connect())
    cleo = await site.with_token(await site.connect("sandbox_cleo"))
    key = {"Idempotency-Key": "k"}
    mine = await ada.post("/api/v1/posts", json={"text": "Same"}, headers=key)
    theirs = await cleo.post("/api/v1/posts", json={"text": "Same"}, headers=key)
    assert (mine.status, theirs.status) == (201, 201)
    assert mine.json["id"] != theirs.json["id"]


async def test_keys_that_are_empty_or_too_long_are_refused(site):
    ada = await site.with_token(await site.connect())
    for key, status in (("k" * 255, 201), ("k" * 256, 422), ("", 422), ("sch\u00f6n", 422)):
        answer = await ada.post("/api/v1/posts", json={"text": "x"}, headers={"Idempotency-Key": key})
        assert answer.status == status, key

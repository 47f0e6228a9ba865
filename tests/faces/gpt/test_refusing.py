"""Everything that can be wrong ends in ``{"error", "message"}`` with the status that the contract names."""

import asyncio
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from aiohttp import web
from sqlalchemy import select, update

from perch.people.models import Role
from perch.people.tokens import Scope
from perch.posts import changing
from perch.posts.models import Post, RememberedRequest
from perch.web.gpt.routes import MOST_A_MINUTE

JSON = {"Content-Type": "application/json"}


async def refused(answer, status, code):
    assert (answer.status, answer.json["error"]) == (status, code), answer.text
    assert answer.json["message"].endswith((".", "”")), answer.text
    assert set(answer.json) <= {"error", "message", "receipt_url"}
    return answer


BAD_BODIES = {
    "nothing": (b"{}", 400, "nothing_to_post"),
    "blank": (b'{"text": "  ", "media_url": ""}', 400, "nothing_to_post"),
    "null": (b'{"text": null}', 400, "nothing_to_post"),
    "not JSON": (b"text=Hello", 400, "not_json"),
    "lone surrogate": (b'{"text": "\\ud800"}', 400, "not_json"),
    "deep": (b"[" * 100_000, 400, "not_json"),
    "a number": (b'{"text": 5}', 422, "invalid_request"),
    "a time": (b'{"text": "a", "scheduled_at": "2030-01-01T00:00:00Z"}', 422, "invalid_request"),
    "NUL": (b'{"text": "a\\u0000"}', 422, "invalid_request"),
    "281": (b'{"text": "' + b"a" * 281 + b'"}', 422, "rule_broken"),
    "two cashtags": (b'{"text": "$A $B"}', 422, "rule_broken"),
    "a megabyte": (b'{"text": "' + b"a" * 1_000_000 + b'"}', 413, "body_too_large"),
}


@pytest.mark.parametrize("case", BAD_BODIES)
async def test_a_bad_body_is_refused(site, case):
    body, status, code = BAD_BODIES[case]
    key = await site.with_token(await site.connect())
    await refused(await key.post("/postTweet", data=body, headers=JSON), status, code)


async def test_a_form_is_not_json(site):
    key = await site.with_token(await site.connect())
    await refused(await key.post("/postTweet", data={"text": "a"}), 415, "wrong_content_type")


async def test_owner_teammates_and_stranger_reach_as_far_as_their_roles(working_site):
    site = working_site
    owner = await site.connect()
    stranger = await site.with_token(await site.connect("sandbox_cleo"))
    account = owner.account_public_id
    for caller, status in (
        (site.nobody, 401), (stranger, 404), (await site.teammate(owner, Role.VIEWER), 403),
        (await site.teammate(owner, Role.WRITER), 403), (await site.teammate(owner, Role.EDITOR), 200),
    ):  # fmt: skip
        answer = await caller.post("/postTweet", json={"text": f"From {status}", "account": account})
        assert answer.status == status, answer.text
    reader = await site.with_token(owner, scopes=(Scope.POSTS_READ, Scope.DRAFTS_WRITE))
    await refused(await reader.post("/postTweet", json={"text": "a"}), 403, "not_allowed")
    mine = await stranger.post("/postTweet", json={"text": "My own"})
    assert mine.json["tweet_url"].split("/")[-3] == "sandbox_cleo"
    assert [entry["text"] for entry in await site.house.ledger()] == ["From 200", "My own"]


async def test_a_browsers_session_posts_with_its_csrf_token_only(working_site):
    ada = await working_site.connect()
    browser = await working_site.with_session(ada)
    assert (await browser.post("/postTweet", json={"text": "Typed"})).status == 200
    bare = await working_site.with_session(ada, csrf=False)
    await refused(await bare.post("/postTweet", json={"text": "Forged"}), 403, "forged")
    foreign = await browser.post("/postTweet", json={"text": "x"}, headers={"Sec-Fetch-Site": "cross-site"})
    await refused(foreign, 403, "cross_site")


async def test_what_x_refuses_is_told_in_xs_words_and_again_on_a_repeat(working_site):
    key = await working_site.with_token(await working_site.connect())
    other = await working_site.with_token(await working_site.connect())
    assert (await other.post("/postTweet", json={"text": "Twice"})).status == 200
    first = await refused(await key.post("/postTweet", json={"text": "Twice"}), 422, "refused")
    assert "duplicate content" in first.json["message"]
    again = await key.post("/postTweet", json={"text": "Twice"})
    assert again.text == first.text
    assert len(await working_site.house.ledger()) == 1


async def test_the_same_text_after_ten_minutes_is_a_new_post(working_site):
    site = working_site
    key = await site.with_token(await site.connect())
    await key.post("/postTweet", json={"text": "Twice"})
    async with site.perch.db.write() as session:
        row = await session.scalar(select(RememberedRequest))
        assert row.expires_at - row.created_at == timedelta(minutes=10)
        await session.execute(update(RememberedRequest).values(expires_at=site.perch.clock.now()))
    await refused(await key.post("/postTweet", json={"text": "Twice"}), 422, "refused")


LOST = {"match": {"method": "POST", "path": "/2/tweets"}, "action": "commit_then_drop", "times": 1}


async def test_a_lost_answer_that_is_found_in_time_is_a_success(working_site):
    site = working_site
    key = await site.with_token(await site.connect())
    await site.house.fault(**LOST)
    answer = await key.post("/postTweet", json={"text": "Lost and found"})
    [entry] = await site.house.ledger()
    assert (answer.status, answer.json["tweet_id"]) == (200, entry["id"])


async def test_a_lost_answer_is_not_called_a_failure(working_site):
    site = working_site
    key = await site.with_token(await site.connect())
    await site.house.control("PUT", "/_sandbox/settings", {"timeline_lag_s": 3600})
    await site.house.fault(**LOST)
    answer = await refused(await key.post("/postTweet", json={"text": "Lost?"}), 504, "unknown_outcome")
    assert answer.json["receipt_url"].startswith(f"{site.url}/posts/")
    again = await key.post("/postTweet", json={"text": "Lost?"})
    assert again.json["receipt_url"] == answer.json["receipt_url"]
    assert len(await site.house.ledger()) == 1


async def test_out_of_credits_is_a_pause_with_a_receipt(working_site):
    site = working_site
    key = await site.with_token(await site.connect())
    await site.house.control("PUT", "/_sandbox/settings", {"credits": 0})
    answer = await refused(await key.post("/postTweet", json={"text": "Poor"}), 503, "paused")
    assert answer.json["receipt_url"].startswith(f"{site.url}/posts/")


async def test_not_out_in_time_is_still_queued_and_is_one_post(build_site):
    site = await build_site(pace=0.03)
    key = await site.with_token(await site.connect())
    first = await refused(await key.post("/postTweet", json={"text": "Slow"}), 504, "still_queued")
    again = await key.post("/postTweet", json={"text": "Slow"})
    assert first.json["receipt_url"] == again.json["receipt_url"]


async def test_a_post_that_a_person_stops_is_told_as_stopped(site):
    key = await site.with_token(await site.connect())
    asked = asyncio.create_task(key.post("/postTweet", json={"text": "Wait"}))
    for _ in range(400):
        async with site.perch.db.write() as session:
            if (post := await session.scalar(select(Post))) is not None:
                await changing.cancel(session, site.perch.clock, post, "Ada")
                break
        await asyncio.sleep(0.01)
    await refused(await asked, 409, "cancelled")


@pytest.fixture
async def give_files():
    """Serves what a handler makes of ``/{name}``; the address to ask."""
    runners = []

    async def give(handler):
        app = web.Application()
        app.router.add_get("/{name}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield give
    for runner in runners:
        await runner.cleanup()


async def test_media_that_cannot_be_had_is_a_502_and_that_is_none_a_415(site, give_files):
    async def give(request):
        if request.path == "/gone":
            raise web.HTTPNotFound
        packed = {"Content-Encoding": "gzip"} if request.path == "/packed" else {}
        return web.Response(body=b"<svg/>", content_type="image/png", headers=packed)

    address = await give_files(give)
    key = await site.with_token(await site.connect())
    for path, status, code in (
        ("gone", 502, "fetch_failed"), ("packed", 502, "fetch_failed"), ("svg", 415, "media_type_refused"),
    ):  # fmt: skip
        answer = await key.post("/postTweet", json={"media_url": f"{address}/{path}"})
        await refused(answer, status, code)
    async with site.perch.db.read() as session:
        assert await session.scalar(select(Post)) is None


async def test_media_that_drips_is_given_up_in_time(build_site, give_files):
    site = await build_site(pace=0.03)

    async def drip(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.05)

    address = await give_files(drip)
    key = await site.with_token(await site.connect())
    await refused(await key.post("/postTweet", json={"media_url": f"{address}/x"}), 502, "fetch_failed")


async def test_an_address_that_may_be_fetched_cannot_lead_on_to_one_that_may_not(build_site, give_files):
    reached = []

    async def inside(request):
        reached.append(request.path)
        return web.Response()

    hidden = await give_files(inside)

    async def lead_on(request):
        raise web.HTTPFound(f"{hidden}/secret")

    address = await give_files(lead_on)
    site = await build_site(fetch_allow=address.removeprefix("http://"))
    key = await site.with_token(await site.connect())
    await refused(await key.post("/postTweet", json={"media_url": f"{address}/x"}), 422, "address_refused")
    assert reached == []


async def test_no_media_address_leads_inside(build_site):
    site = await build_site(fetch_allow="")
    key = await site.with_token(await site.connect())
    port = urlsplit(site.house.x.url).port
    before = len((await site.house.control("GET", "/_sandbox/requests"))["requests"])
    for address in (
        f"http://127.0.0.1:{port}/", "http://127.0.0.1/", f"http://localhost:{port}/", "http://[::1]/",
        "http://[::ffff:127.0.0.1]/", "http://①②⑦.⓪.⓪.①/", "http://0x7f000001/", "file:///etc/passwd",
        "http://169.254.169.254/", "http://a@127.0.0.1/", "http://127.0.0.1:22/", "data:image/png,a",
    ):  # fmt: skip
        await refused(await key.post("/postTweet", json={"media_url": address}), 422, "address_refused")
    requests = (await site.house.control("GET", "/_sandbox/requests"))["requests"][before:]
    assert {seen["path"] for seen in requests} <= {"/_sandbox/requests"}


async def test_who_posts_too_often_is_told_when_to_come_back(site):
    key = await site.with_token(await site.connect())
    answers = [await key.post("/postTweet", data=b"{}", headers=JSON) for _ in range(MOST_A_MINUTE + 1)]
    assert {answer.status for answer in answers[:-1]} == {400}
    await refused(answers[-1], 429, "too_many_requests")
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 61


async def test_sign_ins_cannot_be_begun_without_end(site):
    statuses = [(await site.nobody.get("/startAuth")).status for _ in range(MOST_A_MINUTE + 1)]
    assert statuses == [200] * MOST_A_MINUTE + [429]


async def consented(site, **more):
    began = await site.nobody.get("/startAuth")
    query = dict(parse_qsl(urlsplit(began.json["authorization_url"]).query))
    body = {**query, "username": "sandbox_ada", "allow": True, **more}
    return "?" + urlsplit((await site.house.control("POST", "/_sandbox/approve", body))["location"]).query


@pytest.mark.parametrize("path", ["/callback", "/auth/x", "/auth/twitter", "/oauth/callback"])
async def test_a_sign_in_of_a_gpt_ends_in_json_on_every_callback_once(site, path):
    query = await consented(site)
    assert (await site.nobody.get(path + query)).json["message"] == "Authentication successful!"
    replayed = await site.nobody.get(path + query)
    await refused(replayed, 400, "state_spent")
    assert "Set-Cookie" not in replayed.headers


async def test_a_refused_consent_and_a_broken_callback_are_told_in_json(site):
    await refused(
        await site.nobody.get("/callback" + await consented(site, allow=False)), 403, "consent_denied"
    )
    began = await site.nobody.get("/startAuth")
    no_code = await site.nobody.get(f"/callback?state={began.json['state']}")
    await refused(no_code, 400, "callback_broken")
    foreign = await site.nobody.get("/callback?code=a&state=b", headers={"Accept": "application/json"})
    await refused(foreign, 400, "state_unknown")


async def test_a_sign_in_of_a_browser_never_ends_in_a_token(site):
    async with site.http.get(site.url + "/login/x", allow_redirects=False) as began:
        query = dict(parse_qsl(urlsplit(began.headers["Location"]).query))
        cookies = {name: morsel.value for name, morsel in began.cookies.items()}
    body = {**query, "username": "sandbox_ada", "allow": True}
    location = (await site.house.control("POST", "/_sandbox/approve", body))["location"]
    callback = "/callback?" + urlsplit(location).query
    stolen = await site.nobody.get(callback, headers={"Accept": "application/json"})
    assert "access_token" not in stolen.text
    async with site.http.get(site.url + callback, cookies=cookies, allow_redirects=False) as ended:
        assert ended.status == 303
        assert "access_token" not in await ended.text()


async def test_the_description_keeps_to_what_chatgpt_imports(site):
    document = (await site.nobody.get("/gpt/openapi.json")).json
    [operation] = [said for path in document["paths"].values() for said in path.values()]
    assert document["servers"] == [{"url": site.url}]
    assert operation["operationId"] == "postTweet"
    assert len(operation["description"]) <= 300
    assert "$ref" not in str(document)

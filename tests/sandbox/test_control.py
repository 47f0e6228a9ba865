from typing import Any

import pytest

from perch.sandbox.config import SandboxConfig


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.test"},
        {"Origin": "http://127.0.0.1:5000"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "sandbox.evil.test"},
        {"Host": "127.0.0.1.evil.test"},
    ],
)
async def test_the_control_plane_refuses_other_sites_and_other_names(x: Any, headers: dict[str, str]) -> None:
    for method, path in (("POST", "reset"), ("GET", "ledger"), ("POST", "tokens"), ("DELETE", "faults")):
        assert (await x.ask(method, f"/_sandbox/{path}", headers=headers)).status == 403


async def test_the_control_plane_answers_its_own_pages_and_plain_clients(x: Any) -> None:
    own = {"Origin": x.url, "Sec-Fetch-Site": "same-origin"}
    assert (await x.ask("GET", "/_sandbox/health", headers=own)).body["ok"] is True
    assert (await x.ask("GET", "/_sandbox/health")).body["ok"] is True


async def test_the_ledger_keeps_what_was_deleted(x: Any, ada: str) -> None:
    picture = await x.picture(ada)
    first = await x.posted(ada, "  as sent  ", media={"media_ids": [picture]})
    second = (await x.reply(ada, "reply", first)).body["data"]["id"]
    await x.ask("DELETE", f"/2/tweets/{first}", ada)
    entries = (await x.control("GET", "ledger"))["posts"]
    assert [entry["id"] for entry in entries] == [first, second]
    assert entries[0] | {"at": ""} == {
        "id": first,
        "account": "sandbox_ada",
        "author_id": "1700000000000000001",
        "text": "  as sent  ",
        "media_ids": [picture],
        "reply_to": None,
        "at": "",
        "at_ms": int(x.clock.at * 1000),
        "deleted": True,
        "fault": "",
        "arrived_ms": int(x.clock.at * 1000),
    }
    assert entries[1]["reply_to"] == first
    assert (await x.control("GET", f"ledger?since={first}"))["posts"][0]["id"] == second


async def test_a_refused_post_never_reaches_the_ledger(x: Any, ada: str) -> None:
    await x.post(ada, "x" * 300)
    assert (await x.control("GET", "ledger"))["posts"] == []


async def test_a_reset_is_the_first_day_again(x: Any, ada: str) -> None:
    await x.posted(ada, "gone")
    await x.control("POST", "people", {"username": "somebody"})
    await x.set(credits=1)
    await x.control("POST", "reset")
    assert (await x.control("GET", "ledger"))["posts"] == []
    assert [p["username"] for p in (await x.control("GET", "people"))["people"]] == [
        "sandbox_ada",
        "sandbox_ben",
        "sandbox_cleo",
    ]
    assert (await x.control("GET", "settings"))["credits"] == 1_000_000
    assert (await x.ask("GET", "/2/users/me", ada)).status == 401
    assert (await x.post(await x.token(), "gone")).status == 201


async def test_people_are_made_and_changed(x: Any) -> None:
    made = await x.control("POST", "people", {"username": "dora", "name": "Dora", "premium": "PremiumPlus"})
    changed = await x.control("POST", "people", {"username": "Dora", "protected": True})
    assert changed["id"] == made["id"]
    assert (changed["name"], changed["subscription_type"], changed["protected"]) == (
        "Dora",
        "PremiumPlus",
        True,
    )
    token = await x.token("dora")
    assert (await x.ask("GET", "/2/users/me", token)).body["data"]["name"] == "Dora"


@pytest.mark.parametrize("username", ["", "a b", "x" * 21, "<b>", "ümlaut"])
async def test_a_username_is_as_plain_as_on_x(x: Any, username: str) -> None:
    assert (await x.ask("POST", "/_sandbox/people", json={"username": username})).status == 400


async def test_an_app_can_be_registered_and_signs_in(x: Any) -> None:
    app = {"client_id": "other", "client_secret": "s", "callbacks": ["https://other.example/cb"]}
    await x.control("POST", "apps", app)
    got = await x.exchange(
        code=await x.code(client_id="other", redirect_uri="https://other.example/cb"),
        redirect_uri="https://other.example/cb",
    )
    assert got.status == 400  # the code of one app in the hands of another
    shown = await x.control("GET", "apps")
    assert [(a["client_id"], a["kind"]) for a in shown["apps"]] == [
        ("perch-sandbox:ci", "confidential"),
        ("perch-sandbox:na", "public"),
        ("other", "confidential"),
    ]
    assert "perch-sandbox-secret" not in str(shown)


async def test_a_minted_token_can_be_short_lived(x: Any) -> None:
    token = await x.token(expires_in=5)
    x.clock.advance(5)
    assert (await x.ask("GET", "/2/users/me", token)).status == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"credit": 5},
        {"credits": "much"},
        {"rate_limits": 1},
        {"names": "odd"},
        {"credits": True},
        {"limits": {"GET /nowhere": {"user": [1, 1]}}},
        {"limits": {"POST /2/tweets": {"user": 5}}},
        {"limits": {"POST /2/tweets": {"nobody": [1, 1]}}},
        {"limits": 5},
    ],
)
async def test_a_wrong_setting_changes_nothing(x: Any, changes: dict[str, Any]) -> None:
    before = await x.control("GET", "settings")
    assert (await x.ask("PUT", "/_sandbox/settings", json=changes)).status == 400
    assert await x.control("GET", "settings") == before


async def test_the_clock_can_be_moved_from_outside(x: Any, ada: str) -> None:
    await x.set(clock_offset_s=7200)
    assert (await x.ask("GET", "/2/users/me", ada)).status == 401


async def test_live_tokens_are_told_only_when_asked_for_at_the_start(x: Any, ada: str, start: Any) -> None:
    assert (await x.ask("GET", "/_sandbox/secrets")).status == 404
    open_one = await start(SandboxConfig(reveal=True))
    token = await open_one.token()
    assert token in (await open_one.control("GET", "secrets"))["tokens"]


async def test_a_config_never_prints_its_secret() -> None:
    assert "perch-sandbox-secret" not in repr(SandboxConfig())


async def test_a_crowd_is_many_people_who_have_all_consented(x: Any) -> None:
    made = (await x.control("POST", "crowd", {"count": 300, "prefix": "c"}))["people"]
    assert [person["username"] for person in made[::299]] == ["c1", "c300"]
    tokens = {person["access_token"] for person in made} | {person["refresh_token"] for person in made}
    assert len(tokens) == 600
    me = await x.ask("GET", "/2/users/me", made[41]["access_token"])
    assert (me.body["data"]["id"], me.body["data"]["username"]) == (made[41]["id"], "c42")
    assert (await x.refresh(made[41]["refresh_token"])).status == 200


@pytest.mark.parametrize("count", [0, -1, "many", True, 10**9])
async def test_a_crowd_has_a_size(x: Any, count: Any) -> None:
    assert (await x.ask("POST", "/_sandbox/crowd", json={"count": count})).status == 400


async def test_a_measurement_meets_no_limit(x: Any, ada: str) -> None:
    await x.set(limits={"POST /2/tweets": {"user": [1, 900]}}, credits=1)
    await x.control("POST", "profile", {"name": "no-limits"})
    answers = [await x.post(ada, f"post {n}") for n in range(120)]
    assert {got.status for got in answers} == {201}
    assert "x-rate-limit-limit" not in answers[-1].headers
    assert (await x.ask("POST", "/_sandbox/profile", json={"name": "wild"})).status == 400


async def test_ledger_and_requests_are_read_in_pages(x: Any, ada: str) -> None:
    ids = [await x.posted(ada, f"post {n}") for n in range(7)]
    pages, since = [], "0"
    while since is not None:
        page = await x.control("GET", f"ledger?since={since}&limit=3")
        pages.append([post["id"] for post in page["posts"]])
        since = page["next"]
    assert pages == [ids[:3], ids[3:6], ids[6:]]
    first = await x.control("GET", "requests?limit=4")
    rest = await x.control("GET", f"requests?since={first['next']}")
    assert [seen["n"] for seen in first["requests"] + rest["requests"]] == list(range(1, 8))
    assert (first["next"], rest["next"]) == (4, None)


async def test_the_ledger_knows_how_a_post_came_in(x: Any, ada: str) -> None:
    await x.fault(match={"path": "/2/tweets"}, action="commit_then_status", status=503)
    await x.post(ada, "Answered wrongly")
    await x.posted(ada, "Answered rightly")
    assert [post["fault"] for post in (await x.control("GET", "ledger"))["posts"]] == [
        "commit_then_status",
        "",
    ]

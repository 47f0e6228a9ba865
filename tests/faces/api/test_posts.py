"""Posts made, read and stopped by programs."""

import asyncio
from datetime import UTC, datetime, timedelta

from perch.accounts.models import XAccount
from perch.people import tokens
from perch.people.models import Role
from perch.people.queries import api_tokens_of
from perch.people.tokens import Scope


async def out(caller, post_id):
    for _ in range(400):
        answer = await caller.get(f"/api/v1/posts/{post_id}")
        if answer.json["state"] not in {"scheduled", "publishing"}:
            return answer.json
        await asyncio.sleep(0.02)
    raise AssertionError(answer.json)


async def move(site, account_id, workspace_id):
    async with site.perch.db.write() as session:
        account = await session.get_one(XAccount, account_id)
        account.workspace_id = workspace_id


async def statuses(caller, asked):
    return {
        what: (await caller.ask(method, path, json=body)).status
        for what, (method, path, body) in asked.items()
    }


async def test_a_post_of_a_program_goes_out_and_tells_its_story(working_site):
    ada = await working_site.with_token(await working_site.connect())
    made = await ada.post("/api/v1/posts", json={"text": "Hello from a script", "scheduled_at": "now"})
    assert made.status == 201
    assert made.headers["Location"] == f"/api/v1/posts/{made.json['id']}"
    assert made.json["url"] == f"{working_site.url}/posts/{made.json['id']}"
    assert made.json["price_usd"] == 0.015
    post = await out(ada, made.json["id"])
    [entry] = await working_site.house.ledger()
    assert post["state"] == "published"
    assert post["is_whole"]
    assert [event["kind"] for event in post["events"]] == ["queued", "armed", "sent", "answered", "recorded"]
    assert post["events"][0]["sentence"].startswith("queued by")
    assert post["segments"] == [
        {
            "position": 0, "text": "Hello from a script", "weight": 19, "media": [], "state": "published",
            "x_post_id": entry["id"],
            "url": f"{working_site.house.x.url}/sandbox_ada/status/{entry['id']}", "deleted_at": None,
        }
    ]  # fmt: skip


async def test_a_thread_goes_out_in_order(working_site):
    ada = await working_site.with_token(await working_site.connect())
    made = await ada.post(
        "/api/v1/posts",
        json={"account": "@sandbox_ada", "thread": [{"text": "One"}, {"text": "Two"}], "scheduled_at": "now"},
    )
    post = await out(ada, made.json["id"])
    first, second = await working_site.house.ledger()
    assert [segment["x_post_id"] for segment in post["segments"]] == [first["id"], second["id"]]
    assert second["reply_to"] == first["id"]


async def test_a_post_without_a_time_is_kept_as_a_draft(site):
    ada = await site.with_token(await site.connect(), scopes=(Scope.DRAFTS_WRITE, Scope.POSTS_READ))
    made = await ada.post("/api/v1/posts", json={"text": "Later"})
    assert (made.status, made.json["state"], made.json["due_at"]) == (201, "draft", None)


async def test_a_future_instant_is_kept_to_the_second(site):
    ada = await site.with_token(await site.connect())
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    made = await ada.post("/api/v1/posts", json={"text": "In three days", "scheduled_at": due.isoformat()})
    assert made.json["state"] == "scheduled"
    assert datetime.fromisoformat(made.json["due_at"]) == due


async def test_a_dry_run_finds_everything_and_writes_nothing(site):
    ada = await site.with_token(await site.connect())
    answer = await ada.post(
        "/api/v1/posts",
        json={"thread": [{"text": "x" * 281}, {"text": "$A $B"}], "scheduled_at": "now", "dry_run": True},
    )
    assert (answer.status, answer.json["state"]) == (200, "dry_run")
    assert [(error["rule"], error["position"]) for error in answer.json["errors"]] == [
        ("X006", 0),
        ("X001", 1),
    ]
    assert [segment["weight"] for segment in answer.json["segments"]] == [281, 5]
    assert not {"id", "url"} & set(answer.json)
    assert (await ada.get("/api/v1/posts")).json["posts"] == []


async def test_a_dry_run_fetches_no_media_and_says_so(site):
    ada = await site.with_token(await site.connect())
    address = f"{site.house.x.url}/2/never-asked"
    answer = await ada.post("/api/v1/posts", json={"media_urls": [address], "dry_run": True})
    assert answer.json["errors"] == []
    assert "not fetched" in answer.json["warnings"][0]["detail"]
    asked = (await site.house.control("GET", "/_sandbox/requests"))["requests"]
    assert not [seen for seen in asked if seen["path"] == "/2/never-asked"]


async def test_a_post_that_x_would_refuse_is_refused_with_its_rules(site):
    ada = await site.with_token(await site.connect())
    answer = await ada.post("/api/v1/posts", json={"text": "$AAPL $MSFT", "scheduled_at": "now"})
    assert answer.status == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.json["code"], answer.json["rule"]) == ("rule_broken", "X001")
    assert answer.json["fix"]
    assert [error["rule"] for error in answer.json["errors"]] == ["X001"]


async def test_a_scheduled_post_can_be_stopped_once(site):
    ada = await site.with_token(await site.connect())
    due = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    made = await ada.post("/api/v1/posts", json={"text": "Soon", "scheduled_at": due})
    stopped = await ada.post(f"/api/v1/posts/{made.json['id']}/cancel")
    assert (stopped.status, stopped.json["state"]) == (200, "cancelled")
    assert stopped.json["events"][-1]["kind"] == "cancelled"
    again = await ada.post(f"/api/v1/posts/{made.json['id']}/cancel")
    assert (again.status, again.json["code"]) == (409, "too_late")


async def test_the_list_is_newest_first_and_pages_to_its_end(site):
    ada = await site.with_token(await site.connect())
    for number in range(5):
        await ada.post("/api/v1/posts", json={"text": f"Number {number}"})
    seen, cursor = [], ""
    while cursor is not None:
        page = (await ada.get(f"/api/v1/posts?limit=2{cursor and f'&cursor={cursor}'}")).json
        seen += [post["text"] for post in page["posts"]]
        cursor = page["next_cursor"]
    assert seen == [f"Number {number}" for number in (4, 3, 2, 1, 0)]


async def test_accounts_are_listed_without_anything_that_opens_them(site):
    connected = await site.connect()
    ada = await site.with_token(connected)
    answer = await ada.get("/api/v1/accounts")
    [account] = answer.json["accounts"]
    assert account.pop("name")
    assert account == {
        "id": connected.account_public_id, "handle": "@sandbox_ada", "x": "sandbox",
        "healthy": True, "missing_scopes": [], "warnings": [],
    }  # fmt: skip


async def test_which_account_is_asked_for_when_there_are_several(site):
    ada = await site.connect()
    ben = await site.connect("sandbox_ben")
    await move(site, ben.account_id, ada.workspace_id)
    caller = await site.with_token(ada)
    answer = await caller.post("/api/v1/posts", json={"text": "From whom?"})
    assert (answer.status, answer.json["code"]) == (409, "which_account")
    named = await caller.post("/api/v1/posts", json={"text": "From Ben", "account": ben.account_public_id})
    assert named.json["account"]["handle"] == "@sandbox_ben"


async def test_a_token_of_one_account_neither_sees_nor_uses_another(site):
    ada = await site.connect()
    ben = await site.connect("sandbox_ben")
    await move(site, ben.account_id, ada.workspace_id)
    everything = await site.with_token(ada)
    of_ben = await everything.post("/api/v1/posts", json={"text": "Ben's", "account": "@sandbox_ben"})
    narrow = await site.with_token(ada, account_id=ada.account_id)
    refused = await narrow.post("/api/v1/posts", json={"text": "Mine?", "account": "@sandbox_ben"})
    assert (refused.status, refused.json["code"]) == (403, "not_allowed")
    assert (await narrow.get(f"/api/v1/posts/{of_ben.json['id']}")).status == 404
    assert (await narrow.post(f"/api/v1/posts/{of_ben.json['id']}/cancel")).status == 404
    assert (await narrow.get("/api/v1/posts")).json["posts"] == []
    assert [one["handle"] for one in (await narrow.get("/api/v1/accounts")).json["accounts"]] == [
        "@sandbox_ada"
    ]


async def test_owner_teammates_and_stranger_reach_as_far_as_their_roles(site):
    owner = await site.connect()
    stranger = await site.with_token(await site.connect("sandbox_cleo"))
    people = {
        "owner": await site.with_token(owner),
        "editor": await site.teammate(owner, Role.EDITOR),
        "writer": await site.teammate(owner, Role.WRITER),
        "viewer": await site.teammate(owner, Role.VIEWER),
        "stranger": stranger,
        "nobody": site.nobody,
    }
    due = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    post_id = (await people["owner"].post("/api/v1/posts", json={"text": "Ours", "scheduled_at": due})).json[
        "id"
    ]
    account = owner.account_public_id
    asked = {
        "publish": ("POST", "/api/v1/posts", {"account": account, "text": "Out", "scheduled_at": due}),
        "draft": ("POST", "/api/v1/posts", {"account": account, "text": "Kept"}),
        "check": ("POST", "/api/v1/posts", {"account": account, "text": "Tried", "dry_run": True}),
        "read": ("GET", f"/api/v1/posts/{post_id}", None),
        "list": ("GET", "/api/v1/posts", None),
        "accounts": ("GET", "/api/v1/accounts", None),
        "cancel": ("POST", f"/api/v1/posts/{post_id}/cancel", None),
    }
    # The owner comes last: what they cancel nobody else could have tried to.
    found = {name: await statuses(caller, asked) for name, caller in reversed(people.items())}
    assert found["nobody"] == dict.fromkeys(asked, 401)
    assert found["stranger"] == {
        "publish": 404, "draft": 404, "check": 404, "read": 404, "list": 200, "accounts": 200, "cancel": 404
    }  # fmt: skip
    assert found["viewer"] == {
        "publish": 403, "draft": 403, "check": 403, "read": 200, "list": 200, "accounts": 200, "cancel": 403
    }  # fmt: skip
    assert found["writer"] == {
        "publish": 403, "draft": 201, "check": 200, "read": 200, "list": 200, "accounts": 200, "cancel": 403
    }  # fmt: skip
    assert found["editor"] == {
        "publish": 201, "draft": 201, "check": 200, "read": 200, "list": 200, "accounts": 200, "cancel": 200
    }  # fmt: skip
    assert found["owner"] == {**found["editor"], "cancel": 409}
    assert (await stranger.get("/api/v1/posts")).json["posts"] == []


async def test_a_token_reaches_as_far_as_its_scopes(site):
    ada = await site.connect()
    due = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    reader = await site.with_token(ada, scopes=(Scope.POSTS_READ,))
    drafter = await site.with_token(ada, scopes=(Scope.DRAFTS_WRITE,))
    publisher = await site.with_token(ada, scopes=(Scope.PUBLISH_DIRECT,))
    post, draft = {"text": "Out", "scheduled_at": due}, {"text": "Kept"}
    found = [
        [(await caller.post("/api/v1/posts", json=body)).status for body in (post, draft)]
        + [(await caller.get("/api/v1/posts")).status]
        for caller in (reader, drafter, publisher)
    ]
    assert found == [[403, 403, 200], [403, 201, 403], [201, 201, 403]]


async def test_a_browsers_session_needs_its_csrf_token_to_write(site):
    ada = await site.connect()
    browser = await site.with_session(ada)
    assert (await browser.post("/api/v1/posts", json={"text": "Typed"})).status == 201
    without = await site.with_session(ada, csrf=False)
    assert (await without.get("/api/v1/posts")).status == 200
    assert (await without.post("/api/v1/posts", json={"text": "Forged"})).status == 403
    foreign = await browser.post(
        "/api/v1/posts", json={"text": "x"}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert (foreign.status, foreign.headers["Content-Type"]) == (403, "application/problem+json")


async def test_a_bad_token_is_refused_even_beside_a_good_session(site):
    browser = await site.with_session(await site.connect())
    for said in ("Bearer perch_pat_wrong", "Basic YTpi", "Bearer", ""):
        answer = await browser.get("/api/v1/posts", headers={"Authorization": said})
        assert (answer.status, answer.json["code"]) == (401, "not_signed_in")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_revoked_token_ends_at_once(site):
    ada = await site.connect()
    caller = await site.with_token(ada)
    assert (await caller.get("/api/v1/posts")).status == 200
    async with site.perch.db.write() as session:
        [row] = await api_tokens_of(session, ada.workspace_id)
        await tokens.revoke(session, site.perch.clock, ada.workspace_id, row.public_id)
    assert (await caller.get("/api/v1/posts")).status == 401

"""Programs say when: local times, slots, another time, and posts that come again."""

import asyncio
from datetime import UTC, datetime, timedelta

from sqlalchemy import update

from perch.people.models import Role
from perch.posts.models import Post

POSTS, AGAIN = "/api/v1/posts", "/api/v1/recurrences"
WEEK = [{"text": f"Text {n}"} for n in range(7)]


def in_days(days):
    return (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0)


def instants(answer):
    return [datetime.fromisoformat(at) for at in answer.json["next"]]


async def scheduled(caller, text="Soon", **more):
    made = await caller.post(POSTS, json={"text": text, "scheduled_at": in_days(3).isoformat(), **more})
    assert made.status == 201, made.text
    return made.json


async def test_a_local_time_is_kept_with_its_zone(site):
    ada = await site.with_token(await site.connect())
    local = in_days(40).strftime("%Y-%m-%dT09:00:00")
    made = await scheduled(ada, scheduled_at={"local": local, "zone": "Asia/Tokyo"})
    assert (made["local_time"], made["zone"]) == (local, "Asia/Tokyo")
    assert datetime.fromisoformat(made["due_at"]) == datetime.fromisoformat(f"{local}+09:00")


async def test_a_dry_run_warns_of_an_hour_that_the_clock_skips(site):
    ada = await site.with_token(await site.connect())
    year = datetime.now(UTC).year + 1
    sunday = max(day for day in range(25, 32) if datetime(year, 3, day, tzinfo=UTC).weekday() == 6)
    skipped = {"local": f"{year}-03-{sunday}T02:30", "zone": "Europe/Berlin"}
    dry = await ada.post(POSTS, json={"text": "Early", "scheduled_at": skipped, "dry_run": True})
    assert "put forward over 02:30" in dry.json["warnings"][0]["detail"]
    assert dry.json["due_at"] == f"{year}-03-{sunday}T01:30:00Z"


async def test_what_is_no_time_is_refused_with_its_code(site):
    ada = await site.with_token(await site.connect())
    for when, code, rule in (
        ({"local": "2026-13-01T09:00"}, "wrong_time", None),
        ({"local": in_days(3).strftime("%Y-%m-%dT%H:%M"), "zone": "Mars/Olympus"}, "unknown_zone", None),
        (in_days(-1).isoformat(), "wrong_time", None),
        (in_days(800).isoformat(), "wrong_time", "X012"),
        ("next-free-slot", "no_free_slot", None),
    ):
        refused = await ada.post(POSTS, json={"text": "When", "scheduled_at": when})
        assert (refused.json["code"], refused.json.get("rule")) == (code, rule)
        assert refused.json["fix"]


async def test_slots_are_written_read_and_filled(site):
    ada = await site.with_token(await site.connect())
    path = "/api/v1/accounts/@sandbox_ada/slots"
    wish = {"slots": "mon-fri 09:00,17:30", "zone": "Europe/Berlin", "missed_policy": "ask"}
    told = (await ada.ask("PUT", path, json=wish)).json
    assert (told["words"], told["zone"], told["missed_policy"]) == (
        "mon-fri 09:00,17:30",
        "Europe/Berlin",
        "ask",
    )
    assert told["slots"][0] == {"weekday": "mon", "time": "09:00"}
    made = await asyncio.gather(
        *(scheduled(ada, f"Slot {n}", scheduled_at="next-free-slot") for n in range(4))
    )
    due = {post["due_at"] for post in made}
    assert len(due) == 4
    assert told["next_free"] in due
    assert (await ada.get(path)).json["next_free"] not in due
    for wrong, code in (({"slots": "often"}, "wrong_slots"), ({"missed_policy": "x"}, "wrong_preference")):
        assert (await ada.ask("PUT", path, json=wrong)).json["code"] == code


async def test_a_post_is_changed_against_the_version_that_was_read(site):
    ada = await site.with_token(await site.connect())
    made = await scheduled(ada, "Helo")
    path = f"{POSTS}/{made['id']}"
    etag = (await ada.get(path)).headers["ETag"]
    changed = await ada.ask("PATCH", path, json={"text": "Hello"}, headers={"If-Match": etag})
    assert (changed.status, changed.json["version"]) == (200, 2)
    assert changed.headers["ETag"] == '"2"'
    assert changed.json["segments"][0]["text"] == "Hello"
    assert changed.json["due_at"] == made["due_at"]
    for stale in (
        {"headers": {"If-Match": etag}, "json": {"text": "x"}},
        {"json": {"version": 1, "text": "x"}},
    ):
        refused = await ada.ask("PATCH", path, **stale)
        assert (refused.status, refused.json["code"]) == (409, "stale_version")
    nonsense = await ada.ask("PATCH", path, json={"text": "x"}, headers={"If-Match": "v2"})
    assert (nonsense.status, nonsense.json["errors"][0]["field"]) == (422, "If-Match")


async def test_a_post_is_moved_put_in_the_drawer_and_made_a_thread(site):
    ada = await site.with_token(await site.connect())
    path = f"{POSTS}/{(await scheduled(ada))['id']}"
    later = in_days(9)
    moved = await ada.ask("PATCH", path, json={"scheduled_at": later.isoformat()})
    assert datetime.fromisoformat(moved.json["due_at"]) == later
    assert moved.json["segments"][0]["text"] == "Soon"
    drawer = await ada.ask(
        "PATCH", path, json={"scheduled_at": None, "thread": [{"text": "1"}, {"text": "2"}]}
    )
    assert (drawer.json["state"], drawer.json["due_at"]) == ("draft", None)
    assert [one["text"] for one in drawer.json["segments"]] == ["1", "2"]
    both = await ada.ask("PATCH", path, json={"text": "1", "thread": [{"text": "2"}]})
    assert (both.status, both.json["code"]) == (422, "invalid_request")
    assert (await ada.ask("PATCH", path, json={"text": "$A $B"})).json["rule"] == "X001"
    assert (await ada.ask("PATCH", path, json={"account": "@nobody"})).status == 404


async def test_a_published_post_cannot_be_changed(working_site):
    ada = await working_site.with_token(await working_site.connect())
    made = await scheduled(ada, "Out", scheduled_at="now")
    for _ in range(400):
        if (await ada.get(f"{POSTS}/{made['id']}")).json["state"] == "published":
            break
        await asyncio.sleep(0.02)
    refused = await ada.ask("PATCH", f"{POSTS}/{made['id']}", json={"text": "Better"})
    assert (refused.status, refused.json["code"]) == (409, "too_late")


async def test_a_missed_post_is_sent_when_somebody_says_so(working_site):
    ada = await working_site.with_token(await working_site.connect())
    made = await scheduled(ada, "Late")
    refused = await ada.post(f"{POSTS}/{made['id']}/send-now")
    assert (refused.status, refused.json["code"]) == (409, "too_late")
    async with working_site.perch.db.write() as session:
        await session.execute(update(Post).values(state="missed", due_at=in_days(-1)))
    sent = await ada.post(f"{POSTS}/{made['id']}/send-now")
    assert sent.status == 200
    assert sent.json["state"] in {"scheduled", "publishing", "published"}


async def test_a_post_that_comes_again_is_made_read_changed_and_ended(site):
    ada = await site.with_token(await site.connect())
    wish = {"rule": "daily 09:00", "zone": "Europe/Berlin", "variants": WEEK, "jitter_minutes": 5}
    made = await ada.post(AGAIN, json=wish)
    assert made.status == 201, made.text
    assert (made.json["state"], made.json["made"], made.json["rule"]) == ("on", 2, "0 9 * * *")
    assert [variant["texts"] for variant in made.json["variants"]] == [[one["text"]] for one in WEEK]
    path = f"{AGAIN}/{made.json['id']}"
    assert len(instants(await ada.get(f"{path}/next?n=10"))) == 10
    assert [one["id"] for one in (await ada.get(AGAIN)).json["recurrences"]] == [made.json["id"]]
    weekly = await ada.ask("PATCH", path, json={"rule": "mon 10:00", "most": 5})
    assert (weekly.json["rule"], weekly.json["most"], weekly.json["jitter_minutes"]) == ("0 10 * * 1", 5, 5)
    paused = await ada.ask("PATCH", path, json={"state": "paused"})
    assert (paused.json["state"], paused.json["next"]) == ("paused", [])
    assert (await ada.ask("PATCH", path, json={"state": "on"})).json["state"] == "on"
    ended = await ada.ask("DELETE", path)
    assert (ended.json["state"], (await ada.get(path)).json["state"]) == ("ended", "ended")
    states = {post["state"] for post in (await ada.get(POSTS)).json["posts"]}
    assert states == {"cancelled"}


async def test_a_post_that_cannot_come_again_is_refused_with_the_reason(site):
    ada = await site.with_token(await site.connect())
    for wish, code in (
        ({"variants": WEEK}, "invalid_request"),
        ({"rule": "daily 09:00"}, "invalid_request"),
        ({"rule": "often", "variants": WEEK}, "wrong_rule"),
        ({"rule": "daily 09:00", "variants": [{"text": "Good morning"}]}, "rule_broken"),
        ({"rule": "daily 09:00", "variants": WEEK, "zone": "Mars"}, "unknown_zone"),
        ({"rule": "daily 09:00", "variants": WEEK, "missed_policy": "x"}, "wrong_recurrence"),
        ({"rule": "daily 09:00", "variants": WEEK, "ends_at": "soon"}, "wrong_time"),
    ):
        refused = await ada.post(AGAIN, json=wish)
        assert (refused.status, refused.json["code"]) == (422, code), wish
    assert (await ada.get(POSTS)).json["posts"] == []


async def test_owner_teammates_and_stranger_schedule_as_far_as_their_roles_reach(site):
    owner = await site.connect()
    people = {
        "stranger": await site.with_token(await site.connect("sandbox_cleo")),
        "viewer": await site.teammate(owner, Role.VIEWER),
        "writer": await site.teammate(owner, Role.WRITER),
        "editor": await site.teammate(owner, Role.EDITOR),
        "nobody": site.nobody,
    }
    ours = await site.with_token(owner)
    draft = (await ours.post(POSTS, json={"text": "A draft"})).json["id"]
    post = (await scheduled(ours))["id"]
    again = (await ours.post(AGAIN, json={"rule": "daily 09:00", "variants": WEEK})).json["id"]
    slots = f"/api/v1/accounts/{owner.account_public_id}/slots"
    asked = {
        "draft": ("PATCH", f"{POSTS}/{draft}", {"text": "A better draft"}),
        "schedule": ("PATCH", f"{POSTS}/{draft}", {"scheduled_at": in_days(2).isoformat()}),
        "post": ("PATCH", f"{POSTS}/{post}", {"text": "A better post"}),
        "slots": ("PUT", slots, {"slots": "daily 09:00"}),
        "see slots": ("GET", slots, None),
        "see again": ("GET", f"{AGAIN}/{again}", None),
        "again": ("PATCH", f"{AGAIN}/{again}", {"rule": "daily 10:00"}),
        "end": ("DELETE", f"{AGAIN}/{again}", None),
    }
    found = {
        name: [(await caller.ask(method, path, json=body)).status for method, path, body in asked.values()]
        for name, caller in people.items()
    }
    assert found == {
        "nobody": [401] * 8,
        "stranger": [404] * 8,
        "viewer": [403, 403, 403, 403, 200, 200, 403, 403],
        "writer": [200, 403, 403, 403, 200, 200, 403, 403],
        "editor": [200] * 8,
    }


async def test_what_would_be_ignored_is_refused(site):
    ada = await site.with_token(await site.connect())
    rule = {"rule": "mon 09:00", "variants": WEEK}
    born_paused = await ada.post(AGAIN, json={**rule, "state": "paused"})
    again = f"{AGAIN}/{(await ada.post(AGAIN, json=rule)).json['id']}"
    moved = await ada.ask("PATCH", again, json={"account": "@sandbox_ben"})
    paused_and_changed = await ada.ask("PATCH", again, json={"state": "paused", "rule": "fri 09:00"})
    post = f"{POSTS}/{(await scheduled(ada))['id']}"
    jittered = await ada.ask("PATCH", post, json={"jitter_minutes": 60})
    never_read = await ada.ask("PATCH", post, json={"text": "Other", "version": 0})
    refused = (born_paused, moved, paused_and_changed, jittered)
    assert [answer.json["code"] for answer in refused] == ["invalid_request"] * 4
    assert never_read.json["code"] == "stale_version"


async def test_a_token_of_another_account_sees_no_recurring_post(site):
    ada, ben = await site.connect(), await site.connect("sandbox_ben")
    ours = await site.with_token(ada)
    again = (await ours.post(AGAIN, json={"rule": "daily 09:00", "variants": WEEK})).json["id"]
    narrow = await site.with_token(ada, account_id=ben.account_id)
    assert (await narrow.get(f"{AGAIN}/{again}")).status == 404
    assert (await narrow.get(AGAIN)).json["recurrences"] == []

import asyncio
import time
from typing import Any

import aiohttp
import pytest

from perch.sandbox.config import SandboxConfig

POST = {"method": "POST", "path": "/2/tweets"}


async def texts_in_ledger(x: Any) -> list[str]:
    return [post["text"] for post in (await x.control("GET", "ledger"))["posts"]]


async def test_commit_then_drop_stores_the_post_and_says_nothing(x: Any, ada: str) -> None:
    await x.fault(match=POST, action="commit_then_drop")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await x.post(ada, "Unheard")
    assert await texts_in_ledger(x) == ["Unheard"]
    assert (await x.post(ada, "Heard")).status == 201


async def test_no_byte_of_a_dropped_answer_arrives(x: Any, ada: str) -> None:
    await x.fault(match={"method": "GET", "path": "/2/users/me"}, action="commit_then_drop")
    host, port = x.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /2/users/me HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {ada}\r\n\r\n".encode())
    assert await reader.read() == b""
    writer.close()


async def test_drop_closes_before_anything_is_stored(x: Any, ada: str) -> None:
    await x.fault(match=POST, action="drop")
    with pytest.raises(aiohttp.ClientError):
        await x.post(ada, "Never")
    assert await texts_in_ledger(x) == []


async def test_commit_then_status_stores_and_answers_otherwise(x: Any, ada: str) -> None:
    await x.fault(match=POST, action="commit_then_status", status=503, body={"title": "Service Unavailable"})
    got = await x.post(ada, "Really here")
    assert (got.status, got.body) == (503, {"title": "Service Unavailable"})
    assert await texts_in_ledger(x) == ["Really here"]


async def test_status_answers_without_storing(x: Any, ada: str) -> None:
    await x.fault(match=POST, action="status", status=429, headers={"x-rate-limit-reset": "7"}, times=2)
    for _ in range(2):
        got = await x.post(ada, "Not here")
        assert (got.status, got.headers["x-rate-limit-reset"]) == (429, "7")
    assert (await x.post(ada, "Here")).status == 201
    assert await texts_in_ledger(x) == ["Here"]


async def test_late_commit_hangs_up_first_and_stores_afterwards(x: Any, ada: str) -> None:
    await x.fault(match=POST, action="late_commit", seconds=0.05)
    with pytest.raises(aiohttp.ClientError):
        await x.post(ada, "Late")
    assert await texts_in_ledger(x) == []
    await asyncio.gather(*x.running.app.faults.late)
    assert await texts_in_ledger(x) == ["Late"]


async def test_cut_sends_half_an_answer(x: Any, ada: str) -> None:
    await x.fault(match=POST, action="cut")
    with pytest.raises(aiohttp.ClientPayloadError):
        await x.post(ada, "Half")
    assert await texts_in_ledger(x) == ["Half"]


async def test_garbage_is_html_or_broken_gzip_after_a_commit(x: Any, ada: str) -> None:
    await x.fault(match=POST, action="garbage", kind="html")
    got = await x.post(ada, "Page")
    assert got.status == 201
    assert got.headers["content-type"] == "text/html"
    await x.fault(match=POST, action="garbage", kind="gzip")
    with pytest.raises(aiohttp.ClientPayloadError):
        await x.post(ada, "Zip")
    assert await texts_in_ledger(x) == ["Page", "Zip"]


async def test_delay_and_slow_drip_take_their_time_scaled_by_the_pace(start: Any) -> None:
    x = await start(SandboxConfig(pace=0.01))
    ada = await x.token()
    for action in ("delay", "slow_drip"):
        await x.fault(match=POST, action=action, seconds=5)
        begun = time.monotonic()
        assert (await x.post(ada, action)).body["data"]["text"] == action
        assert 0.05 <= time.monotonic() - begun < 2


async def test_a_fault_can_wait_for_one_person(x: Any, ada: str, ben: str) -> None:
    await x.fault(match={**POST, "username": "sandbox_ben"}, action="status", status=500, times=9)
    assert (await x.post(ada, "Fine")).status == 201
    assert (await x.post(ben, "Not fine")).status == 500


async def test_paths_match_as_globs(x: Any, ada: str) -> None:
    await x.fault(match={"path": "/2/media/*"}, action="status", status=404)
    assert (await x.post(ada, "Unaffected")).status == 201
    assert (await x.ask("GET", "/2/media/upload?media_id=1", ada)).status == 404


async def test_a_rate_hits_the_same_requests_for_the_same_seed(start: Any) -> None:
    async def struck(seed: int) -> list[int]:
        x = await start(SandboxConfig(seed=seed), rate_limits=False)
        await x.fault(match=POST, action="status", status=500, rate=0.3)
        token = await x.token()
        return [(await x.post(token, f"post {n}")).status for n in range(60)]

    first, again, other = await struck(1), await struck(1), await struck(2)
    assert first == again
    assert first != other
    assert 5 <= first.count(500) <= 35


async def test_a_storm_strikes_everything_that_fits_while_it_lasts(start: Any) -> None:
    x = await start(SandboxConfig(pace=0.5))
    ada = await x.token()
    await x.fault(match=POST, action="status", status=503, lasts=60)

    async def struck(moments: tuple[int, ...]) -> list[int]:
        statuses = []
        for seconds in moments:
            x.clock.advance(seconds)
            statuses.append((await x.post(ada, f"at {x.clock.at}")).status)
        return statuses

    assert await struck((0, 20, 9, 1, 100)) == [503, 503, 503, 201, 201]


async def test_a_storm_comes_again_at_its_rate(start: Any) -> None:
    x = await start(SandboxConfig(seed=3), rate_limits=False)
    ada = await x.token()
    await x.fault(match=POST, action="status", status=503, lasts=3, rate=0.1)
    statuses = []
    for n in range(100):
        x.clock.advance(1)
        statuses.append((await x.post(ada, f"post {n}")).status)
    (fault,) = (await x.control("GET", "faults"))["faults"]
    assert fault["struck"] >= 2
    assert 2 * fault["struck"] < fault["applied"] == statuses.count(503) <= 3 * fault["struck"]


async def test_a_429_names_the_end_of_its_window(start: Any) -> None:
    x = await start(SandboxConfig(pace=0.1))
    ada = await x.token()
    await x.fault(match=POST, action="status", status=429, resets_in=900)
    got = await x.post(ada, "Too much")
    assert got.status == 429
    assert got.headers["x-rate-limit-remaining"] == "0"
    assert int(got.headers["x-rate-limit-reset"]) == int(x.clock.at) + 90


async def test_late_commits_come_at_moments_of_their_own(start: Any) -> None:
    async def lateness(seed: int) -> list[int]:
        x = await start(SandboxConfig(pace=0.001, seed=seed), rate_limits=False)
        ada = await x.token()
        await x.fault(match=POST, action="late_commit", seconds=0, at_most=180, times=9)
        begun = time.monotonic()
        for n in range(9):
            with pytest.raises(aiohttp.ClientError):
                await x.post(ada, f"post {n}")
        await asyncio.gather(*x.running.app.faults.late)
        assert time.monotonic() - begun < 5
        return [int(post["text"][5:]) for post in (await x.control("GET", "ledger"))["posts"]]

    assert sorted(await lateness(1)) == list(range(9))
    assert await lateness(1) != list(range(9))


async def test_a_lost_answer_to_a_refresh_leaves_the_old_token_spent(x: Any) -> None:
    pair = (await x.exchange(code=await x.code())).body
    await x.fault(match={"path": "/2/oauth2/token"}, action="commit_then_drop")
    with pytest.raises(aiohttp.ClientError):
        await x.refresh(pair["refresh_token"])
    assert (await x.refresh(pair["refresh_token"])).status == 400


async def test_the_request_log_tells_what_happened_and_no_secret(x: Any, ada: str) -> None:
    await x.fault(match=POST, action="commit_then_drop")
    with pytest.raises(aiohttp.ClientError):
        await x.post(ada, "Unheard")
    await x.ask("GET", "/i/oauth2/authorize", params=x.authorize(state="my-secret-state"))
    seen = (await x.control("GET", "requests"))["requests"]
    assert [(s["method"], s["path"], s["status"], s["username"], s["fault"]) for s in seen] == [
        ("POST", "/2/tweets", 0, "sandbox_ada", "commit_then_drop"),
        ("GET", "/i/oauth2/authorize", 200, "", ""),
    ]
    assert ada not in str(seen)
    assert "my-secret-state" not in str(seen)


async def test_faults_are_listed_and_taken_away(x: Any, ada: str) -> None:
    for _ in range(2):
        await x.fault(match=POST, action="status", status=500, times=9)
    first, second = (await x.control("GET", "faults"))["faults"]
    await x.control("DELETE", f"faults/{first['id']}")
    assert [fault["id"] for fault in (await x.control("GET", "faults"))["faults"]] == [second["id"]]
    await x.control("DELETE", "faults")
    assert (await x.post(ada, "Fine")).status == 201


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "explode"},
        {"action": "drop", "when": "now"},
        {"action": "drop", "id": 7},
        {"action": "delay", "seconds": "long"},
        {"action": "drop", "match": "all"},
        {"action": "garbage", "kind": "paper"},
        {},
    ],
)
async def test_a_fault_nobody_understands_is_refused(x: Any, fault: dict[str, Any]) -> None:
    got = await x.ask("POST", "/_sandbox/faults", json=fault)
    assert got.status == 400
    assert got.body["error"]


async def test_two_refreshes_of_one_grant_at_once_are_noticed(x: Any) -> None:
    pair = (await x.exchange(code=await x.code())).body
    await x.set(refresh_grace=60)
    await x.fault(match={"path": "/2/oauth2/token"}, action="delay", seconds=0.2, times=3)
    await x.refresh(pair["refresh_token"])
    assert await x.control("GET", "refreshes") == {"seen": 1, "most_at_once": 1, "overlaps": 0}
    await asyncio.gather(*(x.refresh(pair["refresh_token"]) for _ in range(2)))
    assert await x.control("GET", "refreshes") == {"seen": 3, "most_at_once": 2, "overlaps": 1}

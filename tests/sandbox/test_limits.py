from typing import Any

import pytest


async def test_every_answer_says_what_is_left(x: Any, ada: str) -> None:
    got = await x.post(ada, "one")
    assert got.headers["x-rate-limit-limit"] == "100"
    assert got.headers["x-rate-limit-remaining"] == "99"
    assert int(got.headers["x-rate-limit-reset"]) == int(x.clock.at) + 900
    assert got.headers["x-app-limit-24hour-remaining"] == "9999"
    assert "x-user-limit-24hour-limit" not in got.headers
    refused = await x.post(ada, "")
    assert (refused.status, refused.headers["x-rate-limit-remaining"]) == (400, "98")


async def test_the_hundred_and_first_post_waits_for_the_window(x: Any, ada: str, ben: str) -> None:
    for n in range(100):
        await x.posted(ada, f"post {n}")
    got = await x.post(ada, "one too many")
    assert got.status == 429
    assert got.body == {
        "title": "Too Many Requests",
        "detail": "Too Many Requests",
        "type": "about:blank",
        "status": 429,
    }
    assert got.headers["x-rate-limit-remaining"] == "0"
    assert (await x.post(ben, "I still can")).status == 201
    x.clock.advance(900)
    assert (await x.post(ada, "one too many")).status == 201


async def test_limits_can_be_set_and_switched_off(x: Any, ada: str) -> None:
    await x.set(limits={"POST /2/tweets": {"user": [2, 60], "user_24h": [3, 86400]}})
    assert (await x.post(ada, "1")).headers["x-user-limit-24hour-remaining"] == "2"
    await x.posted(ada, "2")
    assert (await x.post(ada, "3")).status == 429
    x.clock.advance(60)
    got = await x.post(ada, "3")
    assert got.status == 429
    assert (got.headers["x-rate-limit-remaining"], got.headers["x-user-limit-24hour-remaining"]) == ("1", "0")
    await x.set(rate_limits=False)
    free = await x.post(ada, "3")
    assert free.status == 201
    assert "x-rate-limit-limit" not in free.headers


async def test_the_app_has_a_limit_of_its_own(x: Any, ada: str, ben: str) -> None:
    await x.set(limits={"POST /2/tweets": {"app": [1, 86400]}})
    await x.posted(ada, "one")
    got = await x.post(ben, "two")
    assert (got.status, got.headers["x-app-limit-24hour-remaining"]) == (429, "0")


async def balance(x: Any) -> float:
    return float((await x.control("GET", "health"))["credits"]["perch-sandbox:ci"])


@pytest.mark.parametrize(
    ("text", "price"), [("no link", 0.015), ("a link https://perch.com", 0.2), ("bare perch.com", 0.2)]
)
async def test_a_post_costs_more_with_a_link(x: Any, ada: str, text: str, price: float) -> None:
    before = await balance(x)
    await x.posted(ada, text)
    assert before - await balance(x) == pytest.approx(price)


async def test_reading_is_charged_once_a_day_and_less_for_ones_own(x: Any, ada: str, ben: str) -> None:
    mine, his = await x.posted(ada, "mine"), await x.posted(ben, "his")
    before = await balance(x)
    for _ in range(2):
        await x.ask("GET", f"/2/tweets?ids={his}", ada)
    assert before - await balance(x) == pytest.approx(0.005)
    await x.ask("GET", f"/2/users/1700000000000000001/tweets?since_id={int(mine) - 1}", ada)
    assert before - await balance(x) == pytest.approx(0.006)
    x.clock.advance(86_400)
    later = await x.token("sandbox_ben")
    await x.ask("GET", f"/2/tweets?ids={his}", later)
    assert before - await balance(x) == pytest.approx(0.011)


async def test_refused_requests_are_free(x: Any, ada: str) -> None:
    before = await balance(x)
    await x.post(ada, "x" * 500)
    await x.ask("GET", "/2/tweets/1", ada)
    assert await balance(x) == before


async def test_without_credits_posting_is_402_and_signing_in_still_works(x: Any, ada: str) -> None:
    await x.set(credits=0.01)
    await x.posted(ada, "the last one, a little below zero")
    got = await x.post(ada, "nothing left")
    assert got.status == 402
    assert got.body["title"] == "CreditsDepleted"
    assert "x-rate-limit-limit" not in got.headers
    assert (await x.ask("GET", "/2/users/me", ada)).status == 200
    await x.set(credits=10)
    assert (await x.post(ada, "topped up")).status == 201

from typing import Any

import pytest

ADA = "1700000000000000001"


async def test_a_person_is_found_by_id_and_by_name(x: Any, ada: str) -> None:
    by_id = await x.ask("GET", f"/2/users/{ADA}?user.fields=subscription_type,verified,public_metrics", ada)
    by_name = await x.ask("GET", "/2/users/by/username/Sandbox_Ada", ada)
    assert by_id.body["data"]["subscription_type"] == "None"
    assert by_id.body["data"]["public_metrics"]["tweet_count"] == 0
    assert by_name.body["data"]["id"] == ADA
    missing = await x.ask("GET", "/2/users/by/username/nobody", ada)
    assert missing.body["errors"][0]["title"] == "Not Found Error"


async def test_posts_are_looked_up_together_and_the_missing_are_named(x: Any, ada: str) -> None:
    one, two = await x.posted(ada, "one"), await x.posted(ada, "two")
    got = await x.ask("GET", f"/2/tweets?ids={one},999,{two}", ada)
    assert [post["id"] for post in got.body["data"]] == [one, two]
    assert [error["value"] for error in got.body["errors"]] == ["999"]


async def test_a_timeline_is_newest_first_and_turns_its_pages(x: Any, ada: str) -> None:
    posts = [await x.posted(ada, f"post {n}") for n in range(12)]
    first = await x.ask("GET", f"/2/users/{ADA}/tweets?max_results=5", ada)
    assert [post["id"] for post in first.body["data"]] == posts[:-6:-1]
    assert first.body["meta"]["newest_id"] == posts[-1]
    seen = [post["id"] for post in first.body["data"]]
    token = first.body["meta"]["next_token"]
    while token:
        page = (await x.ask("GET", f"/2/users/{ADA}/tweets?max_results=5&pagination_token={token}", ada)).body
        seen += [post["id"] for post in page["data"]]
        token = page["meta"].get("next_token")
    assert seen == posts[::-1]


async def test_an_empty_timeline_has_no_data(x: Any, ada: str) -> None:
    got = await x.ask("GET", f"/2/users/{ADA}/tweets", ada)
    assert got.body == {"meta": {"result_count": 0}}


async def test_a_timeline_can_be_bounded_by_ids_times_and_kind(x: Any, ada: str) -> None:
    first = await x.posted(ada, "first")
    x.clock.advance(60)
    second = (await x.reply(ada, "second", first)).body["data"]["id"]
    x.clock.advance(60)
    third = await x.posted(ada, "third")
    middle = "2026-11-18T09:47:20Z"

    async def ids(query: str) -> list[str]:
        got = await x.ask("GET", f"/2/users/{ADA}/tweets?{query}", ada)
        return [post["id"] for post in got.body.get("data", [])]

    created = await x.ask("GET", f"/2/tweets/{second}?tweet.fields=created_at", ada)
    middle = created.body["data"]["created_at"]
    assert await ids(f"since_id={first}") == [third, second]
    assert await ids(f"until_id={third}") == [second, first]
    assert await ids("exclude=replies,retweets") == [third, first]
    assert await ids(f"start_time={middle}") == [third, second]
    assert await ids(f"end_time={middle}") == [second, first]


async def test_deleted_posts_are_not_read(x: Any, ada: str) -> None:
    post = await x.posted(ada, "gone")
    await x.ask("DELETE", f"/2/tweets/{post}", ada)
    assert (await x.ask("GET", f"/2/users/{ADA}/tweets", ada)).body["meta"]["result_count"] == 0
    assert "data" not in (await x.ask("GET", f"/2/tweets/{post}", ada)).body


async def test_a_late_timeline_hides_fresh_posts_for_a_while(x: Any, ada: str) -> None:
    await x.set(timeline_lag_s=30)
    await x.posted(ada, "fresh")
    assert (await x.ask("GET", f"/2/users/{ADA}/tweets", ada)).body["meta"]["result_count"] == 0
    x.clock.advance(30)
    assert (await x.ask("GET", f"/2/users/{ADA}/tweets", ada)).body["meta"]["result_count"] == 1


@pytest.mark.parametrize(
    "query",
    [
        "max_results=4", "max_results=101", "max_results=x", "since_id=x", "start_time=yesterday",
        "start_time=2026-01-01T00:00:00", "pagination_token=zz",
        "pagination_token=n-5", "exclude=cats", "tweet.fields=cats",
    ],
)  # fmt: skip
async def test_a_wrong_query_is_an_invalid_request(x: Any, ada: str, query: str) -> None:
    got = await x.ask("GET", f"/2/users/{ADA}/tweets?{query}", ada)
    assert got.status == 400
    assert list(got.body["errors"][0]["parameters"]) == [query.partition("=")[0]]


async def test_fields_are_known_by_their_old_and_new_names(x: Any, ada: str) -> None:
    post = await x.posted(ada, "both")
    old = await x.ask("GET", f"/2/tweets/{post}?tweet.fields=public_metrics,created_at", ada)
    new = await x.ask("GET", f"/2/tweets/{post}?post.fields=public_metrics,created_at", ada)
    assert old.body == new.body
    assert "retweet_count" in old.body["data"]["public_metrics"]


async def test_the_new_spelling_is_a_switch(x: Any, ada: str) -> None:
    await x.set(names="new")
    first = await x.post(ada, "new names")
    assert first.body["data"]["edit_history_post_ids"] == [first.body["data"]["id"]]
    path = f"/2/tweets/{first.body['data']['id']},?post.fields=public_metrics"
    got = await x.ask("GET", path.replace(",?", "?"), ada)
    assert "repost_count" in got.body["data"]["public_metrics"]
    missing = await x.ask("GET", "/2/tweets/1", ada)
    assert missing.body["errors"][0]["type"].startswith("https://api.x.com/")


async def test_expansions_bring_authors_and_media_once(x: Any, ada: str) -> None:
    picture = await x.picture(ada)
    await x.ask(
        "POST", "/2/media/metadata", ada, json={"id": picture, "metadata": {"alt_text": {"text": "Blue"}}}
    )
    await x.posted(ada, "look", media={"media_ids": [picture]})
    await x.posted(ada, "no picture")
    query = (
        "expansions=attachments.media_keys,author_id&media.fields=url,alt_text,type,width,height"
        "&tweet.fields=attachments,source,reply_settings&user.fields=verified"
    )
    body = (await x.ask("GET", f"/2/users/{ADA}/tweets?{query}", ada)).body
    assert body["includes"]["users"] == [
        {"id": ADA, "name": "Ada of the sandbox", "username": "sandbox_ada", "verified": False}
    ]
    (media,) = body["includes"]["media"]
    assert media == {
        "media_key": f"3_{picture}",
        "type": "photo",
        "alt_text": "Blue",
        "width": 40,
        "height": 24,
        "url": f"{x.url}/media/3_{picture}",
    }
    assert body["data"][1]["attachments"] == {"media_keys": [f"3_{picture}"]}
    assert body["data"][0]["source"] == "Perch (sandbox)"
    assert body["data"][0]["reply_settings"] == "everyone"


async def test_an_unknown_path_of_the_api_is_a_problem(x: Any, ada: str) -> None:
    got = await x.ask("GET", "/2/everything", ada)
    assert (got.status, got.body["title"]) == (404, "Not Found")


async def test_with_varying_lags_a_timeline_may_show_the_newer_first(start: Any) -> None:
    x = await start(timeline_lag_s=120, lags_vary=True, rate_limits=False)
    ada = await x.token()
    ids = [await x.posted(ada, f"post {n}") for n in range(30)]

    async def shown() -> list[str]:
        answer = await x.ask("GET", "/2/users/1700000000000000001/tweets?max_results=100", ada)
        return [post["id"] for post in answer.body.get("data", [])][::-1]

    x.clock.advance(60)
    halfway = await shown()
    assert 5 < len(halfway) < 25
    assert halfway != ids[: len(halfway)]
    x.clock.advance(60)
    assert await shown() == ids

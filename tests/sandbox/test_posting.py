from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perch.sandbox import drafts, texts
from perch.sandbox.problems import Refused

DUPLICATE = {
    "detail": "You are not allowed to create a Tweet with duplicate content.",
    "type": "about:blank",
    "title": "Forbidden",
    "status": 403,
}
NOT_PERMITTED = "You are not permitted to perform this action."
GONE = "You attempted to reply to a Tweet that is deleted or not visible to you."


async def test_an_accepted_post_comes_back_with_its_id_and_text(x: Any, ada: str) -> None:
    got = await x.post(ada, "Hello")
    assert got.status == 201
    data = got.body["data"]
    assert data == {"id": data["id"], "text": "Hello", "edit_history_tweet_ids": [data["id"]]}
    assert len(data["id"]) == 19


async def test_ids_rise_and_carry_their_time(x: Any, ada: str) -> None:
    first = int(await x.posted(ada, "one"))
    x.clock.advance(1)
    second = int(await x.posted(ada, "two"))
    assert second > first
    assert (second >> 22) + 1_288_834_974_657 == int(x.clock.at * 1000)


@pytest.mark.parametrize(
    ("sent", "parts"),
    [
        ("a < b && c > d", ["a &lt; b &amp;&amp; c &gt; d"]),
        ('"quotes" stay', ['"quotes" stay']),
        ("  trimmed \n", ["trimmed"]),
        ("one\r\ntwo", ["one\ntwo"]),
        ("see https://perch.com/a?b=1&c=2.", ["see https://t.co/", "."]),
        ("perch.com or www.perch.com", ["https://t.co/", " or https://t.co/"]),
        ("e\u0301", ["é"]),
    ],
)
async def test_the_answer_holds_the_text_as_x_rewrites_it(
    x: Any, ada: str, sent: str, parts: list[str]
) -> None:
    text = (await x.post(ada, sent)).body["data"]["text"]
    assert text.startswith(parts[0])
    assert text.endswith(parts[-1]) or len(parts[-1]) > len(text) or "t.co" in parts[-1]
    assert "perch.com" not in text


async def test_short_links_say_where_they_lead(x: Any, ada: str) -> None:
    post = await x.posted(ada, "1 < 2 http://perch.com/a/very/long/path/that/goes/on and perch.com")
    fields = "entities"
    data = (await x.ask("GET", f"/2/tweets/{post}?tweet.fields={fields}", ada)).body["data"]
    first, second = data["entities"]["urls"]
    assert data["text"][first["start"] : first["end"]] == first["url"]
    assert data["text"][second["start"] : second["end"]] == second["url"]
    assert first["expanded_url"] == "http://perch.com/a/very/long/path/that/goes/on"
    assert first["display_url"] == "perch.com/a/very/long/path…"
    assert (second["expanded_url"], second["display_url"]) == ("http://perch.com", "perch.com")
    assert first["url"] != second["url"]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("x" * 280, 201),
        ("x" * 281, 403),
        ("é" * 280, 201),
        ("界" * 140, 201),
        ("界" * 141, 403),
        ("👨‍👩‍👧‍👦" * 140, 201),
        ("x" * 256 + " https://perch.com/" + "y" * 300, 201),
        ("x" * 257 + " https://perch.com/", 403),
        ("bad \ufffe character", 403),
    ],
)
async def test_280_weighted_characters_are_the_limit(x: Any, ada: str, text: str, status: int) -> None:
    got = await x.post(ada, text)
    assert got.status == status
    if status == 403:
        assert got.body["detail"] == NOT_PERMITTED


async def test_premium_people_write_long_and_readers_get_the_whole_as_a_note(x: Any, ada: str) -> None:
    await x.control("POST", "people", {"username": "sandbox_ada", "premium": True})
    whole = "word " * 200 + "& the end"
    created = await x.post(ada, whole)
    assert created.status == 201
    text = created.body["data"]["text"]
    assert len(text) <= 280 + 25
    assert "… https://t.co/" in text
    post = created.body["data"]["id"]
    data = (await x.ask("GET", f"/2/tweets/{post}?tweet.fields=note_tweet", ada)).body["data"]
    assert data["note_tweet"]["text"] == whole.replace("&", "&amp;")
    assert (await x.post(ada, "x" * 25_001)).status == 403


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({}, "text"),
        ({"text": ""}, "text"),
        ({"text": "   "}, "text"),
        ({"text": 7}, "text"),
        ({"text": "a", "colour": "red"}, "colour"),
        ({"text": "a", "media": {"media_ids": ["1"], "colour": "red"}}, "media.colour"),
        ({"text": "a", "media": {"media_ids": []}}, "media.media_ids"),
        ({"text": "a", "media": {"media_ids": ["1", "2", "3", "4", "5"]}}, "media.media_ids"),
        ({"text": "a", "media": {"media_ids": ["x"]}}, "media.media_ids"),
        ({"text": "a", "media": {"media_ids": ["1"], "tagged_user_ids": 5}}, "media.tagged_user_ids"),
        ({"text": "a", "reply": {}}, "reply.in_reply_to_tweet_id"),
        ({"text": "a", "reply_settings": "everyone"}, "reply_settings"),
        ({"text": "a", "quote_tweet_id": "1", "media": {"media_ids": ["1"]}}, "media"),
        ({"text": "a", "poll": {"options": ["one"], "duration_minutes": 60}}, "poll.options"),
        ({"text": "a", "poll": {"options": ["one", "x" * 26], "duration_minutes": 60}}, "poll.options"),
        ({"text": "a", "poll": {"options": ["one", "two"], "duration_minutes": 4}}, "poll.duration_minutes"),
        ({"text": "a", "poll": {"options": ["one", "two"]}}, "poll.duration_minutes"),
        ({"text": "a", "edit_options": {}}, "edit_options.previous_post_id"),
    ],
)
async def test_a_misshapen_body_is_an_invalid_request_that_names_the_parameter(
    x: Any, ada: str, body: dict[str, Any], names: str
) -> None:
    got = await x.post(ada, **body)
    assert got.status == 400
    assert got.body["type"].endswith("/2/problems/invalid-request")
    assert names in got.body["errors"][0].get("parameters", {"text": []})


async def test_only_json_is_read(x: Any, ada: str) -> None:
    form = await x.ask("POST", "/2/tweets", ada, data={"text": "a"})
    assert form.body["errors"][0]["message"].startswith("Requests with bodies must have content-type")
    headers = {"content-type": "application/json"}
    broken = await x.ask("POST", "/2/tweets", ada, data=b"{", headers=headers)
    assert broken.body["errors"][0]["message"] == "Request body is not valid JSON."


@pytest.mark.parametrize("raw", [b'{"text": "\\ud800"}', b"[" * 20_000, b"\xff", b"[]", b"null", b'"text"'])
async def test_what_is_no_json_object_of_text_is_a_400(x: Any, ada: str, raw: bytes) -> None:
    got = await x.ask("POST", "/2/tweets", ada, data=raw, headers={"content-type": "application/json"})
    assert (got.status, got.body["errors"][0]["message"]) == (400, "Request body is not valid JSON.")


async def test_a_poll_is_accepted_and_shown(x: Any, ada: str) -> None:
    post = await x.posted(ada, "Tea?", poll={"options": ["yes", "no"], "duration_minutes": 60})
    page = await x.ask("GET", f"/i/status/{post}")
    assert "<li>yes</li><li>no</li>" in page.body


async def test_the_same_text_twice_is_a_duplicate_until_the_window_ends(x: Any, ada: str, ben: str) -> None:
    await x.posted(ada, "Same again")
    again = await x.post(ada, "  same AGAIN ")
    assert (again.status, again.body) == (403, DUPLICATE)
    assert (await x.post(ben, "Same again")).status == 201
    x.clock.advance(43_200)
    assert (await x.post(await x.token(), "Same again")).status == 201


@pytest.mark.parametrize(("counts", "status"), [(False, 201), (True, 403)])
async def test_whether_a_deleted_post_still_counts_as_a_duplicate_is_a_switch(
    x: Any, ada: str, counts: bool, status: int
) -> None:
    await x.set(duplicate_counts_deleted=counts)
    post = await x.posted(ada, "Once")
    await x.ask("DELETE", f"/2/tweets/{post}", ada)
    assert (await x.post(ada, "Once")).status == status


async def test_without_a_window_nothing_is_a_duplicate(x: Any, ada: str) -> None:
    await x.set(duplicate_window_s=0)
    await x.posted(ada, "Same")
    assert (await x.post(ada, "Same")).status == 201


async def test_two_pictures_with_one_text_are_no_duplicates(x: Any, ada: str) -> None:
    for _ in range(2):
        await x.posted(ada, "Look", media={"media_ids": [await x.picture(ada)]})


async def test_one_cashtag_is_the_limit_on_self_serve_plans(x: Any, ada: str) -> None:
    assert (await x.post(ada, "$ACME is up")).status == 201
    got = await x.post(ada, "$ACME and $INTC")
    assert (got.status, got.body["detail"]) == (403, "Posts are limited to a maximum of one cashtag")
    await x.set(self_serve=False)
    assert (await x.post(ada, "$ACME and $INTC")).status == 201


async def test_a_thread_hangs_together(x: Any, ada: str) -> None:
    first = await x.posted(ada, "1/2")
    second = (await x.reply(ada, "2/2", first)).body["data"]["id"]
    fields = "conversation_id,referenced_tweets,in_reply_to_user_id"
    data = (await x.ask("GET", f"/2/tweets/{second}?tweet.fields={fields}", ada)).body["data"]
    assert data["conversation_id"] == first
    assert data["referenced_tweets"] == [{"type": "replied_to", "id": first}]
    assert data["in_reply_to_user_id"] == "1700000000000000001"


async def test_a_reply_to_nothing_is_refused(x: Any, ada: str) -> None:
    post = await x.posted(ada, "Soon gone")
    await x.ask("DELETE", f"/2/tweets/{post}", ada)
    for target in (post, "1234567890123456789"):
        got = await x.reply(ada, "Where are you", target)
        assert (got.status, got.body["detail"]) == (403, GONE)


async def test_a_fresh_parent_can_be_invisible_for_a_while(x: Any, ada: str) -> None:
    await x.set(visibility_lag_s=5)
    post = await x.posted(ada, "Fresh")
    assert (await x.reply(ada, "Too soon", post)).body["detail"] == GONE
    x.clock.advance(5)
    assert (await x.reply(ada, "Now", post)).status == 201


async def test_strangers_cannot_be_answered_unsummoned(x: Any, ada: str, ben: str) -> None:
    plain = await x.posted(ada, "Talking to myself")
    got = await x.reply(ben, "Hello", plain)
    assert got.status == 403
    assert got.body["detail"].startswith("Reply to this conversation is not allowed")
    named = await x.posted(ada, "What do you say, @Sandbox_Ben?")
    assert (await x.reply(ben, "I say hello", named)).status == 201
    await x.set(self_serve=False)
    assert (await x.reply(ben, "Hello again", plain)).status == 201


async def test_a_protected_persons_post_is_invisible_to_others(x: Any, ada: str, ben: str) -> None:
    post = await x.posted(ada, "For me only @sandbox_ben")
    await x.control("POST", "people", {"username": "sandbox_ada", "protected": True})
    assert (await x.reply(ben, "Hm", post)).body["detail"] == GONE
    assert "data" not in (await x.ask("GET", f"/2/tweets/{post}", ben)).body
    assert "data" in (await x.ask("GET", f"/2/tweets/{post}", ada)).body


async def test_quoting_is_not_for_self_serve_plans(x: Any, ada: str) -> None:
    post = await x.posted(ada, "Quote me")
    got = await x.post(ada, "A quote", quote_tweet_id=post)
    assert got.status == 403
    assert got.body["detail"].startswith("Quoting this post is not allowed")
    await x.set(self_serve=False)
    assert (await x.post(ada, "A quote", quote_tweet_id=post)).status == 201
    assert (await x.post(ada, "A quote of nothing", quote_tweet_id="1")).status == 400


async def test_deleting_is_for_the_author_and_happens_once(x: Any, ada: str, ben: str) -> None:
    post = await x.posted(ada, "Gone soon")
    assert (await x.ask("DELETE", f"/2/tweets/{post}", ben)).status == 403
    gone = await x.ask("DELETE", f"/2/tweets/{post}", ada)
    assert (gone.status, gone.body) == (200, {"data": {"deleted": True}})
    again = await x.ask("DELETE", f"/2/tweets/{post}", ada)
    assert (again.status, again.body) == (200, {"data": {"deleted": False}})
    await x.set(delete_missing="404")
    assert (await x.ask("DELETE", f"/2/tweets/{post}", ada)).status == 404


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("tweet.read users.read", "POST", "/2/tweets"),
        ("tweet.write tweet.read", "POST", "/2/tweets"),
        ("tweet.read users.read", "DELETE", "/2/tweets/1"),
        ("tweet.read", "GET", "/2/users/me"),
        ("users.read", "GET", "/2/tweets/1"),
        ("users.read tweet.write", "GET", "/2/users/1700000000000000001/tweets"),
        ("tweet.read tweet.write users.read", "POST", "/2/media/upload"),
    ],
)
async def test_a_missing_scope_is_forbidden(x: Any, scope: str, method: str, path: str) -> None:
    token = await x.token(scope=scope)
    got = await x.ask(method, path, token, json={"text": "a"} if method == "POST" else None)
    assert got.status == 403
    assert got.headers["content-type"] == "application/problem+json"
    assert got.body == {"title": "Forbidden", "type": "about:blank", "status": 403, "detail": "Forbidden"}


@pytest.mark.parametrize("authorization", ["", "Bearer nonsense", "Bearer ", "Basic eDp5", "nonsense"])
async def test_without_a_live_token_everything_is_unauthorized(x: Any, authorization: str) -> None:
    got = await x.ask("GET", "/2/users/me", headers={"Authorization": authorization})
    assert got.status == 401
    assert got.headers["content-type"] == "application/problem+json"
    assert got.body == {
        "title": "Unauthorized",
        "type": "about:blank",
        "status": 401,
        "detail": "Unauthorized",
    }


async def test_a_suspended_person_is_told_so(x: Any, ada: str) -> None:
    await x.control("DELETE", "people/sandbox_ada")
    got = await x.post(ada, "Am I here?")
    assert (got.status, got.body["type"].rpartition("/")[2]) == (403, "user-suspended")


ONE_LINE = st.text(
    st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters=".:"), max_size=300
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(ONE_LINE)
def test_the_quick_way_of_weighing_agrees_with_the_parser(text: str) -> None:
    assert texts.weigh(text) == texts._parse(text)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(
        st.sampled_from(["a", " ", "https://perch.com/x", "perch.com", "界", "👍🏽", "&", "\n"]), max_size=40
    )
)
def test_links_are_found_where_they_stand(pieces: list[str]) -> None:
    text = texts.normal("".join(pieces), trim=True)
    for start, end, url in texts.weigh(text).links:
        assert text[start:end] == url


@given(
    st.dictionaries(
        st.text(max_size=8), st.integers() | st.text(max_size=3) | st.none(), min_size=1, max_size=3
    )
)
def test_a_body_is_read_or_refused_but_never_breaks(body: dict[str, Any]) -> None:
    status = 400
    try:
        drafts.read(body)
    except Refused as refused:
        status = refused.status
    assert status == 400

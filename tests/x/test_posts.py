import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.x import errors
from perch.x.errors import RejectedReason
from perch.x.posts import (
    CreatePost,
    DeletePost,
    FieldsParam,
    LookUpPosts,
    OwnTimeline,
    Poll,
    RecordedPost,
    ReplySettings,
)
from perch.x.wire import Answer
from perch.x.xpost import Link, PostMetrics, XPost, snowflake_at, snowflake_time


@pytest.mark.parametrize(
    ("post", "body"),
    [
        (CreatePost("Hi"), {"text": "Hi"}),
        (CreatePost(media_ids=("1", "2")), {"text": "", "media": {"media_ids": ["1", "2"]}}),
        (
            CreatePost("Us", media_ids=("1",), tagged_user_ids=("7",)),
            {"text": "Us", "media": {"media_ids": ["1"], "tagged_user_ids": ["7"]}},
        ),
        (
            CreatePost("2/2", reply_to="1951000000000000001"),
            {"text": "2/2", "reply": {"in_reply_to_tweet_id": "1951000000000000001"}},
        ),
        (
            CreatePost("you", reply_to="5", exclude_reply_user_ids=("9",)),
            {"text": "you", "reply": {"in_reply_to_tweet_id": "5", "exclude_reply_user_ids": ["9"]}},
        ),
        (
            CreatePost("a or b?", poll=Poll(("a", "b"), 60)),
            {"text": "a or b?", "poll": {"options": ["a", "b"], "duration_minutes": 60}},
        ),
        (CreatePost("see", quote_of="5"), {"text": "see", "quote_tweet_id": "5"}),
        (
            CreatePost("mine", reply_settings=ReplySettings.MENTIONED_USERS),
            {"text": "mine", "reply_settings": "mentionedUsers"},
        ),
        (
            CreatePost("we", community_id="6", share_with_followers=True),
            {"text": "we", "community_id": "6", "share_with_followers": True},
        ),
        (
            CreatePost("ad", made_with_ai=True, paid_partnership=True),
            {"text": "ad", "made_with_ai": True, "paid_partnership": True},
        ),
    ],
)
def test_a_post_is_spelled_as_x_documents_it(post: CreatePost, body: dict[str, object]) -> None:
    request = post.request()

    assert (request.method, request.target) == ("POST", "/2/tweets")
    assert request.content_type == "application/json"
    assert json.loads(request.content or b"") == body


def test_text_travels_as_plain_utf_8() -> None:
    assert CreatePost("naïve 👩‍🚀 </script>").body() == '{"text":"naïve 👩‍🚀 </script>"}'.encode()


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_equal_posts_are_equal_bytes_and_lose_nothing(text: str) -> None:
    body = CreatePost(text, reply_to="1").body()

    assert body == CreatePost(text, reply_to="1").body()
    assert json.loads(body)["text"] == text


def test_recorded_bytes_are_sent_unchanged() -> None:
    written_down = b'{ "text" : "from an older version" }'

    request = CreatePost.from_body(written_down).request()

    assert request.content == written_down
    assert request == RecordedPost(written_down).request()
    assert CreatePost("Hi").request() == RecordedPost(CreatePost("Hi").body()).request()


def test_half_a_character_is_refused_before_sending() -> None:
    with pytest.raises(errors.Rejected) as caught:
        CreatePost("broken \ud83d emoji").body()

    assert caught.value.reason is RejectedReason.TEXT
    assert "Nothing was sent" in caught.value.sentence


@pytest.mark.parametrize("bad", ["", "12a", "1" * 20, "-1", "١٢", "1/../2", "1\n"])
def test_what_is_no_x_id_never_reaches_an_address(bad: str) -> None:
    for make in (
        lambda: CreatePost("x", reply_to=bad),
        lambda: CreatePost("x", media_ids=(bad,)),
        lambda: DeletePost(bad),
        lambda: LookUpPosts((bad,)),
        lambda: OwnTimeline(bad),
        lambda: OwnTimeline("1", since_id=bad),
    ):
        with pytest.raises(errors.Rejected) as caught:
            make()
        assert caught.value.reason is RejectedReason.MALFORMED_ID


def test_a_created_post_is_known_by_its_id(answer: Callable[..., Answer]) -> None:
    body = {
        "data": {"id": "1951000000000000002", "text": "Hi https://t.co/AbC"},
        "errors": [{"title": "odd"}],
    }

    post = CreatePost("Hi https://perch.example").parse(answer(201, body))

    assert post == XPost("1951000000000000002", "Hi https://t.co/AbC")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><title>OK</title></html>",
        b'{"data":{"id":"19510000',
        {"data": {"text": "no id"}},
        {"data": {"id": 1951000000000000002, "text": "a number"}},
        {"data": {"id": "not digits"}},
        {"errors": [{"title": "odd"}]},
        {"data": []},
    ],
)
@pytest.mark.parametrize("status", [200, 201])
def test_a_success_without_an_id_may_have_posted(
    answer: Callable[..., Answer], status: int, body: object
) -> None:
    with pytest.raises(errors.Unconfirmed):
        CreatePost("Hi").parse(answer(status, body))


@pytest.mark.parametrize("status", [404, 408, 500, 502, 503, 504, 520])
def test_an_outage_may_have_posted(answer: Callable[..., Answer], status: int) -> None:
    with pytest.raises(errors.Unconfirmed):
        CreatePost("Hi").parse(answer(status, {"title": "Service Unavailable"}))


def test_deleting_says_whether_something_was_deleted(answer: Callable[..., Answer]) -> None:
    operation = DeletePost("12")

    assert (operation.request().method, operation.request().target) == ("DELETE", "/2/tweets/12")
    assert operation.parse(answer(200, {"data": {"deleted": True}})) is True
    assert operation.parse(answer(200, {"data": {"deleted": False}})) is False
    assert operation.parse(answer(404, {"title": "Not Found Error"})) is False


@pytest.mark.parametrize(("status", "body"), [(404, b"<html>"), (404, b""), (200, b""), (200, {"data": {}})])
def test_deleting_without_a_word_of_x_is_unavailable(
    answer: Callable[..., Answer], status: int, body: object
) -> None:
    with pytest.raises(errors.Unavailable):
        DeletePost("12").parse(answer(status, body))


def test_a_lookup_names_what_is_missing(answer: Callable[..., Answer]) -> None:
    operation = LookUpPosts(("123", "456"))
    body = {
        "data": [{"id": "123", "text": "here", "public_metrics": {"retweet_count": 3, "like_count": 7}}],
        "errors": [{"value": "456", "title": "Not Found Error", "type": "https://x/resource-not-found"}],
    }

    found = operation.parse(answer(200, body))

    assert operation.request().target.startswith("/2/tweets?ids=123,456&tweet.fields=")
    assert [post.id for post in found.posts] == ["123"]
    assert found.posts[0].metrics == PostMetrics(0, 7, 0, 3, 0, 0)
    assert found.missing == ("456",)
    assert found.problems[0].type == "resource-not-found"


def test_a_lookup_that_finds_nothing_still_is_an_answer(answer: Callable[..., Answer]) -> None:
    found = LookUpPosts(("456",)).parse(answer(200, {"errors": [{"title": "Not Found Error"}]}))

    assert (found.posts, found.missing) == ((), ("456",))


def test_a_lookup_that_says_nothing_at_all_is_unavailable(answer: Callable[..., Answer]) -> None:
    with pytest.raises(errors.Unavailable):
        LookUpPosts(("456",)).parse(answer(200, {}))


def test_the_timeline_is_asked_for_replies_but_no_reposts() -> None:
    target = OwnTimeline("7", since_id="99", max_results=5, pagination_token="abc").request().target

    assert target.startswith(
        "/2/users/7/tweets?max_results=5&exclude=retweets&since_id=99&pagination_token=abc&"
    )
    assert "replies" not in target


def test_the_renamed_fields_are_asked_for_by_their_new_names() -> None:
    old = dict(OwnTimeline("7").request().query)
    new = dict(OwnTimeline("7", fields_param=FieldsParam.POST).request().query)

    assert "note_tweet" in old["tweet.fields"]
    assert "tweet.fields" not in new
    assert "note_post" in new["post.fields"]
    assert new["expansions"] == "referenced_posts"


def test_only_an_empty_list_of_x_means_that_nothing_is_there(answer: Callable[..., Answer]) -> None:
    timeline = OwnTimeline("7").parse(answer(200, {"meta": {"result_count": 0}}))

    assert timeline.posts == ()
    assert timeline.complete


@pytest.mark.parametrize(
    "body",
    [{}, {"errors": [{"title": "Internal Error"}]}, {"meta": {}}, {"meta": {"result_count": False}}, b""],
)
def test_an_answer_without_posts_proves_no_absence(answer: Callable[..., Answer], body: object) -> None:
    with pytest.raises(errors.Unavailable):
        OwnTimeline("7").parse(answer(200, body))


@pytest.mark.parametrize(
    "extra", [{"meta": {"result_count": 1, "next_token": "more"}}, {"errors": [{"title": "partial"}]}]
)
def test_a_page_with_more_or_with_errors_is_not_complete(
    answer: Callable[..., Answer], extra: dict[str, object]
) -> None:
    timeline = OwnTimeline("7").parse(answer(200, {"data": [{"id": "1", "text": "a"}], **extra}))

    assert len(timeline.posts) == 1
    assert not timeline.complete


def shared_members() -> dict[str, object]:
    return {
        "id": "1951000000000000002",
        "created_at": "2026-08-01T09:00:03.000Z",
        "conversation_id": "1951000000000000001",
        "attachments": {"media_keys": ["3_1880028106020515840"]},
        "source": "Perch",
        "text": "Fish &amp; chips https://t.co/AbC123xyz0 https://t.co/Med1aL1nk0",
        "entities": {
            "urls": [
                {"url": "https://t.co/AbC123xyz0", "expanded_url": "https://perch.example/?a=1&amp=2"},
                {
                    "url": "https://t.co/Med1aL1nk0",
                    "expanded_url": "https://x.com/p/status/1/photo/1",
                    "media_key": "3_1880028106020515840",
                },
            ]
        },
    }


OLD = {
    "referenced_tweets": [{"type": "replied_to", "id": "1951000000000000001"}, {"type": "quoted", "id": "5"}],
    "public_metrics": {"retweet_count": 2, "impression_count": 40, "bookmark_count": 1},
}
NEW = {
    "referenced_posts": [{"type": "replied_to", "id": "1951000000000000001"}, {"type": "quoted", "id": "5"}],
    "public_metrics": {"repost_count": 2, "impression_count": 40, "bookmark_count": 1},
}


@pytest.mark.parametrize("spelling", [OLD, NEW], ids=["old", "new"])
def test_old_and_new_field_names_make_the_same_post(spelling: dict[str, object]) -> None:
    post = XPost.of({**shared_members(), **spelling})

    assert post == XPost(
        id="1951000000000000002",
        text="Fish &amp; chips https://t.co/AbC123xyz0 https://t.co/Med1aL1nk0",
        created_at=datetime(2026, 8, 1, 9, 0, 3, tzinfo=UTC),
        conversation_id="1951000000000000001",
        in_reply_to="1951000000000000001",
        quote_of="5",
        media_keys=("3_1880028106020515840",),
        links=(
            Link("https://t.co/AbC123xyz0", "https://perch.example/?a=1&amp=2"),
            Link("https://t.co/Med1aL1nk0", "https://x.com/p/status/1/photo/1", "3_1880028106020515840"),
        ),
        source="Perch",
        metrics=PostMetrics(impressions=40, likes=0, replies=0, reposts=2, quotes=0, bookmarks=1),
    )
    assert post.plain_text == "Fish & chips https://perch.example/?a=1&amp=2"


@pytest.mark.parametrize("name", ["note_tweet", "note_post"])
def test_a_long_post_is_read_from_its_note(name: str) -> None:
    note = {
        "text": "x" * 300 + " https://t.co/L0ng",
        "entities": {"urls": [{"url": "https://t.co/L0ng", "expanded_url": "https://perch.example/end"}]},
    }

    post = XPost.of({"id": "1", "text": "x" * 270 + "… https://t.co/self", name: note})

    assert post is not None
    assert post.plain_text == "x" * 300 + " https://perch.example/end"


@pytest.mark.parametrize("typed", ["a & b", "a &amp; b", "&lt;b&gt;", "1 < 2 > 0 &&"])
def test_escaping_by_x_is_undone_exactly_once(typed: str) -> None:
    sent_back = typed.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    post = XPost.of({"id": "1", "text": sent_back})

    assert post is not None
    assert post.plain_text == typed


def test_an_id_tells_its_time() -> None:
    """The answer that brought this id was dated 21:38:39."""
    made_at = snowflake_time("1456012973835788293")

    assert made_at == datetime(2021, 11, 3, 21, 38, 39, 32000, tzinfo=UTC)


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=60 * 365)))
def test_ids_order_as_their_moments_do(age: timedelta) -> None:
    moment = datetime(2011, 1, 1, tzinfo=UTC) + age
    lowest = snowflake_at(moment)

    assert snowflake_time(lowest) <= moment < snowflake_time(lowest) + timedelta(milliseconds=1)
    assert int(lowest) < int(snowflake_at(moment + timedelta(milliseconds=1)))

"""Whatever is sent, the answer is a problem document with a sentence; never a 5xx."""

import asyncio
from urllib.parse import urlsplit

import pytest

from perch.web.api.asking import MOST_A_MINUTE

JSON = {"Content-Type": "application/json"}
BAD_BODIES = {
    "empty": (b"", 400, "not_json"),
    "not JSON": (b"text=Hello", 400, "not_json"),
    "cut": (b'{"text": "Hel', 400, "not_json"),
    "not UTF-8": (b'{"text": "\xff"}', 400, "not_json"),
    "lone surrogate": (b'{"text": "\\ud800"}', 400, "not_json"),
    "raw surrogate": (b'{"text": "\xed\xa0\x80"}', 400, "not_json"),
    "100,000 deep": (b"[" * 100_000, 400, "not_json"),
    "100,000 deep in a field": (b'{"thread": ' + b'{"a":' * 100_000, 400, "not_json"),
    "NaN": (b'{"text": NaN}', 422, "invalid_request"),
    "a list": (b"[]", 422, "invalid_request"),
    "null": (b"null", 422, "invalid_request"),
    "NUL": (b'{"text": "a\\u0000b"}', 422, "invalid_request"),
    "NUL in a card": (b'{"thread": [{"text": "a\\u0000b"}]}', 422, "invalid_request"),
    "number for text": (b'{"text": 1}', 422, "invalid_request"),
    "text for a flag": (b'{"text": "a", "dry_run": "true"}', 422, "invalid_request"),
    "unknown field": (b'{"text": "a", "color": "red"}', 422, "invalid_request"),
    "unknown field in a card": (b'{"thread": [{"text": "a", "colour": 1}]}', 422, "invalid_request"),
    "both text and thread": (b'{"text": "a", "thread": [{"text": "b"}]}', 422, "invalid_request"),
    "empty thread": (b'{"thread": []}', 422, "invalid_request"),
    "101 cards": (b'{"thread": [' + b",".join([b'{"text": "a"}'] * 101) + b"]}", 422, "invalid_request"),
    "five addresses": (b'{"media_urls": ["a","b","c","d","e"]}', 422, "invalid_request"),
    "nothing": (b"{}", 422, "rule_broken"),
    "blank": (b'{"text": " \\n "}', 422, "rule_broken"),
    "byte order mark": (b'{"text": "a\\ufeffb"}', 422, "rule_broken"),
    "poll": (b'{"thread": [{"poll": {"options": ["a"], "duration_minutes": 5}}]}', 422, "not_yet"),
    "next free slot": (b'{"text": "a", "scheduled_at": "next-free-slot"}', 409, "no_free_slot"),
    "no offset": (b'{"text": "a", "scheduled_at": "2027-01-01T09:00:00"}', 422, "wrong_time"),
    "year 9999": (b'{"text": "a", "scheduled_at": "9999-12-31T23:59:59-14:00"}', 422, "wrong_time"),
    "year 1": (b'{"text": "a", "scheduled_at": "0001-01-01T00:00:00+14:00"}', 422, "wrong_time"),
    "offset +99:99": (b'{"text": "a", "scheduled_at": "2027-01-01T09:00:00+99:99"}', 422, "wrong_time"),
    "the past": (b'{"text": "a", "scheduled_at": "2020-01-01T09:00:00Z"}', 422, "wrong_time"),
    "another account": (b'{"text": "a", "account": "@elsewhere"}', 404, "not_found"),
    "odd account": (b'{"text": "a", "account": "\\u202e%00\'; --"}', 404, "not_found"),
    "unknown media": (b'{"thread": [{"text": "a", "media": ["nowhere"]}]}', 404, "media_unknown"),
}


@pytest.fixture
async def ada(site):
    return await site.with_token(await site.connect())


@pytest.mark.parametrize("case", BAD_BODIES)
async def test_a_bad_body_is_refused_in_a_sentence(site, ada, case):
    body, status, code = BAD_BODIES[case]
    answer = await ada.post("/api/v1/posts", data=body, headers=JSON)
    assert (answer.status, answer.json["code"]) == (status, code), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "code"} <= set(answer.json)
    assert answer.json["detail"].endswith(".")
    assert (await ada.get("/api/v1/posts")).json["posts"] == []


async def test_the_field_at_fault_is_named(ada):
    answer = await ada.post("/api/v1/posts", json={"thread": [{"text": "a"}, {"text": "b", "colour": 1}]})
    assert answer.json["errors"] == [
        {"field": "thread.1.colour", "detail": "There is no field 'thread.1.colour' here."}
    ]


@pytest.mark.parametrize(
    ("said", "field", "sentence"),
    [
        (5, "scheduled_at", "valid string"),
        ({}, "scheduled_at.local", "missing"),
        ({"local": "2027-01-01T09:00", "fold": "1"}, "scheduled_at.fold", "valid integer"),
        ({"local": "2027-01-01T09:00", "Zone": "UTC"}, "scheduled_at.Zone", "no field"),
    ],
)
async def test_a_field_of_several_kinds_is_told_by_the_one_it_comes_closest_to(ada, said, field, sentence):
    answer = await ada.post("/api/v1/posts", json={"text": "a", "scheduled_at": said})
    first = answer.json["errors"][0]
    assert (first["field"], sentence in first["detail"]) == (field, True)


async def test_a_body_over_a_megabyte_is_refused_announced_or_not(ada):
    body = b'{"text": "' + b"a" * 1_000_000 + b'"}'

    async def dripping():
        yield body

    for sent in (body, dripping()):
        answer = await ada.post("/api/v1/posts", data=sent, headers=JSON)
        assert (answer.status, answer.json["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("said", ["text/plain", "application/x-www-form-urlencoded", "application/xml", ""])
async def test_a_body_that_is_not_announced_as_json_is_refused(ada, said):
    answer = await ada.post("/api/v1/posts", data=b'{"text": "a"}', headers={"Content-Type": said})
    assert (answer.status, answer.json["code"]) == (415, "wrong_content_type")


@pytest.mark.parametrize(
    "text", ["a\u202eb", "\x01\x7f", "👨‍👩‍👧‍👦" * 140, "<img src=x onerror=alert(1)>", "e\u0301" * 140]
)
async def test_odd_text_is_kept_as_it_is(ada, text):
    answer = await ada.post("/api/v1/posts", json={"text": text, "dry_run": True})
    assert answer.status == 200
    assert answer.json["segments"][0]["text"] == text.strip()


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "cursor=elsewhere", f"cursor={'a' * 99}"]
)
async def test_a_wrong_parameter_is_named(ada, query):
    answer = await ada.get(f"/api/v1/posts?{query}")
    assert (answer.status, answer.json["code"]) == (422, "invalid_request")
    assert answer.json["errors"][0]["field"] == query.partition("=")[0]


@pytest.mark.parametrize("post_id", ["nowhere", "%00", "..%2f..", "a" * 500, "%f0%9f%90%a6", "1"])
async def test_a_post_that_is_not_there_is_404(ada, post_id):
    for answer in (
        await ada.get(f"/api/v1/posts/{post_id}"),
        await ada.post(f"/api/v1/posts/{post_id}/cancel"),
    ):
        assert answer.status in {404, 405}, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"


async def test_unknown_paths_and_methods_are_problems_too(ada):
    for method, path, status in (("GET", "/api/v1/nowhere", 404), ("DELETE", "/api/v1/posts", 405)):
        answer = await ada.ask(method, path)
        assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")


async def test_who_asks_too_often_is_told_when_to_come_back(site, ada):
    answers = await asyncio.gather(*(ada.get("/api/v1/accounts") for _ in range(MOST_A_MINUTE + 1)))
    refused = [answer for answer in answers if answer.status != 200]
    assert [(answer.status, answer.json["code"]) for answer in refused] == [(429, "too_many_requests")]
    assert 1 <= int(refused[0].headers["Retry-After"]) <= 61
    other = await site.with_token(await site.connect())
    assert (await other.get("/api/v1/accounts")).status == 200


ADDRESSES = [
    "http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://[::1]:{port}/", "http://127.1:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/", "http://2130706433:{port}/", "http://0x7f000001:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/", "http://127.0.0.1/", "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/", "http://0.0.0.0:{port}/", "http://[::]:{port}/", "http://good.test@127.0.0.1/",
    "file:///etc/passwd", "gopher://127.0.0.1:{port}/", "ftp://127.0.0.1/", "data:image/png;base64,AAAA",
    "http://127.0.0.1:22/", "http://[64:ff9b::7f00:1]/", "", "::", "http://", "//127.0.0.1/",
]  # fmt: skip


async def test_no_media_address_leads_inside(build_site):
    site = await build_site(fetch_allow="")
    ada = await site.with_token(await site.connect())
    port = urlsplit(site.house.x.url).port
    before = len((await site.house.control("GET", "/_sandbox/requests"))["requests"])
    for address in ADDRESSES:
        answer = await ada.post("/api/v1/posts", json={"media_urls": [address.format(port=port)]})
        assert (answer.status, answer.json["code"]) in {
            (422, "address_refused"), (502, "fetch_failed")
        }, (address, answer.text)  # fmt: skip
    requests = (await site.house.control("GET", "/_sandbox/requests"))["requests"][before:]
    assert {seen["path"] for seen in requests} <= {"/_sandbox/requests"}
    assert (await ada.get("/api/v1/posts")).json["posts"] == []

"""What the sandbox answers, against X's own description and against what X was recorded to answer.

The description (of August 2026) already has the new field names, everything recorded until then the old ones.
Its objects are mostly open, so an answer in the old spelling is valid wherever a renamed field is not
required; public metrics and problem types are checked in the new spelling only, and a failed upload's
``error`` is named below.
"""

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

pytestmark = pytest.mark.conformance

SHARED = Path(__file__).parents[2] / os.environ.get("SHARED", "../shared")
ADA = "1700000000000000001"
EVERY_FIELD = "created_at,entities,attachments,conversation_id,author_id,source,note_tweet,reply_settings"
REQUIRED_NEW_NAMES = "public_metrics"


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    file = SHARED / "x-openapi.json"
    if not file.exists():
        pytest.skip(f"X's OpenAPI description is not at {file}")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


@pytest.fixture
def recorded() -> Callable[[str], Any]:
    def read(name: str) -> Any:
        file = SHARED / "recorded" / f"{name}.json"
        if not file.exists():
            pytest.skip(f"no recording at {file}")
        return json.loads(file.read_text())["body"]

    return read


def problems(description: dict[str, Any], method: str, path: str, got: Any) -> list[str]:
    """What an answer breaks of the description."""
    answers = description["paths"][path][method.lower()]["responses"]
    schema = answers[str(got.status)]["content"]["application/json"]["schema"]
    whole = {**schema, "components": description["components"]}
    return [
        f"{method} {path}: {error.message[:200]}"
        for error in Draft202012Validator(whole).iter_errors(got.body)
    ]


@pytest.mark.parametrize("names", ["old", "new"])
async def test_every_accepted_request_is_answered_as_described(
    x: Any, description: dict[str, Any], names: str, mp4: Callable[..., bytes], png: bytes
) -> None:
    await x.control("POST", "people", {"username": "sandbox_ada", "premium": True})
    ada = await x.token()
    metrics = f",{REQUIRED_NEW_NAMES}" if names == "new" else ""
    await x.set(names=names)
    wrong: list[str] = []
    checked: set[tuple[str, str]] = set()

    async def check(method: str, path: str, url: str = "", **kwargs: Any) -> Any:
        got = await x.ask(method, url or path, ada, **kwargs)
        wrong.extend(problems(description, method, path, got))
        checked.add((method, path))
        return got.body.get("data")

    image = {"media": base64.b64encode(png).decode(), "media_category": "tweet_image"}
    picture = (await check("POST", "/2/media/upload", json=image))["id"]
    await check("POST", "/2/media/metadata", json={"id": picture, "metadata": {"alt_text": {"text": "Blue"}}})
    video = mp4()
    announced = {"media_type": "video/mp4", "total_bytes": len(video), "media_category": "tweet_video"}
    upload = (await check("POST", "/2/media/upload/initialize", json=announced))["id"]
    chunk = {"media": base64.b64encode(video).decode(), "segment_index": 0}
    await check("POST", "/2/media/upload/{id}/append", f"/2/media/upload/{upload}/append", json=chunk)
    await check("POST", "/2/media/upload/{id}/finalize", f"/2/media/upload/{upload}/finalize")
    for _ in range(3):
        await check("GET", "/2/media/upload", f"/2/media/upload?command=STATUS&media_id={upload}")
        x.clock.advance(1)
    text = "Hi @sandbox_ben #tag $ACME https://perch.com " + "long " * 100
    post = (await check("POST", "/2/tweets", json={"text": text, "media": {"media_ids": [picture]}}))["id"]
    await check("POST", "/2/tweets", json={"text": "next", "reply": {"in_reply_to_tweet_id": post}})
    query = (
        f"tweet.fields={EVERY_FIELD}{metrics}&expansions=author_id,attachments.media_keys&media.fields=url"
    )
    people = (
        "user.fields=created_at,profile_image_url,subscription_type,verified,verified_type,protected"
        + metrics
    )
    missing = ",1" if names == "new" else ""
    await check("GET", "/2/tweets", f"/2/tweets?ids={post}{missing}&{query}")
    await check("GET", "/2/tweets/{id}", f"/2/tweets/{post}?{query}")
    await check("GET", "/2/users/{id}/tweets", f"/2/users/{ADA}/tweets?max_results=5&{query}&{people}")
    await check("GET", "/2/users/me", f"/2/users/me?{people}")
    await check("GET", "/2/users/{id}", f"/2/users/{ADA}?{people}")
    await check("GET", "/2/users/by/username/{username}", f"/2/users/by/username/sandbox_ben?{people}")
    await check("DELETE", "/2/tweets/{id}", f"/2/tweets/{post}")
    assert wrong == []
    assert len(checked) == 14


async def test_a_failed_upload_says_why_although_the_description_has_no_place_for_it(
    x: Any, ada: str, gif: bytes, description: dict[str, Any]
) -> None:
    await x.set(processing_s=0, processing_error="InvalidMedia")
    got = await x.upload(ada, gif, "tweet_gif")
    (wrong,) = problems(description, "POST", "/2/media/upload", got)
    assert "'error' was unexpected" in wrong


async def test_errors_are_the_recorded_ones(x: Any, recorded: Callable[[str], Any]) -> None:
    ada = await x.token()
    await x.post(ada, "twice")
    assert (await x.post(ada, "twice")).body == recorded("tweets_create_403_duplicate")
    bare = await x.token(scope="tweet.read")
    assert (await x.post(bare, "no scope")).body == recorded("forbidden_403_generic_problem_json")
    assert (await x.exchange(code="nonsense")).body == recorded("oauth2_token_400_bad_code")
    assert (await x.refresh("nonsense")).body == recorded("oauth2_token_400_bad_refresh")
    headless = await x.ask("POST", "/2/oauth2/token", data={"grant_type": "refresh_token"})
    assert headless.body == recorded("oauth2_token_401_no_auth_header")
    await x.set(credits=0)
    broke = await x.post(await x.token(), "no money")
    depleted = recorded("credits_depleted_402")
    assert {**broke.body, "detail": ""} == {**depleted, "detail": ""}
    assert len(broke.body["detail"]) == len(depleted["detail"])


def kinds(body: Any) -> Any:
    """The shape of an answer: its keys, and the kinds of what they hold."""
    return {k: kinds(v) for k, v in body.items()} if isinstance(body, dict) else type(body).__name__


async def test_accepted_requests_are_answered_in_the_recorded_shapes(
    x: Any, ada: str, recorded: Callable[[str], Any], png: bytes
) -> None:
    created = await x.post(ada, "Test Tweet")
    assert kinds(recorded("tweets_create_201"))["data"].items() <= kinds(created.body)["data"].items()
    deleted = await x.ask("DELETE", f"/2/tweets/{created.body['data']['id']}", ada)
    assert deleted.body == recorded("tweets_delete_200")
    assert kinds((await x.ask("GET", "/2/users/me", ada)).body) == kinds(recorded("users_me_200"))
    assert kinds((await x.upload(ada, png)).body["data"]) == kinds(recorded("media_v2_simple"))
    announced = {"media_type": "image/png", "total_bytes": 9, "media_category": "tweet_image"}
    begun = await x.ask("POST", "/2/media/upload/initialize", ada, json=announced)
    assert kinds(begun.body) == kinds(recorded("media_v2_init"))

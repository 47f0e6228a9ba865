"""What a custom GPT does: begin a sign-in, come back with a token, post with and without media."""

import asyncio
import io
import logging
import re
from urllib.parse import parse_qsl, urlsplit

import av
import pytest
from aiohttp import web
from PIL import Image

from perch.people.tokens import LIFETIME


async def signed_in(site, username="sandbox_ada", allow=True):
    """The whole way through the consent page; the callback's answer."""
    began = await site.nobody.get("/startAuth")
    query = dict(parse_qsl(urlsplit(began.json["authorization_url"]).query))
    said = await site.house.control(
        "POST", "/_sandbox/approve", {**query, "username": username, "allow": allow}
    )
    return await site.nobody.get("/callback?" + urlsplit(said["location"]).query)


def bearing(site, token):
    return type(site.nobody)(site.http, site.url, {"Authorization": f"Bearer {token}"})


def picture(kind):
    made = io.BytesIO()
    frames = [Image.new("RGB", (64, 48), color) for color in ("teal", "orange")]
    if kind == "gif":
        frames[0].save(made, "GIF", save_all=True, append_images=frames[1:], duration=200)
    else:
        frames[0].save(made, "PNG")
    return made.getvalue()


def video():
    made = io.BytesIO()
    with av.open(made, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for _ in range(15):
            container.mux(stream.encode(av.VideoFrame.from_image(Image.new("RGB", (320, 240), "teal"))))
        container.mux(stream.encode(None))
    return made.getvalue()


@pytest.fixture
async def files():
    """A server with one file of each kind, on this machine."""
    made = {"a.png": picture("png"), "b.gif": picture("gif"), "c.mp4": video(), "d.html": b"<html>no</html>"}
    seen = []

    async def give(request):
        seen.append(request.match_info["name"])
        return web.Response(body=made[request.match_info["name"]], content_type="application/octet-stream")

    app = web.Application()
    app.router.add_get("/{name}", give)
    runner = web.AppRunner(app)
    await runner.setup()
    where = web.TCPSite(runner, "127.0.0.1", 0)
    await where.start()
    port = runner.addresses[0][1]
    yield f"http://127.0.0.1:{port}", seen
    await runner.cleanup()


async def test_a_sign_in_begins_with_the_address_and_its_state_and_nothing_else(site):
    began = await site.nobody.get("/startAuth")
    assert (began.status, set(began.json)) == (200, {"authorization_url", "state"})
    query = dict(parse_qsl(urlsplit(began.json["authorization_url"]).query))
    assert query["response_type"] == "code"
    assert query["state"] == began.json["state"]
    assert query["redirect_uri"] == f"{site.url}/auth/x"
    assert query["code_challenge_method"] == "S256"
    assert "Set-Cookie" not in began.headers


async def test_a_sign_in_ends_in_a_token_of_perchs_own_and_no_cookie(site):
    answer = await signed_in(site)
    assert (answer.status, set(answer.json)) == (200, {"message", "access_token", "expires_at", "scope"})
    assert answer.json["message"] == "Authentication successful!"
    assert re.fullmatch(r"perch_gpt_[\w-]{43}", answer.json["access_token"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", answer.json["expires_at"])
    assert answer.json["expires_at"][:10] == f"{site.perch.clock.now() + LIFETIME:%Y-%m-%d}"
    assert {"users.read", "tweet.read", "tweet.write"} <= set(answer.json["scope"].split())
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"


async def test_a_text_is_posted_and_its_link_comes_back(working_site):
    gpt = bearing(working_site, (await signed_in(working_site)).json["access_token"])
    posted = await gpt.post("/postTweet", json={"text": "Hello from a GPT"})
    [entry] = await working_site.house.ledger()
    assert (posted.status, posted.json) == (
        200,
        {
            "message": "Tweet posted successfully!",
            "tweet_id": entry["id"],
            "tweet_text": "Hello from a GPT",
            "tweet_url": f"{working_site.house.x.url}/sandbox_ada/status/{entry['id']}",
        },
    )


@pytest.mark.parametrize("name", ["a.png", "b.gif", "c.mp4"])
async def test_media_from_an_address_goes_out_with_the_text(working_site, files, name):
    address, _ = files
    gpt = bearing(working_site, (await signed_in(working_site)).json["access_token"])
    posted = await gpt.post(
        "/postTweet", json={"text": f"Look at {name[0]}", "media_url": f"{address}/{name}"}
    )
    assert posted.status == 200, posted.text
    [entry] = await working_site.house.ledger()
    assert entry["id"] == posted.json["tweet_id"]
    assert len(entry["media_ids"]) == 1


async def test_media_that_x_cannot_process_is_a_502_in_xs_words(working_site, files):
    await working_site.house.control("PUT", "/_sandbox/settings", {"processing_error": "InvalidMedia"})
    gpt = bearing(working_site, (await signed_in(working_site)).json["access_token"])
    posted = await gpt.post("/postTweet", json={"text": "Look", "media_url": f"{files[0]}/c.mp4"})
    assert (posted.status, posted.json["error"]) == (502, "media_not_uploaded"), posted.text
    assert "could not process" in posted.json["message"]
    assert await working_site.house.ledger() == []


async def test_media_needs_no_text(working_site, files):
    gpt = bearing(working_site, (await signed_in(working_site)).json["access_token"])
    posted = await gpt.post("/postTweet", json={"media_url": f"{files[0]}/a.png"})
    assert (posted.status, posted.json["tweet_text"]) == (200, "")


async def test_the_same_call_again_is_the_same_post(working_site, files):
    address, seen = files
    gpt = bearing(working_site, (await signed_in(working_site)).json["access_token"])
    body = {"text": "Only once", "media_url": f"{address}/a.png"}
    at_once = await asyncio.gather(*(gpt.post("/postTweet", json=body) for _ in range(5)))
    later = await gpt.post("/postTweet", json=body)
    assert {answer.status for answer in (*at_once, later)} == {200}, [answer.text for answer in at_once]
    assert len({answer.text for answer in (*at_once, later)}) == 1
    assert len(await working_site.house.ledger()) == 1
    assert seen == ["a.png"]


async def test_xs_tokens_appear_in_no_answer_and_no_log(working_site, caplog):
    caplog.set_level(logging.DEBUG)
    callback = await signed_in(working_site)
    gpt = bearing(working_site, callback.json["access_token"])
    key = await working_site.with_token(await working_site.connect())
    answers = [
        callback,
        await working_site.nobody.get("/startAuth"),
        await gpt.post("/postTweet", json={"text": "Secrets stay inside"}),
        await gpt.post("/postTweet", json={"text": "$A $B"}),
        *[await key.get(path) for path in ("/api/v1/posts", "/api/v1/accounts", "/api/v1/openapi.json")],
        await key.post("/api/v1/posts", json={"text": "And again", "scheduled_at": "now"}),
    ]
    secrets = (await working_site.house.control("GET", "/_sandbox/secrets"))["tokens"]
    assert len(secrets) >= 2
    told = "\n".join(answer.text + str(answer.headers) for answer in answers) + caplog.text
    assert not [secret for secret in secrets if secret in told]

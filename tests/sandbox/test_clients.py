"""Clients that other people wrote, unmodified, against a sandbox process."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

pytestmark = pytest.mark.conformance

CALLBACK = "http://127.0.0.1:5000/auth/x"
SECRET = "perch-sandbox-secret"
CLIENT_ID = "sandbox-client"
SCOPE = ["tweet.read", "tweet.write", "users.read", "media.write", "offline.access"]


@pytest.fixture
def sandbox() -> Iterator[str]:
    """The address of a process of its own, with an app whose id holds no colon: these clients send it raw."""
    command = [sys.executable, "-m", "perch.sandbox", "--port", "0", "--client-id", CLIENT_ID]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout.readline().decode().split()[-1]
        process.terminate()


def approve(url: str, authorize_url: str) -> str:
    """Say yes as Ada; returns where the browser would be sent."""
    body = {**dict(parse_qsl(urlsplit(authorize_url).query)), "username": "sandbox_ada", "allow": True}
    request = urllib.request.Request(f"{url}/_sandbox/approve", json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request) as answer:
        return str(json.load(answer)["location"])


def test_tweepy_signs_in_and_posts(sandbox: str) -> None:
    tweepy = pytest.importorskip("tweepy")
    requests = pytest.importorskip("requests")

    class ToTheSandbox(requests.adapters.HTTPAdapter):  # type: ignore[misc,name-defined,unused-ignore]
        """Carries what is meant for X to the sandbox."""

        def send(self, request: Any, **kwargs: Any) -> Any:
            request.url = sandbox + request.path_url
            return super().send(request, **kwargs)

    handler = tweepy.OAuth2UserHandler(
        client_id=CLIENT_ID, redirect_uri=CALLBACK, scope=SCOPE, client_secret=SECRET
    )
    handler.mount("https://", ToTheSandbox())
    location = approve(sandbox, handler.get_authorization_url())
    token = handler.fetch_token(location.replace("http://", "https://"))
    assert token["expires_in"] == 7200

    client = tweepy.Client(token["access_token"])
    client.session.mount("https://", ToTheSandbox())
    assert client.get_me(user_auth=False).data.username == "sandbox_ada"
    created = client.create_tweet(text="From tweepy & friends", user_auth=False)
    assert created.data["text"] == "From tweepy &amp; friends"
    mine = client.get_users_tweets("1700000000000000001", tweet_fields=["created_at"], user_auth=False)
    assert [str(post.id) for post in mine.data] == [created.data["id"]]
    with pytest.raises(tweepy.Forbidden, match="duplicate content"):
        client.create_tweet(text="From tweepy & friends", user_auth=False)
    assert client.delete_tweet(created.data["id"], user_auth=False).data == {"deleted": True}
    refreshed = handler.refresh_token(
        "https://api.x.com/2/oauth2/token", refresh_token=token["refresh_token"]
    )
    assert refreshed["refresh_token"] != token["refresh_token"]


def test_xdk_signs_in_and_posts(sandbox: str) -> None:
    xdk = pytest.importorskip("xdk")
    client = xdk.Client(
        base_url=sandbox,
        client_id=CLIENT_ID,
        client_secret=SECRET,
        redirect_uri=CALLBACK,
        scope=SCOPE,
    )
    location = approve(sandbox, client.get_authorization_url("a-state"))
    code = dict(parse_qsl(urlsplit(location).query))["code"]
    client.exchange_code(code)
    assert client.users.get_me().data.username == "sandbox_ada"
    created = client.posts.create(body={"text": "From xdk"})
    assert client.posts.get_by_id(created.data.id).data.text == "From xdk"
    assert client.posts.delete(created.data.id).data.deleted is True

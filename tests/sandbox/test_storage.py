from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.sandbox import storage
from perch.sandbox.config import SandboxConfig
from perch.sandbox.models import Grant, Link, Media, Person, Poll, Post, Token
from perch.sandbox.serving import running

Restart = Callable[[], Awaitable[Any]]
TEXT = st.text(max_size=8)
NUMBER = st.integers(0, 2**53)
POSTS = st.builds(
    Post,
    id=TEXT,
    author_id=TEXT,
    client_id=TEXT,
    sent=TEXT,
    text=TEXT,
    created_at=NUMBER,
    conversation_id=TEXT,
    weight=NUMBER,
    links=st.lists(st.builds(Link, NUMBER, NUMBER, TEXT, TEXT)).map(tuple),
    media_ids=st.lists(TEXT).map(tuple),
    poll=st.none() | st.builds(Poll, st.lists(TEXT).map(tuple), NUMBER),
    reply_to=st.none() | TEXT,
)
MEDIA = st.builds(Media, TEXT, TEXT, TEXT, TEXT, NUMBER, NUMBER, NUMBER, segments=st.lists(NUMBER).map(tuple))
OTHERS = st.builds(Person, TEXT, TEXT, TEXT, NUMBER) | st.builds(Token, TEXT, TEXT, TEXT, NUMBER)


@given(POSTS | MEDIA | OTHERS | st.builds(Grant, TEXT, TEXT, TEXT, TEXT, NUMBER))
def test_what_is_thawed_is_what_was_frozen(record: Any) -> None:
    assert storage.thaw(type(record), storage.freeze(record)) == record


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "x.db"


async def test_a_restart_keeps_sign_ins_posts_pictures_and_spending(data: Path, start: Any) -> None:
    x = await start()  # lends its HTTP client
    config = SandboxConfig(data=data, clock=x.clock)
    async with running(config) as x.running:
        pair = (await x.exchange(code=await x.code())).body
        token = pair["access_token"]
        picture = await x.picture(token)
        kept = await x.posted(token, "kept https://perch.com", media={"media_ids": [picture]})
        poll = await x.posted(token, "poll", poll={"options": ["a", "b"], "duration_minutes": 5})
        gone = await x.posted(token, "gone")
        await x.ask("DELETE", f"/2/tweets/{gone}", token)
        before = await x.ask("GET", f"/2/tweets?ids={kept},{poll}&tweet.fields=entities", token)
        health = await x.control("GET", "health")
    async with running(config) as x.running:
        after = await x.ask("GET", f"/2/tweets?ids={kept},{poll}&tweet.fields=entities", token)
        assert [p["text"] for p in after.body["data"]] == [p["text"] for p in before.body["data"]]
        ledger = (await x.control("GET", "ledger"))["posts"]
        assert [(p["id"], p["deleted"]) for p in ledger] == [(kept, False), (poll, False), (gone, True)]
        assert (await x.ask("GET", f"/media/3_{picture}")).status == 200
        assert (await x.post(token, "poll")).status == 403
        assert (await x.control("GET", "health"))["credits"]["perch-sandbox:ci"] <= health["credits"][
            "perch-sandbox:ci"
        ]
        assert int(await x.posted(token, "newer")) > int(gone)
        assert (await x.refresh(pair["refresh_token"])).status == 200


async def test_no_token_lies_in_the_file(data: Path, start: Any) -> None:
    x = await start()
    async with running(SandboxConfig(data=data, clock=x.clock)) as x.running:
        pair = (await x.exchange(code=await x.code())).body
    for file in data.parent.iterdir():
        if file.is_file():
            raw = file.read_bytes()
            assert pair["access_token"].encode() not in raw
            assert pair["refresh_token"].encode() not in raw


async def test_a_reset_is_kept_too(data: Path, start: Any) -> None:
    x = await start()
    config = SandboxConfig(data=data, clock=x.clock)
    async with running(config) as x.running:
        await x.posted(await x.token(), "before")
    async with running(config) as x.running:
        await x.control("POST", "reset")
        await x.posted(await x.token(), "after")
    async with running(config) as x.running:
        assert [p["text"] for p in (await x.control("GET", "ledger"))["posts"]] == ["after"]


async def test_without_a_file_nothing_stays(start: Any) -> None:
    x = await start()
    await x.picture(await x.token())
    blobs = next(iter(Path(x.running.app.blobs.path("1")).parent.iterdir()))
    x.running.app.blobs.close()
    assert not blobs.exists()

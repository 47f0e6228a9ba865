"""HEAD: as GET without the body, and never in its place where a sign-in would be spent."""

import pytest

from perch.web.heads import HeadAsGet


async def app(scope, receive, send):
    """Says what it was asked."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
    await send({"type": "http.response.body", "body": scope["method"].encode()})


async def ask(method, path):
    said = []

    async def send(message):
        said.append(message)

    async def receive():
        raise AssertionError("nothing is read")

    await HeadAsGet(app, {"/auth/x"})({"type": "http", "method": method, "path": path}, receive, send)
    return dict(said[0]["headers"]), said[1]["body"]


async def test_a_page_answers_head_as_get_without_its_body():
    assert await ask("HEAD", "/compose") == ({b"content-length": b"3"}, b"")


@pytest.mark.parametrize("path", ["/auth/x", "/login/x", "/startAuth"])
async def test_where_get_does_something_head_stays_head(path):
    assert (await ask("HEAD", path))[1] == b"HEAD"


async def test_get_is_left_alone():
    assert (await ask("GET", "/compose"))[1] == b"GET"

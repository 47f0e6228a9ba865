"""Who is let through: hosts, sites, tokens, cookies, and the headers on every answer."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from fastapi.routing import APIRoute

from perch.people.models import Role
from perch.web import pages
from perch.web.app import create_app
from perch.web.headers import policy


def unsafe_routes(perch: Any) -> list[tuple[str, str]]:
    """Every page route with an unsafe method, its parameters filled in."""
    return [
        (method, route.path.replace("{public_id}", "abcd2345efgh6789"))
        for route in _flat(pages.router(perch.settings))
        for method in (route.methods or set()) - {"GET", "HEAD"}
    ]


def _flat(router: Any) -> Iterator[APIRoute]:
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        else:
            yield from _flat(route.original_router)


async def test_every_unsafe_page_route_refuses_other_sites_and_missing_tokens(site: Any) -> None:
    olga = await site.person()
    routes = unsafe_routes(site.perch)
    assert len(routes) >= 10
    for method, path in routes:
        for headers in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": "https://evil.test"},
            {"Origin": "null"},
            {},
        ):
            answer = await olga.send(method, path, headers=headers, data={"csrf_token": olga.csrf})
            assert answer.status == 403, (method, path, headers)
        for token in ("", "wrong", olga.csrf[:-1]):
            answer = await olga.send(
                method, path, headers={"Sec-Fetch-Site": "same-origin"}, data={"csrf_token": token}
            )
            assert answer.status == 403, (method, path, token)
        nobody = await site.stranger().post(path)
        assert nobody.status == 401, (method, path)


async def test_the_token_of_one_person_does_not_open_the_forms_of_another(site: Any) -> None:
    olga, mallory = await site.person("Olga"), await site.person("Mallory")
    answer = await olga.post("/theme", {"csrf_token": mallory.csrf, "theme": "dark"})
    assert answer.status == 403


async def test_the_token_may_come_in_a_header_and_an_old_browser_may_name_the_origin(site: Any) -> None:
    olga = await site.person()
    headers = {"X-CSRF-Token": olga.csrf, "Origin": site.perch.settings.origin}
    answer = await olga.send("POST", "/theme", headers=headers, data={"theme": "dark"})
    assert answer.status == 303


@pytest.mark.parametrize(
    "host",
    ["evil.test", "127.0.0.1", "127.0.0.1:1", "localhost.evil.test", "user@127.0.0.1", "127.0.0.1:x", "[::1"],
)
async def test_another_host_is_told_the_right_one(site: Any, host: str) -> None:
    nobody = site.stranger()
    nobody.host = host
    answer = await nobody.get("/")
    assert answer.status == 400
    assert site.perch.settings.origin in answer.text
    assert "evil.test" not in answer.text


async def test_another_loopback_name_is_led_to_the_right_one(site: Any) -> None:
    nobody = site.stranger()
    port = urlsplit(site.base).port
    nobody.host = f"localhost:{port}"
    answer = await nobody.get("/accounts?x=1")
    assert (answer.status, answer.location) == (307, f"{site.base}/accounts?x=1")
    assert (await nobody.post("/theme")).status == 400


async def test_a_path_of_two_slashes_does_not_lead_to_another_host(site: Any) -> None:
    nobody = site.stranger()
    nobody.host = f"localhost:{urlsplit(site.base).port}"
    answer = await nobody.get("//evil.test/x")
    assert answer.location == f"{site.base}/evil.test/x"


async def test_probes_are_answered_under_any_name(site: Any) -> None:
    nobody = site.stranger()
    nobody.host = "10.0.0.7"
    assert (await nobody.get("/healthz")).text == '{"status":"alive"}'
    assert (await nobody.get("/readyz")).status == 503  # no worker runs in this test


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/compose", "/auth/x", "/healthz", "/static/x/app.css", "/media/x/preview"]
)
async def test_every_answer_carries_the_strict_headers(site: Any, path: str) -> None:
    answer = await site.stranger().get(path)
    assert answer.headers["Content-Security-Policy"] == policy(site.perch.settings)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"


async def test_the_policy_lets_nothing_inline_run(house: Any) -> None:
    told = policy(house.perch.settings)
    assert "unsafe" not in told
    assert told.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "frame-ancestors 'none'; base-uri 'none'" in told


@pytest.mark.parametrize(
    "next_path",
    [
        "//evil.test",
        "/\\evil.test",
        "https://evil.test",
        "/%2f/evil.test",
        "/\tevil",
        "javascript:alert(1)",
        "",
    ],
)
async def test_a_next_that_leads_away_is_dropped(site: Any, next_path: str) -> None:
    olga = await site.person()
    answer = await olga.post("/theme", {"theme": "dark", "next": next_path})
    assert answer.location == "/"


async def test_a_stranger_is_led_back_to_the_page_after_signing_in(site: Any) -> None:
    nobody = site.stranger()
    sent = await nobody.get("/compose?account=x")
    assert sent.status == 303
    assert dict(parse_qsl(urlsplit(sent.location).query)) == {"next": "/compose?account=x"}
    welcome = await nobody.get(sent.location)
    assert "/login/x?app=sandbox&amp;next=%2Fcompose%3Faccount%3Dx" in welcome.text


async def test_a_page_that_is_not_there_says_so_and_offers_one_way(site: Any) -> None:
    answer = await site.stranger().get("/<img src=x onerror=alert(1)>")
    assert answer.status == 404
    assert "There is nothing here" in answer.text
    assert "<img src=x" not in answer.text
    assert (
        await site.stranger().send("PUT", "/help", headers={"Sec-Fetch-Site": "same-origin"})
    ).status == 405


async def test_a_mistake_of_ours_shows_a_reference_and_nothing_else(build_house: Any, open_site: Any) -> None:
    site = await open_site()
    await site.perch.db.close()
    app = create_app(site.perch)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the secret of the house")

    answer = await _call(app, "/broken", site.perch.settings)
    assert answer["status"] == 500
    assert b"Something broke here" in answer["body"]
    assert b"Reference" in answer["body"]
    assert b"secret of the house" not in answer["body"]


async def test_more_than_the_cap_is_refused_whether_announced_or_streamed(site: Any) -> None:
    olga = await site.person()
    announced = await olga.send(
        "POST", "/theme", headers={"Sec-Fetch-Site": "same-origin"}, data=b"x" * (17 << 20)
    )
    assert announced.status == 413

    async def drip() -> Any:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        for _ in range(17):
            yield b"x" * (1 << 20)
        yield b"\r\n--x--\r\n"

    headers = {"Sec-Fetch-Site": "same-origin", "Content-Type": "multipart/form-data; boundary=x"}
    streamed = await olga.send("POST", "/theme", headers=headers, data=drip())
    assert streamed.status == 413


async def test_a_viewer_may_look_and_not_touch(site: Any) -> None:
    olga = await site.person()
    account = await site.account(olga)
    post = await site.post(olga, account, "Hello")
    vera = await site.person("Vera Viewer", Role.VIEWER, beside=olga)
    for path in ("/", "/accounts", f"/posts/{post.public_id}"):
        assert (await vera.get(path)).status == 200
    assert (await vera.get("/compose")).status == 403
    for path in (
        "/compose",
        f"/posts/{post.public_id}/cancel",
        f"/accounts/{account.public_id}/disconnect",
        "/media",
    ):
        assert (await vera.post(path, {"do": "post", "text": "x"})).status == 403, path


async def test_a_stranger_finds_nothing_of_others(site: Any) -> None:
    olga, sam = await site.person("Olga"), await site.person("Sam Stranger")
    account, asset = await site.account(olga), await site.asset(olga)
    post = await site.post(olga, account, "Hello", asset)
    for path in (
        f"/posts/{post.public_id}",
        f"/posts/{post.public_id}/now",
        f"/media/{asset.public_id}/preview",
        f"/media/{asset.public_id}/original",
        f"/accounts/{account.public_id}/disconnect",
        f"/?before={post.public_id}",
    ):
        assert (await olga.get(path)).status == 200, path
        assert (await sam.get(path)).status == 404, path
    for path in (f"/posts/{post.public_id}/cancel", f"/accounts/{account.public_id}/disconnect"):
        assert (await sam.post(path)).status == 404, path
    assert "Hello" not in (await sam.get("/")).text


async def _call(app: Callable[..., Any], path: str, settings: Any) -> dict[str, Any]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    host = urlsplit(settings.origin).netloc.encode()
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"host", host)], "scheme": "http", "server": ("127.0.0.1", 1),
        "client": ("127.0.0.1", 2), "root_path": "", "http_version": "1.1", "asgi": {"version": "3.0"},
    }  # fmt: skip
    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return {"status": sent[0]["status"], "body": body}


async def test_a_broken_cookie_header_does_not_hide_the_session_behind_a_bearer_token(site: Any) -> None:
    olga = await site.person()
    session = olga.cookies["perch_session"]
    headers = {
        "Cookie": f'a="\\; b=[]; perch_session={session}',
        "Authorization": "Bearer x",
        "Sec-Fetch-Site": "cross-site",
    }
    assert (await olga.send("POST", "/theme", headers=headers)).status == 403


async def test_a_part_fetched_after_the_session_ended_asks_for_the_whole_page(site: Any) -> None:
    answer = await site.stranger().get("/posts/abcd2345efgh6789/now", HX_Request="true")
    assert (answer.status, answer.headers["HX-Refresh"]) == (401, "true")

"""Signing in with X, out again, and every way in which it does not end well."""

from typing import Any

import pytest

from perch.web.pages.coming_back import PATHS


async def begun(browser: Any, query: str = "") -> str:
    answer = await browser.get(f"/login/x{query}")
    assert answer.status == 302
    return str(answer.location)


async def test_a_stranger_signs_in_and_out(site: Any) -> None:
    ada = site.stranger()
    ended = await site.consent(ada, await begun(ada, "?zone=Europe/Berlin"), "sandbox_ada")
    assert (ended.status, ended.location) == (303, "/")
    queue = await ada.get("/")
    assert "<h1>Queue</h1>" in queue.text
    ada.csrf = queue.text.partition('name="csrf_token" value="')[2].partition('"')[0]
    assert "Europe/Berlin" in (await ada.get("/accounts")).text
    kept = dict(ada.cookies)
    assert (await ada.post("/logout")).status == 303
    assert "perch_session" not in ada.cookies
    ada.cookies = kept
    assert "Sign in with X" in (await ada.get("/")).text


async def test_cookies_on_plain_http_are_kept_from_scripts_and_other_sites(site: Any) -> None:
    ada = site.stranger()
    sent = await ada.get("/login/x")
    (login,) = sent.cookies
    assert login.startswith("perch_login=")
    ended = await ada.get(await site.callback(sent.location))
    session = next(line for line in ended.cookies if line.startswith("perch_session="))
    for line in (login, session):
        assert {"HttpOnly", "SameSite=lax", "Path=/"} <= {part.strip() for part in line.split(";")}
        assert "Secure" not in line
        assert "Domain" not in line
    assert any(line.startswith("perch_login=") and "Max-Age=0" in line for line in ended.cookies)


async def test_cookies_behind_https_carry_the_host_prefix(open_site: Any) -> None:
    site = await open_site(public_url="https://perch.test")
    ada = site.stranger()
    sent = await ada.get("/login/x")
    ended = await ada.get(await site.callback(sent.location))
    session = next(line for line in ended.cookies if "perch_session=" in line)
    assert sent.cookies[0].startswith("__Host-perch_login=")
    assert session.startswith("__Host-perch_session=")
    assert "Secure" in session
    assert ended.headers["Strict-Transport-Security"] == "max-age=31536000"


async def test_the_session_of_before_is_worth_nothing_after_signing_in(site: Any) -> None:
    ada = site.stranger()
    await site.consent(ada, await begun(ada), "sandbox_ada")
    before = ada.cookies["perch_session"]
    await site.consent(ada, await begun(ada), "sandbox_ada")
    assert ada.cookies["perch_session"] != before
    ada.cookies["perch_session"] = before
    assert "Sign in with X" in (await ada.get("/")).text


@pytest.mark.parametrize("path", PATHS)
async def test_a_sign_in_ends_on_every_path_that_was_ever_registered(site: Any, path: str) -> None:
    ada = site.stranger()
    back = await site.callback(await begun(ada))
    ended = await ada.get(back.replace("/auth/x", path))
    assert (ended.status, ended.location) == (303, "/")


async def test_a_refusal_on_xs_page_is_told_with_the_one_next_step(site: Any) -> None:
    ada = site.stranger()
    ended = await site.consent(ada, await begun(ada), "sandbox_ada", allow=False)
    assert ended.status == 403
    assert "Sign-in was cancelled" in ended.text
    assert "perch_session" not in ada.cookies


async def test_another_browser_cannot_finish_what_this_one_began(site: Any) -> None:
    ada, mallory = site.stranger(), site.stranger()
    back = await site.callback(await begun(ada))
    await begun(mallory)
    for thief in (mallory, site.stranger()):
        ended = await thief.get(back)
        assert ended.status == 400
        assert "Another browser began this" in ended.text
        assert "perch_session" not in thief.cookies
    assert (await ada.get(back)).status == 303


async def test_a_replayed_callback_opens_nothing(site: Any) -> None:
    ada = site.stranger()
    login = await begun(ada)
    cookie = ada.cookies["perch_login"]
    back = await site.callback(login)
    assert (await ada.get(back)).status == 303
    again = site.stranger()
    again.cookies["perch_login"] = cookie
    ended = await again.get(back)
    assert "This sign-in was used already" in ended.text
    assert "perch_session" not in again.cookies


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?code=x",
        "?state=unknown&code=x",
        "?code=a&code=b&state=s",
        "?error=<script>alert(1)</script>&state=s",
        "?error=access_denied&error_description=<script>alert(1)</script>&state=s",
        "?state=%01&code=%ff",
    ],
)
async def test_a_callback_that_is_not_ours_is_a_page_and_never_a_script(site: Any, query: str) -> None:
    ended = await site.stranger().get(f"/auth/x{query}")
    assert ended.status == 400
    assert "<h1>" in ended.text
    assert "<script>alert" not in ended.text


async def test_a_program_with_an_unknown_state_is_answered_in_json(site: Any) -> None:
    ended = await site.stranger().get("/callback?state=unknown&code=x", Accept="application/json")
    assert ended.status == 400
    assert '"error":"state_unknown"' in ended.text


async def test_a_silent_x_is_not_the_readers_fault(site: Any) -> None:
    ada = site.stranger()
    back = await site.callback(await begun(ada))
    await site.house.fault(match={"path": "/2/oauth2/token"}, action="status", status=503, times=5)
    ended = await ada.get(back)
    assert ended.status >= 500
    assert "X does not answer" in ended.text


async def test_someone_without_an_invitation_is_told_whom_to_ask(open_site: Any) -> None:
    site = await open_site(sign_in="first")
    ada, ben = site.stranger(), site.stranger()
    assert (await site.consent(ada, await begun(ada), "sandbox_ada")).status == 303
    ended = await site.consent(ben, await begun(ben), "sandbox_ben")
    assert ended.status == 403
    assert "You are not invited yet" in ended.text


async def test_connecting_another_account_signs_nobody_in(site: Any) -> None:
    olga = await site.person()
    cookie = olga.cookies["perch_session"]
    await site.account(olga, "sandbox_ben")
    assert olga.cookies["perch_session"] == cookie
    assert "@sandbox_ben" in (await olga.get("/accounts")).text


async def test_an_account_is_disconnected_after_a_question(site: Any) -> None:
    olga = await site.person()
    account = await site.account(olga)
    await site.post(olga, account, "Hello")
    asked = await olga.get(f"/accounts/{account.public_id}/disconnect")
    assert "Disconnect @sandbox_ada?" in asked.text
    assert "1 post waits to be sent from it" in asked.text
    assert (await olga.post(f"/accounts/{account.public_id}/disconnect")).location == "/accounts"
    shown = await olga.get("/accounts")
    assert "disconnected" in shown.text
    assert "Disconnect</a>" not in shown.text

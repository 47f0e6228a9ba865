import asyncio
import re
from typing import Any

import aiohttp
import pytest

SPENT = {"error": "invalid_request", "error_description": "Value passed for the token was invalid."}
BAD_CODE = {
    "error": "invalid_request",
    "error_description": "Value passed for the authorization code was invalid.",
}
NO_HEADER = {"error": "unauthorized_client", "error_description": "Missing valid authorization header"}


async def test_a_consent_becomes_tokens_that_know_the_person(x: Any) -> None:
    got = await x.exchange(code=await x.code())
    assert got.status == 200
    assert got.body["token_type"] == "bearer"
    assert got.body["expires_in"] == 7200
    assert got.body["scope"] == "tweet.read tweet.write users.read media.write offline.access"
    me = await x.ask("GET", "/2/users/me", got.body["access_token"])
    assert me.body == {
        "data": {"id": "1700000000000000001", "name": "Ada of the sandbox", "username": "sandbox_ada"}
    }


async def test_the_consent_page_sends_the_chosen_person_back_with_a_code_and_the_state(x: Any) -> None:
    page = await x.ask("GET", "/i/oauth2/authorize", params=x.authorize())
    assert page.status == 200
    assert (
        f"form-action 'self' {x.callback.removesuffix('/auth/x')}" in page.headers["content-security-policy"]
    )
    ticket = re.search(r'name="ticket" value="([^"]+)"', page.body)
    assert ticket is not None
    form = {"ticket": ticket[1], "person": "1700000000000000002", "decision": "allow"}
    answer = await x.ask("POST", "/i/oauth2/authorize", data=form)
    assert answer.status == 302
    found = re.fullmatch(re.escape(x.callback) + r"\?code=([^&]+)&state=a-state", answer.headers["location"])
    assert found is not None
    tokens = await x.exchange(code=found[1])
    me = await x.ask("GET", "/2/users/me", tokens.body["access_token"])
    assert me.body["data"]["username"] == "sandbox_ben"


async def test_a_consent_form_counts_once_and_only_in_its_own_browser(x: Any) -> None:
    page = await x.ask("GET", "/i/oauth2/authorize", params=x.authorize())
    ticket = re.search(r'name="ticket" value="([^"]+)"', page.body)
    assert ticket is not None
    form = {"ticket": ticket[1], "person": "1700000000000000001", "decision": "allow"}
    async with aiohttp.ClientSession() as stranger:
        foreign = await stranger.post(f"{x.url}/i/oauth2/authorize", data=form, allow_redirects=False)
        assert foreign.status == 400
    assert (await x.ask("POST", "/i/oauth2/authorize", data=form)).status == 400


async def test_a_refusal_returns_with_the_state_and_no_code(x: Any) -> None:
    body = {**x.authorize(), "username": "sandbox_ada", "allow": False}
    location = (await x.control("POST", "approve", body))["location"]
    assert location == f"{x.callback}?error=access_denied&state=a-state"


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "somebody-else"},
        {"redirect_uri": "http://127.0.0.1:5000/auth/x/"},
        {"redirect_uri": "http://evil.test/auth/x"},
        {"response_type": "token"},
        {"scope": "tweet.read everything"},
        {"scope": ""},
        {"state": "s" * 501},
        {"code_challenge": ""},
        {"code_challenge_method": "S512"},
    ],
)
async def test_an_unsound_request_ends_on_an_error_page_and_never_redirects(
    x: Any, changes: dict[str, str]
) -> None:
    got = await x.ask("GET", "/i/oauth2/authorize", params=x.authorize(**changes))
    assert got.status == 400
    assert "location" not in got.headers
    assert "Something went wrong" in got.body


async def test_a_code_works_once(x: Any) -> None:
    code = await x.code()
    assert (await x.exchange(code=code)).status == 200
    again = await x.exchange(code=code)
    assert (again.status, again.body) == (400, BAD_CODE)


async def test_a_code_raced_twice_is_won_once(x: Any) -> None:
    code = await x.code()
    answers = await asyncio.gather(*(x.exchange(code=code) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [200, 400, 400, 400]


@pytest.mark.parametrize(("seconds", "status"), [(29.9, 200), (30, 400)])
async def test_a_code_lives_thirty_seconds(x: Any, seconds: float, status: int) -> None:
    code = await x.code()
    x.clock.advance(seconds)
    assert (await x.exchange(code=code)).status == status


@pytest.mark.parametrize(
    ("form", "description"),
    [
        ({"code_verifier": "another"}, "verifier"),
        ({"code_verifier": ""}, "Missing required parameter [code_verifier]."),
        ({"code": ""}, "Missing required parameter [code]."),
        ({"redirect_uri": "http://127.0.0.1:5000/callback"}, "did not match the uri"),
    ],
)
async def test_a_wrong_exchange_says_what_is_wrong(x: Any, form: dict[str, str], description: str) -> None:
    got = await x.exchange(**{"code": await x.code(), **form})
    assert got.status == 400
    assert got.body["error"] == "invalid_request"
    assert description in got.body["error_description"]


async def test_plain_pkce_is_the_verifier_itself(x: Any) -> None:
    code = await x.code(code_challenge=x.verifier, code_challenge_method="plain")
    assert (await x.exchange(code=code)).status == 200


async def test_the_wrong_secret_is_an_app_error_and_leaves_the_code_unused(x: Any) -> None:
    code = await x.code()
    wrong = await x.exchange(secret="guess", code=code)
    assert (wrong.status, wrong.body) == (401, NO_HEADER)
    assert (await x.exchange(code=code)).status == 200


async def test_a_confidential_app_cannot_pose_as_a_public_one(x: Any) -> None:
    form = {"grant_type": "authorization_code", "code": await x.code(), "client_id": "perch-sandbox:ci"}
    got = await x.ask("POST", "/2/oauth2/token", data=form)
    assert (got.status, got.body) == (401, NO_HEADER)


async def test_a_public_app_names_itself_in_the_form(x: Any) -> None:
    form = {
        "grant_type": "authorization_code",
        "code": await x.code(client_id="perch-sandbox:na"),
        "redirect_uri": x.callback,
        "code_verifier": x.verifier,
        "client_id": "perch-sandbox:na",
    }
    assert (await x.ask("POST", "/2/oauth2/token", data=form)).status == 200


async def test_one_app_cannot_use_the_code_of_another(x: Any) -> None:
    got = await x.exchange(code=await x.code(client_id="perch-sandbox:na"))
    assert (got.status, got.body) == (400, BAD_CODE)


async def test_without_offline_access_there_is_no_refresh_token(x: Any) -> None:
    got = await x.exchange(code=await x.code(scope="users.read tweet.read"))
    assert "refresh_token" not in got.body
    assert got.body["scope"] == "users.read tweet.read"


async def test_a_refresh_token_rotates_and_the_old_one_is_spent(x: Any) -> None:
    first = (await x.exchange(code=await x.code())).body
    second = await x.refresh(first["refresh_token"])
    assert second.status == 200
    assert second.body["refresh_token"] != first["refresh_token"]
    again = await x.refresh(first["refresh_token"])
    assert (again.status, again.body) == (400, SPENT)
    assert (await x.refresh(second.body["refresh_token"])).status == 200


@pytest.mark.parametrize(("kills", "status"), [(True, 401), (False, 200)])
async def test_whether_the_older_access_token_survives_a_refresh_is_a_switch(
    x: Any, kills: bool, status: int
) -> None:
    await x.set(refresh_kills_access=kills)
    first = (await x.exchange(code=await x.code())).body
    await x.refresh(first["refresh_token"])
    assert (await x.ask("GET", "/2/users/me", first["access_token"])).status == status


async def test_with_family_revoke_a_replayed_refresh_token_ends_the_grant(x: Any) -> None:
    await x.set(family_revoke=True)
    first = (await x.exchange(code=await x.code())).body
    second = (await x.refresh(first["refresh_token"])).body
    await x.refresh(first["refresh_token"])
    assert (await x.ask("GET", "/2/users/me", second["access_token"])).status == 401
    assert (await x.refresh(second["refresh_token"])).status == 400


@pytest.mark.parametrize(("seconds", "status"), [(29, 200), (31, 400)])
async def test_with_a_grace_a_lost_refresh_can_be_repeated(x: Any, seconds: float, status: int) -> None:
    await x.set(refresh_grace=30)
    first = (await x.exchange(code=await x.code())).body
    await x.refresh(first["refresh_token"])
    x.clock.advance(seconds)
    assert (await x.refresh(first["refresh_token"])).status == status


async def test_an_access_token_ends_after_two_hours(x: Any) -> None:
    token = await x.token()
    x.clock.advance(7200)
    got = await x.ask("GET", "/2/users/me", token)
    assert got.status == 401
    assert not [name for name in got.headers if name.lower().startswith("x-rate-limit")]


async def test_a_refresh_token_ends_after_six_months(x: Any) -> None:
    first = (await x.exchange(code=await x.code())).body
    x.clock.advance(15_552_000)
    assert (await x.refresh(first["refresh_token"])).status == 400


async def test_a_new_consent_replaces_the_older_grant(x: Any) -> None:
    first = (await x.exchange(code=await x.code())).body
    await x.exchange(code=await x.code())
    assert (await x.ask("GET", "/2/users/me", first["access_token"])).status == 401
    assert (await x.refresh(first["refresh_token"])).status == 400


@pytest.mark.parametrize("which", ["refresh_token", "access_token"])
async def test_a_revoked_token_is_dead_at_once(x: Any, which: str) -> None:
    pair = (await x.exchange(code=await x.code())).body
    got = await x.ask("POST", "/2/oauth2/revoke", data={"token": pair[which]}, headers=x.basic())
    assert (got.status, got.body) == (200, {"revoked": True})
    assert (await x.ask("GET", "/2/users/me", pair["access_token"])).status == 401
    assert (await x.refresh(pair["refresh_token"])).status == (400 if which == "refresh_token" else 200)


async def test_nobody_revokes_the_tokens_of_another_app(x: Any) -> None:
    pair = (await x.exchange(code=await x.code())).body
    form = {"token": pair["refresh_token"], "client_id": "perch-sandbox:na"}
    assert (await x.ask("POST", "/2/oauth2/revoke", data=form)).status == 200
    assert (await x.ask("GET", "/2/users/me", pair["access_token"])).status == 200


async def test_an_unknown_grant_type_is_named(x: Any) -> None:
    got = await x.exchange(grant_type="password")
    assert (got.status, got.body["error"]) == (400, "unsupported_grant_type")


async def test_a_refresh_token_is_no_access_token(x: Any) -> None:
    pair = (await x.exchange(code=await x.code())).body
    assert (await x.ask("GET", "/2/users/me", pair["refresh_token"])).status == 401
    assert (await x.refresh(pair["access_token"])).status == 400


async def test_a_client_that_does_not_encode_its_id_is_understood_too(x: Any) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "nonsense"}
    headers = x.basic(client_id="perch-sandbox:ci")
    got = await x.ask("POST", "/2/oauth2/token", data=form, headers=headers)
    assert (got.status, got.body) == (400, SPENT)

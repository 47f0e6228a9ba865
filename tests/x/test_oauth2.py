import base64
import hashlib
from collections.abc import Callable
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.x import errors
from perch.x.oauth2 import (
    SCOPES,
    Client,
    Denied,
    ExchangeCode,
    Granted,
    RefreshGrant,
    RevokeToken,
    TokenPair,
    authorize_url,
    challenge,
    new_verifier,
    parse_callback,
)
from perch.x.wire import Answer, Request

CONFIDENTIAL = Client("Y2xpZW50OmNp", "s3cr3t-canary")
PUBLIC = Client("Y2xpZW50Om5h")
UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"


def form_of(request: Request) -> dict[str, str]:
    return dict(parse_qsl((request.content or b"").decode(), strict_parsing=True))


def test_the_challenge_is_the_one_of_the_rfc() -> None:
    """RFC 7636 appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

    assert challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@given(st.text(alphabet=UNRESERVED, min_size=43, max_size=128))
def test_every_challenge_is_the_unpadded_hash_of_its_verifier(verifier: str) -> None:
    made = challenge(verifier)

    assert len(made) == 43
    assert base64.urlsafe_b64decode(made + "=") == hashlib.sha256(verifier.encode()).digest()


def test_verifiers_are_fresh_and_of_legal_length_and_letters() -> None:
    verifiers = {new_verifier() for _ in range(100)}

    assert len(verifiers) == 100
    assert all(len(verifier) == 43 and set(verifier) <= set(UNRESERVED) for verifier in verifiers)


def test_the_browser_is_sent_with_everything_x_asks_for() -> None:
    url = authorize_url(
        "https://x.com/i/oauth2/authorize", "id", "http://127.0.0.1:5000/auth/x", SCOPES, "st&te", "chal"
    )

    assert url.startswith("https://x.com/i/oauth2/authorize?response_type=code&client_id=id&")
    assert "+" not in url
    assert parse_qs(urlsplit(url).query) == {
        "response_type": ["code"],
        "client_id": ["id"],
        "redirect_uri": ["http://127.0.0.1:5000/auth/x"],
        "scope": ["tweet.read tweet.write users.read media.write offline.access"],
        "state": ["st&te"],
        "code_challenge": ["chal"],
        "code_challenge_method": ["S256"],
    }


@pytest.mark.parametrize(
    ("query", "outcome"),
    [
        ({"code": "c", "state": "s"}, Granted("c", "s")),
        ({"error": "access_denied", "state": "s"}, Denied("access_denied", None, "s")),
        ({"error": "access_denied"}, Denied("access_denied", None, None)),
        ({"error": "e", "error_description": "d", "code": "c", "state": "s"}, Denied("e", "d", "s")),
        ({"code": "c"}, Denied("invalid_callback", None, None)),
        ({"state": "s"}, Denied("invalid_callback", None, "s")),
        ({"code": "", "state": "s"}, Denied("invalid_callback", None, "s")),
        ({}, Denied("invalid_callback", None, None)),
    ],
)
def test_a_callback_is_a_grant_only_with_code_and_state(
    query: dict[str, str], outcome: Granted | Denied
) -> None:
    assert parse_callback(query) == outcome


@given(
    st.dictionaries(st.sampled_from(["code", "state", "error", "error_description"]) | st.text(), st.text())
)
def test_no_callback_is_too_odd_to_be_read(query: dict[str, str]) -> None:
    outcome = parse_callback(query)

    assert isinstance(outcome, Denied) or (outcome.code, outcome.state) == (query["code"], query["state"])


def test_a_confidential_client_proves_itself_in_the_header_only() -> None:
    request = ExchangeCode(CONFIDENTIAL, "c0de", "http://127.0.0.1:5000/auth/x", "ver").request()

    assert (request.method, request.target) == ("POST", "/2/oauth2/token")
    assert request.content_type == "application/x-www-form-urlencoded"
    assert form_of(request) == {
        "grant_type": "authorization_code",
        "code": "c0de",
        "redirect_uri": "http://127.0.0.1:5000/auth/x",
        "code_verifier": "ver",
    }
    assert request.basic is not None
    scheme, _, pair = request.basic.authorization.partition(" ")
    assert (scheme, base64.b64decode(pair)) == ("Basic", b"Y2xpZW50OmNp:s3cr3t-canary")


def test_a_public_client_names_itself_in_the_form_only() -> None:
    request = RefreshGrant(PUBLIC, "r3fresh").request()

    assert request.basic is None
    assert form_of(request) == {
        "grant_type": "refresh_token",
        "refresh_token": "r3fresh",
        "client_id": "Y2xpZW50Om5h",
    }


def test_revoking_says_which_kind_of_token_it_is(answer: Callable[..., Answer]) -> None:
    operation = RevokeToken(CONFIDENTIAL, "t0ken")

    assert operation.request().path == "/2/oauth2/revoke"
    assert form_of(operation.request()) == {"token": "t0ken", "token_type_hint": "refresh_token"}
    operation.parse(answer(200, {"revoked": True}))
    operation.parse(answer(200))


def test_tokens_are_read_with_their_life_and_scope(answer: Callable[..., Answer]) -> None:
    body = {
        "token_type": "bearer",
        "expires_in": 7100,
        "access_token": "at",
        "scope": "tweet.write users.read offline.access",
        "refresh_token": "rt",
    }

    pair = RefreshGrant(PUBLIC, "old").parse(answer(200, body))

    assert pair == TokenPair("at", "rt", 7100, ("tweet.write", "users.read", "offline.access"))


def test_without_offline_access_there_is_no_refresh_token(answer: Callable[..., Answer]) -> None:
    pair = ExchangeCode(PUBLIC, "c", "u", "v").parse(answer(200, {"access_token": "at"}))

    assert pair == TokenPair("at", None, 7200, ())


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (
            400,
            {"error": "invalid_request", "error_description": "Value passed for the token was invalid."},
            "GrantLost",
        ),
        (400, {"error": "invalid_grant"}, "GrantLost"),
        (
            400,
            {
                "error": "invalid_request",
                "error_description": "Value passed for the authorization code was invalid.",
            },
            "GrantLost",
        ),
        (
            400,
            {
                "error": "invalid_request",
                "error_description": "Value passed for the redirect uri did not match the uri of the "
                "authorization code.",
            },
            "AppMisconfigured",
        ),
        (
            400,
            {"error": "invalid_request", "error_description": "Missing required parameter [code_verifier]."},
            "AppMisconfigured",
        ),
        (400, {"error": "invalid_client"}, "AppMisconfigured"),
        (400, {"error": "unsupported_grant_type"}, "AppMisconfigured"),
        (
            401,
            {"error": "unauthorized_client", "error_description": "Missing valid authorization header"},
            "AppMisconfigured",
        ),
        (401, {"title": "Unauthorized", "detail": "Unauthorized"}, "AppMisconfigured"),
        (403, {"title": "Client Forbidden", "reason": "client-not-enrolled"}, "AppMisconfigured"),
        (400, b"<html><title>400 Bad Request</title>", "Unconfirmed"),
        (400, b"", "Unconfirmed"),
        (429, b"", "RateLimited"),
        (500, b"", "Unconfirmed"),
        (503, b"<html>", "Unconfirmed"),
        (200, b"", "Unconfirmed"),
        (200, {"token_type": "bearer"}, "Unconfirmed"),
        (200, {"access_token": 7}, "Unconfirmed"),
    ],
)
def test_a_grant_is_lost_by_oauths_own_words_only(
    answer: Callable[..., Answer], status: int, body: object, error: str
) -> None:
    for operation in (RefreshGrant(CONFIDENTIAL, "old"), ExchangeCode(CONFIDENTIAL, "c", "u", "v")):
        with pytest.raises(errors.XError) as caught:
            operation.parse(answer(status, body))
        assert type(caught.value).__name__ == error


def test_revoking_may_be_tried_again_after_an_outage(answer: Callable[..., Answer]) -> None:
    for status in (400, 503):
        with pytest.raises(errors.Unavailable):
            RevokeToken(PUBLIC, "t").parse(answer(status, b"<html>"))


@pytest.mark.parametrize(
    "value",
    [
        CONFIDENTIAL,
        CONFIDENTIAL.basic,
        ExchangeCode(CONFIDENTIAL, "canary", "u", "canary"),
        RefreshGrant(CONFIDENTIAL, "canary"),
        RefreshGrant(CONFIDENTIAL, "canary").request(),
        RevokeToken(CONFIDENTIAL, "canary"),
        TokenPair("canary", "canary", 7200, ()),
        Granted("canary", "canary"),
    ],
)
def test_no_secret_shows_in_a_repr(value: object) -> None:
    assert "canary" not in repr(value)


@pytest.mark.parametrize("body", [b'{"access_token":"canary', b'{"refresh_token":"canary"}', b"canary"])
def test_tokens_in_an_answer_that_cannot_be_used_stay_out_of_the_error(
    answer: Callable[..., Answer], body: bytes
) -> None:
    with pytest.raises(errors.Unconfirmed) as caught:
        RefreshGrant(PUBLIC, "old").parse(answer(200, body))

    assert "canary" not in repr((caught.value, caught.value.problem, answer(200, body)))

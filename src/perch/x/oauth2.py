"""OAuth 2.0 with X: authorization code with PKCE, refresh, revocation. Pure; ``client`` sends.

https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code, RFC 6749, 7636 and 7009.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import quote, urlencode

from perch.x import members
from perch.x.errors import AppMisconfigured, GrantLost, XError
from perch.x.judging import judge, no_verdict, refusal
from perch.x.problems import Problem
from perch.x.wire import Answer, Basic, Request, post_form

SCOPES = ("tweet.read", "tweet.write", "users.read", "media.write", "offline.access")
"""What Perch asks for: read and write posts, know the account, upload media, outlive two hours."""

# X's page names two hours; RFC 6749 section 5.1 only recommends that the server says so.
_DEFAULT_EXPIRES_IN = 7200


def new_verifier() -> str:
    """A fresh code verifier of 43 characters (RFC 7636 section 4.1)."""
    return secrets.token_urlsafe(32)


def challenge(verifier: str) -> str:
    """The S256 code challenge of a verifier (RFC 7636 section 4.2)."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def authorize_url(
    authorize_base: str,
    client_id: str,
    redirect_uri: str,
    scopes: tuple[str, ...],
    state: str,
    challenge: str,
) -> str:
    """Where to send the browser (RFC 6749 section 4.1.1).

    X compares ``redirect_uri`` byte by byte with its registered callbacks, and takes up to 500 characters
    of ``state``. A wrong client or callback ends on an error page of X and never comes back.
    """
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(scopes),
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return f"{authorize_base}?{urlencode(query, quote_via=quote)}"


@dataclass(frozen=True, slots=True)
class Granted:
    """X sent the browser back with a code, good for 30 seconds and one exchange."""

    code: str = field(repr=False)
    state: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Denied:
    """X sent the browser back without a code (RFC 6749 section 4.1.2.1); the state may be missing."""

    error: str
    description: str | None
    state: str | None = field(repr=False)


def parse_callback(query: Mapping[str, str]) -> Granted | Denied:
    """Read the query of a callback. Whatever carries no code is a refusal."""
    code, state, error = query.get("code"), query.get("state"), query.get("error")
    if code and state and not error:
        return Granted(code, state)
    return Denied(error or "invalid_callback", query.get("error_description"), state)


@dataclass(frozen=True, slots=True)
class Client:
    """The X app. Confidential with a secret (Web App, Automated App), public without (Native, SPA)."""

    client_id: str
    client_secret: str | None = field(default=None, repr=False)

    @property
    def basic(self) -> Basic | None:
        return Basic(self.client_id, self.client_secret) if self.client_secret else None

    def post(self, path: str, fields: Mapping[str, str]) -> Request:
        """A form to the token endpoint, authenticated as this kind of client must."""
        # X refuses a secret in the form, and wants a public client to name itself there.
        named = {} if self.client_secret else {"client_id": self.client_id}
        return post_form(path, {**fields, **named}.items(), self.basic)


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a grant is worth: an access token for ``expires_in`` seconds and a refresh token for one use.

    ``refresh_token`` is None without the scope ``offline.access``.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_in: int
    scope: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExchangeCode:
    """Trade a code for tokens, within 30 seconds of the consent (RFC 6749 section 4.1.3)."""

    repeatable: ClassVar[bool] = False

    client: Client
    code: str = field(repr=False)
    redirect_uri: str
    code_verifier: str = field(repr=False)

    def request(self) -> Request:
        fields = {
            "grant_type": "authorization_code",
            "code": self.code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.code_verifier,
        }
        return self.client.post("/2/oauth2/token", fields)

    def parse(self, answer: Answer) -> TokenPair:
        return _token_pair(answer)


@dataclass(frozen=True, slots=True)
class RefreshGrant:
    """Trade a refresh token for a new pair (RFC 6749 section 6); X takes each refresh token once.

    ``Unconfirmed`` means that X may have rotated: the new pair is lost then, and the old token is spent.
    """

    repeatable: ClassVar[bool] = False

    client: Client
    refresh_token: str = field(repr=False)

    def request(self) -> Request:
        fields = {"grant_type": "refresh_token", "refresh_token": self.refresh_token}
        return self.client.post("/2/oauth2/token", fields)

    def parse(self, answer: Answer) -> TokenPair:
        return _token_pair(answer)


@dataclass(frozen=True, slots=True)
class RevokeToken:
    """Make a token worthless (RFC 7009); revoke the refresh token first."""

    repeatable: ClassVar[bool] = True

    client: Client
    token: str = field(repr=False)
    token_type_hint: str = "refresh_token"  # noqa: S105 - a kind of token, not a token

    def request(self) -> Request:
        return self.client.post(
            "/2/oauth2/revoke", {"token": self.token, "token_type_hint": self.token_type_hint}
        )

    def parse(self, answer: Answer) -> None:
        refused = _token_refusal(answer, repeatable=True) or refusal(answer, repeatable=True)
        if refused is not None:
            raise refused


def _token_pair(answer: Answer) -> TokenPair:
    refused = _token_refusal(answer, repeatable=False)
    if refused is not None:
        raise refused
    document = judge(answer, repeatable=False)
    access_token = members.text(document, "access_token")
    if not access_token:
        raise no_verdict("X gave no token that can be read.", answer, repeatable=False)
    return TokenPair(
        access_token=access_token,
        refresh_token=members.text(document, "refresh_token") or None,
        expires_in=members.number(document, "expires_in") or _DEFAULT_EXPIRES_IN,
        scope=tuple((members.text(document, "scope") or "").split()),
    )


# The app's doing by RFC 6749 section 5.2. ``invalid_request`` is X's word for a spent token as well.
_APP_ERRORS = frozenset({"invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"})
_APP_WORDS = ("redirect uri", "missing required parameter", "missing valid authorization header")


def _token_refusal(answer: Answer, *, repeatable: bool) -> XError | None:
    """What only the token endpoint says; None leaves the answer to the common rules."""
    if answer.status not in (400, 401, 403):
        return None
    problem = Problem.of(answer)
    words = problem.words.lower()
    if answer.status == 401 or problem.error in _APP_ERRORS or any(part in words for part in _APP_WORDS):
        return _misconfigured(answer, problem)
    if answer.status == 400 and problem.error in ("invalid_request", "invalid_grant"):
        return GrantLost(
            "X no longer knows this login.",
            fix="Connect the account again.",
            problem=problem,
            head=answer.head,
        )
    if answer.status == 400:
        # Without OAuth's own words a 400 must not cost anybody their grant.
        return no_verdict("X's login service gave no verdict.", answer, repeatable=repeatable)
    return None


def _misconfigured(answer: Answer, problem: Problem) -> AppMisconfigured:
    return AppMisconfigured(
        "X does not accept the X app's own credentials or callback.",
        fix="Compare client id, client secret, app type and callback address with console.x.com.",
        problem=problem,
        head=answer.head,
    )

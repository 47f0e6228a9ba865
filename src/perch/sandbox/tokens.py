"""The second half of X's sign-in: codes become tokens, tokens rotate, grants end."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from perch.sandbox.ids import fingerprint, opaque
from perch.sandbox.models import App, Code, Grant, Person, Token
from perch.sandbox.problems import Refused, oauth
from perch.sandbox.world import World

Form = Mapping[str, str]


def bad_token() -> Refused:
    """A refresh token that is spent, revoked, expired or of another client."""
    return oauth(400, "invalid_request", "Value passed for the token was invalid.")


def bad_code() -> Refused:
    """A code that is used, expired or of another client."""
    return oauth(400, "invalid_request", "Value passed for the authorization code was invalid.")


def bad_client() -> Refused:
    """A confidential app without a valid Basic header, or with the wrong secret."""
    return oauth(401, "unauthorized_client", "Missing valid authorization header")


def client_of(world: World, authorization: str, form: Form) -> App:
    """Who asks: Basic for confidential apps, ``client_id`` in the form for public ones."""
    if authorization.lower().startswith("basic "):
        return _basic(world, authorization[6:].strip())
    app = world.apps.get(form.get("client_id", ""))
    if app is None and "client_id" in form:
        raise oauth(401, "invalid_client", "Value passed for the client id was invalid.")
    if app is None or app.confidential:
        raise bad_client()
    return app


def _basic(world: World, encoded: str) -> App:
    try:
        pair = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise bad_client() from error
    # A client id may itself hold a colon, and not every client encodes it (RFC 6749 section 2.3.1).
    for at, letter in enumerate(pair):
        app = world.apps.get(unquote(pair[:at])) if letter == ":" else None
        if app is not None and app.client_secret is not None and _same(app.client_secret, pair[at + 1 :]):
            return app
    raise bad_client()


def _same(secret: str, given: str) -> bool:
    return any(hmac.compare_digest(secret.encode(), text.encode()) for text in (given, unquote(given)))


def answer(world: World, app: App, form: Form) -> dict[str, Any]:
    """The token endpoint, after the client is known."""
    match form.get("grant_type"):
        case "authorization_code":
            return _exchange(world, app, form)
        case "refresh_token":
            return _refresh(world, app, form)
        case None:
            raise _missing("grant_type")
        case _:
            raise oauth(400, "unsupported_grant_type", "Value passed for the grant type was invalid.")


def _missing(name: str) -> Refused:
    return oauth(400, "invalid_request", f"Missing required parameter [{name}].")


def _required(form: Form, name: str) -> str:
    if not form.get(name):
        raise _missing(name)
    return form[name]


def _exchange(world: World, app: App, form: Form) -> dict[str, Any]:
    given = _required(form, "code")
    verifier = _required(form, "code_verifier")
    redirect_uri = _required(form, "redirect_uri")
    code = world.codes.pop(given, None)
    if code is None or code.client_id != app.client_id or code.expires_at <= world.now():
        raise bad_code()
    if code.redirect_uri != redirect_uri:
        raise oauth(
            400,
            "invalid_request",
            "Value passed for the redirect uri did not match the uri of the authorization code.",
        )
    if not hmac.compare_digest(_challenge(code.method, verifier), code.challenge.encode()):
        # X's exact sentence for this is not known.
        raise oauth(
            400, "invalid_request", "Value passed for the code verifier did not match the code challenge."
        )
    return issue(world, code)


def _challenge(method: str, verifier: str) -> bytes:
    """RFC 7636 section 4.6."""
    if method == "plain":
        return verifier.encode()
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")


def issue(world: World, code: Code, ttl_s: float | None = None) -> dict[str, Any]:
    """Tokens for a fresh consent, which ends any older one of the same person and app."""
    if old := world.grant_of.get((code.client_id, code.person_id)):
        world.drop_grant(old)
    grant = Grant(world.new_id(), code.client_id, code.person_id, code.scope, world.now())
    world.keep_grant(grant)
    return _pair(world, grant, ttl_s)


def mint(world: World, app: App, person: Person, scope: str, ttl_s: float | None = None) -> dict[str, Any]:
    """A consent without a browser."""
    return issue(world, Code(app.client_id, person.id, "", scope, "", "", 0), ttl_s)


def _pair(world: World, grant: Grant, ttl_s: float | None = None) -> dict[str, Any]:
    settings = world.settings
    access_ttl_s = settings.access_ttl_s if ttl_s is None else ttl_s
    body: dict[str, Any] = {
        "token_type": "bearer",
        "expires_in": int(access_ttl_s),
        "access_token": _new(world, grant, "access", access_ttl_s),
        "scope": grant.scope,
    }
    if "offline.access" in grant.scopes:
        body["refresh_token"] = _new(world, grant, "refresh", settings.refresh_ttl_s)
    return body


def _new(world: World, grant: Grant, kind: str, ttl_s: float) -> str:
    plain = opaque(kind)
    token = Token(fingerprint(plain), grant.id, kind, world.now() + int(ttl_s * 1000))
    world.keep_token(token)
    if world.config.reveal:
        world.plain[token.hash] = plain
    return plain


def _refresh(world: World, app: App, form: Form) -> dict[str, Any]:
    token = world.tokens.get(fingerprint(_required(form, "refresh_token")))
    grant = world.grants.get(token.grant_id) if token else None
    if token is None or grant is None or token.kind != "refresh" or grant.client_id != app.client_id:
        raise bad_token()
    if token.expires_at <= world.now():
        raise bad_token()
    if token.spent_at and world.now() - token.spent_at >= _grace_ms(world):
        if world.settings.family_revoke:
            world.drop_grant(grant.id)
        raise bad_token()
    _retire(world, token)
    return _pair(world, grant)


def _grace_ms(world: World) -> float:
    """X documents no grace at all; other providers give about 30 seconds."""
    return world.settings.refresh_grace * world.config.pace * 1000


def _retire(world: World, spent: Token) -> None:
    """Mark the refresh token spent. Spent ones stay known, so that a replay can be told from nonsense."""
    if world.settings.refresh_kills_access:
        for token in world.tokens_in(spent.grant_id):
            if token.kind == "access":
                world.drop_token(token.hash)
    if not spent.spent_at:
        world.keep_token(replace(spent, spent_at=world.now()))


def revoke(world: World, app: App, form: Form) -> dict[str, Any]:
    """RFC 7009: a refresh token takes its grant along, an access token only itself; unknown ones are fine."""
    token = world.tokens.get(fingerprint(_required(form, "token")))
    grant = world.grants.get(token.grant_id) if token else None
    if token is not None and grant is not None and grant.client_id == app.client_id:
        if token.kind == "refresh":
            world.drop_grant(grant.id)
        else:
            world.drop_token(token.hash)
    return {"revoked": True}


def bearer(world: World, authorization: str) -> tuple[Grant, Person] | None:
    """Whose access token this is, if it is alive."""
    if authorization[:7].lower() != "bearer ":
        return None
    token = world.tokens.get(fingerprint(authorization[7:].strip()))
    if token is None or token.kind != "access" or token.expires_at <= world.now():
        return None
    grant = world.grants.get(token.grant_id)
    return (grant, world.people[grant.person_id]) if grant else None

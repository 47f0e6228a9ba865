"""Signing in with X and connecting accounts: authorization code with PKCE, bound to state and browser.

RFC 6749 section 4.1, RFC 7636, RFC 9700 section 2.1. A sign-in is a row of its own between the two halves.
"""

import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts import errors, queries, scopes
from perch.accounts.apps import credentials
from perch.accounts.clients import XClients
from perch.accounts.grants import seal_pair
from perch.accounts.models import Grant, LoginAttempt, LoginFace, RefreshState, XAccount, XApp
from perch.accounts.next_path import safe_next
from perch.clock import Clock, UnknownZone, zone
from perch.db import Transactions, new_public_id
from perch.people import inviting
from perch.people.joining import Admitted, Arrival, admit, recognise_first
from perch.people.queries import role_of
from perch.people.roles import Action, require
from perch.seal import Place, Sealer, fingerprint
from perch.settings import SignIn
from perch.x import oauth2
from perch.x.client import XClient
from perch.x.errors import (
    AppMisconfigured,
    GrantLost,
    RateLimited,
    Rejected,
    Unavailable,
    Unconfirmed,
    Unreachable,
)
from perch.x.oauth2 import Denied, Granted, TokenPair
from perch.x.users import Me, XUser
from perch.x.wire import Bearer

LIFETIME = timedelta(minutes=10)
_REMEMBERED = timedelta(days=1)  # so that a late comer hears "expired" and not "unknown"
_BROWSER_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_OAUTH_ERROR = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True, slots=True)
class Requester:
    """A member who connects another X account to a workspace, or reconnects the one named."""

    person_id: int
    workspace_id: int
    account_id: int | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """Where to send the person, and what ties the way back to this sign-in.

    ``browser_token`` belongs into a cookie of the browser; None when the sign-in ends elsewhere.
    """

    authorize_url: str = field(repr=False)
    state: str = field(repr=False)
    browser_token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finished:
    """A connected account, and who it lets in.

    ``signs_in`` is False when a member only connected an account: no session may come of that.
    ``scope`` is space separated; ``warnings`` says in sentences what ``missing_scopes`` costs.
    """

    person_id: int
    workspace_id: int
    account_id: int
    account_public_id: str
    username: str
    face: LoginFace
    next_path: str
    signs_in: bool
    scope: str
    missing_scopes: tuple[str, ...]
    warnings: tuple[str, ...]


async def begin(
    session: AsyncSession,
    clock: Clock,
    sealer: Sealer,
    app: XApp,
    *,
    face: LoginFace,
    redirect_uri: str,
    next_path: str | None = None,
    zone: str | None = None,
    requester: Requester | None = None,
    invitation: str | None = None,
    browser_token: str | None = None,
) -> Begun:
    """Start a sign-in of ten minutes and one use. Raises InvitationUnusable.

    A ``browser_token`` the browser already has is kept, so that two tabs can sign in side by side.
    """
    now = clock.now()
    await queries.forget_attempts(session, now - _REMEMBERED)
    invited = await inviting.find(session, clock, invitation) if invitation else None
    state, verifier, public_id = secrets.token_urlsafe(32), oauth2.new_verifier(), new_public_id()
    bound = _browser_token(browser_token) if face is LoginFace.BROWSER else None
    session.add(
        LoginAttempt(
            public_id=public_id,
            app_id=app.id,
            face=face,
            state_hash=fingerprint(state),
            browser_hash=bound and fingerprint(bound),
            verifier_sealed=sealer.seal(verifier, _verifier_place(public_id, app)),
            redirect_uri=redirect_uri,
            next_path=safe_next(next_path),
            zone=_zone(zone),
            person_id=requester and requester.person_id,
            workspace_id=requester and requester.workspace_id,
            account_id=requester and requester.account_id,
            invitation_id=invited and invited.id,
            created_at=now,
            expires_at=now + LIFETIME,
        )
    )
    await session.flush()
    url = oauth2.authorize_url(
        app.authorize_url, app.client_id, redirect_uri, oauth2.SCOPES, state, oauth2.challenge(verifier)
    )
    return Begun(url, state, bound)


async def face_of(session: AsyncSession, state: str | None) -> LoginFace | None:
    """Where a sign-in with this state ends, also when it failed; None for a state that is not ours."""
    attempt = await queries.attempt_with_state(session, fingerprint(state)) if state else None
    return LoginFace(attempt.face) if attempt else None


async def finish(
    transactions: Transactions,
    clock: Clock,
    sealer: Sealer,
    clients: XClients,
    policy: SignIn,
    callback: Granted | Denied,
    browser_token: str | None,
) -> Finished:
    """End a sign-in. Raises SignInFailed's kinds, XUnavailable, AppBroken, NotInvited, other XErrors.

    The tokens of a sign-in that fails late are dropped and not revoked: revoking them could end the grant
    that another workspace holds for the same account.
    """
    if isinstance(callback, Denied) and callback.state is None:
        raise _refusal(callback)  # X does not promise to send the state along with a denial
    async with transactions() as session:
        attempt, app = await _spend(session, clock, callback.state or "", browser_token)
    if isinstance(callback, Denied):
        raise _refusal(callback)
    client = clients.for_app(app)
    pair = await _exchange(client, clients.deadline, sealer, app, attempt, callback.code)
    scope = scopes.granted(pair.scope)
    if lacking := scopes.lacking(scope):
        raise errors.MissingScopes(lacking)
    user = await _who(client, clients.deadline, clock, Bearer(pair.access_token))
    async with transactions() as session:
        # Held to the end: two first people at once would both become owner otherwise.
        app = await queries.lock_app(session, app.id)
        known = await queries.account_on_x(session, app, user.id)
        other = await _other_account(session, attempt, user)
        if other is None:
            admitted = await _admit(session, clock, policy, attempt, app, user, known)
            account = await _keep_account(session, clock, attempt, app, user, known, admitted)
            await _keep_grant(session, clock, sealer, account, pair, scope)
        elif known is not None and known.workspace_id == attempt.workspace_id:
            # X ends the older consent of whoever came instead: without the new one they would be signed out.
            await _keep_grant(session, clock, sealer, known, pair, scope)
    if other is not None:
        raise other
    return _finished(attempt, account, admitted, scope)


async def _spend(
    session: AsyncSession, clock: Clock, state: str, browser_token: str | None
) -> tuple[LoginAttempt, XApp]:
    """The sign-in with this state, from now on used up."""
    attempt = await queries.attempt_with_state(session, fingerprint(state))
    if attempt is None:
        raise errors.StateUnknown
    if attempt.browser_hash is not None and not _matches(attempt.browser_hash, browser_token):
        raise errors.OtherBrowser
    if attempt.used_at is not None:
        raise errors.StateSpent
    if attempt.expires_at <= clock.now():
        raise errors.StateExpired
    if not await queries.spend_attempt(session, attempt.id, clock.now()):
        raise errors.StateSpent
    return attempt, await queries.app_with_id(session, attempt.app_id)


def _matches(kept: str, browser_token: str | None) -> bool:
    return browser_token is not None and hmac.compare_digest(kept, fingerprint(browser_token))


def _refusal(callback: Denied) -> errors.SignInFailed:
    if callback.error == "access_denied":
        return errors.ConsentDenied()
    if callback.error == "invalid_callback":
        return errors.CallbackBroken("its code or its state is missing")
    # Only a word in OAuth's alphabet is repeated to people; anything else may be written by a stranger.
    return errors.ConsentDenied(
        callback.error if _OAUTH_ERROR.fullmatch(callback.error) else "no reason given"
    )


async def _exchange(
    client: XClient, deadline: float, sealer: Sealer, app: XApp, attempt: LoginAttempt, code: str
) -> TokenPair:
    verifier = sealer.open(attempt.verifier_sealed, _verifier_place(attempt.public_id, app))
    exchange = oauth2.ExchangeCode(credentials(sealer, app), code, attempt.redirect_uri, verifier)
    try:
        return (await client.send(exchange, deadline=deadline)).result
    except (GrantLost, Rejected) as error:
        raise errors.CodeRefused from error
    except AppMisconfigured as error:
        raise errors.AppBroken.because(error) from error
    except (Unreachable, Unconfirmed, RateLimited) as error:
        raise errors.XUnavailable.because(error) from error


async def _who(client: XClient, deadline: float, clock: Clock, auth: Bearer) -> XUser:
    """Whose tokens these are; asked once more, as the code behind them cannot be used again."""
    try:
        return (await client.send(Me(), auth, deadline=deadline)).result
    except (Unreachable, Unavailable):
        await clock.sleep(0.5)
    try:
        return (await client.send(Me(), auth, deadline=deadline)).result
    except (Unreachable, Unavailable, RateLimited) as error:
        raise errors.XUnavailable.because(error) from error


async def _other_account(
    session: AsyncSession, attempt: LoginAttempt, user: XUser
) -> errors.DifferentAccount | None:
    if attempt.account_id is None:
        return None
    expected = await queries.account_with_id(session, attempt.account_id)
    if expected.x_user_id == user.id:
        return None
    return errors.DifferentAccount(expected.username, user.username)


async def _admit(
    session: AsyncSession,
    clock: Clock,
    policy: SignIn,
    attempt: LoginAttempt,
    app: XApp,
    user: XUser,
    known: XAccount | None,
) -> Admitted:
    arrival = Arrival(app.kind, app.api_url, user.id, user.name)
    if attempt.person_id is not None and attempt.workspace_id is not None:
        # The role may have changed while the person was on X's page.
        require(await role_of(session, attempt.person_id, attempt.workspace_id), Action.CONNECT)
        await recognise_first(session, clock, attempt.person_id, arrival)
        return Admitted(attempt.person_id, attempt.workspace_id, frozenset({attempt.workspace_id}))
    return await admit(
        session,
        clock,
        policy,
        arrival,
        invitation_id=attempt.invitation_id,
        prefer=known.workspace_id if known else None,
    )


async def _keep_account(
    session: AsyncSession,
    clock: Clock,
    attempt: LoginAttempt,
    app: XApp,
    user: XUser,
    known: XAccount | None,
    admitted: Admitted,
) -> XAccount:
    """The account's row, made or brought up to date; its zone is the person's to change, so it stays."""
    if known is not None and known.workspace_id not in admitted.workspaces:
        raise errors.AccountTaken(user.username)
    account = known or XAccount(
        public_id=new_public_id(),
        workspace_id=admitted.workspace_id,
        x_user_id=user.id,
        zone=attempt.zone,
        created_at=clock.now(),
    )
    account.app_id = app.id
    account.username, account.name = user.username, user.name
    account.avatar_url, account.subscription_type = user.profile_image_url, user.subscription_type
    account.disconnected_at = None
    session.add(account)
    await session.flush()
    return account


async def _keep_grant(
    session: AsyncSession,
    clock: Clock,
    sealer: Sealer,
    account: XAccount,
    pair: TokenPair,
    scope: tuple[str, ...],
) -> None:
    """Replace the grant whole: X ends the older one. The generation goes on, so a refresh under way loses."""
    grant = await queries.grant_of(session, account.id)
    if grant is None:
        grant = Grant(public_id=new_public_id(), account_id=account.id, generation=0)
        session.add(grant)
    now = clock.now()
    for column, value in seal_pair(sealer, grant.public_id, account.public_id, pair, now).items():
        setattr(grant, column, value)
    grant.scope = " ".join(scope)
    grant.generation += 1
    grant.refresh_state, grant.refresh_owner, grant.refresh_until = RefreshState.IDLE, None, None
    grant.refused_since, grant.refused_at = None, None
    grant.granted_at = now
    await queries.forget_revocations(session, account.public_id)
    await session.flush()


def _finished(
    attempt: LoginAttempt, account: XAccount, admitted: Admitted, scope: tuple[str, ...]
) -> Finished:
    return Finished(
        person_id=admitted.person_id,
        workspace_id=admitted.workspace_id,
        account_id=account.id,
        account_public_id=account.public_id,
        username=account.username,
        face=LoginFace(attempt.face),
        next_path=attempt.next_path,
        signs_in=attempt.person_id is None,
        scope=" ".join(scope),
        missing_scopes=scopes.missing(scope),
        warnings=scopes.warnings(scope),
    )


def _browser_token(present: str | None) -> str:
    return present if present and _BROWSER_TOKEN.fullmatch(present) else secrets.token_urlsafe(32)


def _zone(name: str | None) -> str:
    """A zone the browser named, if it is one."""
    try:
        return zone(name or "UTC").key
    except UnknownZone:
        return "UTC"


def _verifier_place(attempt: str, app: XApp) -> Place:
    return Place(table="login_attempt", column="verifier_sealed", row=attempt, owner=app.public_id)

"""Every statement of the accounts room; none commits."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Row, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts.errors import AmbiguousHandle
from perch.accounts.grants import SealedPair
from perch.accounts.health import AccountView, Health, Tokens, judge
from perch.accounts.models import AppKind, Grant, LoginAttempt, RefreshState, XAccount, XApp
from perch.accounts.scopes import missing
from perch.people.errors import NotHere


async def app_like(session: AsyncSession, kind: str, api_url: str, client_id: str) -> XApp | None:
    """The row of exactly this app."""
    return await session.scalar(
        select(XApp).where(XApp.kind == kind, XApp.api_url == api_url, XApp.client_id == client_id)
    )


async def live_app(session: AsyncSession, api_url: str, client_id: str) -> XApp | None:
    """The operator's app."""
    return await app_like(session, AppKind.LIVE, api_url, client_id)


async def sandbox_app(session: AsyncSession) -> XApp | None:
    """The sandbox's app."""
    return await session.scalar(
        select(XApp).where(XApp.kind == AppKind.SANDBOX).order_by(XApp.id.desc()).limit(1)
    )


async def app_with_id(session: AsyncSession, app_id: int) -> XApp:
    """An app by its id."""
    return await session.get_one(XApp, app_id)


async def lock_app(session: AsyncSession, app_id: int) -> XApp:
    """The app's row, held until the end of the transaction; SQLite's only writer holds everything anyway."""
    found = await session.scalars(select(XApp).where(XApp.id == app_id).with_for_update())
    return found.one()


async def attempt_with_state(session: AsyncSession, state_hash: str) -> LoginAttempt | None:
    """The sign-in under way that has this state."""
    return await session.scalar(select(LoginAttempt).where(LoginAttempt.state_hash == state_hash))


async def spend_attempt(session: AsyncSession, attempt_id: int, now: datetime) -> bool:
    """Use a sign-in's state up; False when somebody was quicker."""
    spent = await session.scalar(
        update(LoginAttempt)
        .where(LoginAttempt.id == attempt_id, LoginAttempt.used_at.is_(None))
        .values(used_at=now)
        .returning(LoginAttempt.id)
    )
    return spent is not None


async def forget_attempts(session: AsyncSession, before: datetime) -> None:
    """Drop sign-ins that expired long ago."""
    await session.execute(delete(LoginAttempt).where(LoginAttempt.expires_at < before))


async def account_on_x(session: AsyncSession, app: XApp, x_user_id: str) -> XAccount | None:
    """The account with this id on the app's X, also when it was connected through another app there."""
    return await session.scalar(
        select(XAccount)
        .join(XApp, XApp.id == XAccount.app_id)
        .where(XApp.kind == app.kind, XApp.api_url == app.api_url, XAccount.x_user_id == x_user_id)
    )


async def account_with_id(session: AsyncSession, account_id: int) -> XAccount:
    """An account by its id."""
    return await session.get_one(XAccount, account_id)


async def grant_of(session: AsyncSession, account_id: int) -> Grant | None:
    """What the account's holder consented to."""
    return await session.scalar(select(Grant).where(Grant.account_id == account_id))


async def tokens_of(session: AsyncSession, account_id: int) -> Row[XAccount, XApp, Grant] | None:
    """An account with its app and its grant, the grant None once disconnected."""
    found = await session.execute(
        select(XAccount, XApp, Grant)
        .join(XApp, XApp.id == XAccount.app_id)
        .outerjoin(Grant, Grant.account_id == XAccount.id)
        .where(XAccount.id == account_id)
    )
    return found.one_or_none()


async def claim_refresh(session: AsyncSession, grant: Grant, owner: str, until: datetime) -> bool:
    """Become the one who refreshes this grant; False when it is not as it was read."""
    won = await session.scalar(
        update(Grant)
        .where(
            Grant.public_id == grant.public_id,
            Grant.generation == grant.generation,
            Grant.refresh_state == grant.refresh_state,
            Grant.refresh_owner.is_not_distinct_from(grant.refresh_owner),
        )
        .values(refresh_state=RefreshState.INFLIGHT, refresh_owner=owner, refresh_until=until)
        .returning(Grant.id)
    )
    return won is not None


async def settle_refresh(
    session: AsyncSession, grant: Grant, owner: str, state: RefreshState, hold_until: datetime | None
) -> None:
    """Note how a refresh ended without a pair, unless another one has taken over."""
    await session.execute(
        update(Grant)
        .where(
            Grant.public_id == grant.public_id,
            Grant.generation == grant.generation,
            Grant.refresh_owner == owner,
        )
        .values(refresh_state=state, refresh_owner=None, refresh_until=hold_until)
    )


async def store_pair(session: AsyncSession, grant: Grant, scope: str, pair: SealedPair) -> bool:
    """Replace a grant's pair by its successor; False when it has another successor already.

    Whoever holds the pair may store it, also after its lease: the older refresh token is spent either way.
    """
    stored = await session.scalar(
        update(Grant)
        .where(Grant.public_id == grant.public_id, Grant.generation == grant.generation)
        .values(
            **pair,
            scope=scope,
            generation=grant.generation + 1,
            refresh_state=RefreshState.IDLE,
            refresh_owner=None,
            refresh_until=None,
        )
        .returning(Grant.id)
    )
    return stored is not None


async def wipe_grant(session: AsyncSession, account_id: int, now: datetime) -> None:
    """Forget an account's tokens; the account and its posts stay."""
    await session.execute(delete(Grant).where(Grant.account_id == account_id))
    await session.execute(update(XAccount).where(XAccount.id == account_id).values(disconnected_at=now))


async def take_lane(
    session: AsyncSession, account_id: int, worker: str, now: datetime, until: datetime
) -> int | None:
    """The new fence, None while the lane is held."""
    return await session.scalar(
        update(XAccount)
        .where(XAccount.id == account_id, or_(XAccount.lane_until.is_(None), XAccount.lane_until <= now))
        .values(lane_owner=worker, lane_until=until, fence=XAccount.fence + 1)
        .returning(XAccount.fence)
    )


async def renew_lane(session: AsyncSession, account_id: int, fence: int, until: datetime) -> bool:
    """Whether the lane was still held under this fence."""
    held = await session.scalar(
        update(XAccount)
        .where(XAccount.id == account_id, XAccount.fence == fence, XAccount.lane_until.is_not(None))
        .values(lane_until=until)
        .returning(XAccount.id)
    )
    return held is not None


async def drop_lane(session: AsyncSession, account_id: int, fence: int) -> None:
    """Free the lane if it is still held under this fence."""
    await session.execute(
        update(XAccount)
        .where(XAccount.id == account_id, XAccount.fence == fence)
        .values(lane_owner=None, lane_until=None)
    )


async def void_lanes(session: AsyncSession) -> None:
    """Free every lane."""
    await session.execute(
        update(XAccount).where(XAccount.lane_until.is_not(None)).values(lane_owner=None, lane_until=None)
    )


async def account_named(session: AsyncSession, workspace_id: int, name: str) -> XAccount:
    """An account of this workspace by public id or ``@handle``. Raises NotHere, AmbiguousHandle."""
    by_id = XAccount.public_id == name
    by_handle = func.lower(XAccount.username) == name.removeprefix("@").lower()
    wanted = by_handle if name.startswith("@") else or_(by_id, by_handle)
    found = (
        await session.scalars(select(XAccount).where(XAccount.workspace_id == workspace_id, wanted))
    ).all()
    exact = [account for account in found if account.public_id == name] or list(found)
    if not exact:
        raise NotHere(f"There is no account {name} in this workspace.", fix="Look at the list of accounts.")
    if len(exact) > 1:
        ids = ", ".join(account.public_id for account in exact)
        raise AmbiguousHandle(f"Several accounts here are called {name}.", fix=f"Name one by its id: {ids}.")
    return exact[0]


async def accounts_of(session: AsyncSession, workspace_id: int, now: datetime) -> Sequence[AccountView]:
    """The accounts of a workspace with the health of their tokens, in the order they were connected."""
    found = await session.execute(
        select(XAccount, XApp, Grant)
        .join(XApp, XApp.id == XAccount.app_id)
        .outerjoin(Grant, Grant.account_id == XAccount.id)
        .where(XAccount.workspace_id == workspace_id)
        .order_by(XAccount.id)
    )
    return [_view(account, app, grant, now) for account, app, grant in found]


def _view(account: XAccount, app: XApp, grant: Grant | None, now: datetime) -> AccountView:
    scope = tuple(grant.scope.split()) if grant else ()
    return AccountView(
        id=account.id,
        public_id=account.public_id,
        x_user_id=account.x_user_id,
        username=account.username,
        name=account.name,
        avatar_url=account.avatar_url,
        subscription_type=account.subscription_type,
        app_kind=AppKind(app.kind),
        zone=account.zone,
        scope=scope,
        missing_scopes=missing(scope) if grant else (),
        health=judge(_tokens(grant), now) if grant else Health.DISCONNECTED,
        granted_at=grant.granted_at if grant else None,
        expires_at=grant.expires_at if grant else None,
        connected_at=account.created_at,
        disconnected_at=account.disconnected_at,
        paused_reason=account.paused_reason,
        paused_until=account.paused_until,
    )


def _tokens(grant: Grant) -> Tokens:
    return Tokens(
        refreshable=grant.refresh_token_sealed is not None,
        expires_at=grant.expires_at,
        state=RefreshState(grant.refresh_state),
    )

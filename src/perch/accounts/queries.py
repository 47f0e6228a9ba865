"""Every statement of the accounts room; none commits."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts.errors import AmbiguousHandle
from perch.accounts.grants import Held
from perch.accounts.health import AccountView, Health, Tokens, judge
from perch.accounts.models import AppKind, Grant, LoginAttempt, RefreshState, Revocation, XAccount, XApp
from perch.accounts.scopes import missing
from perch.db import UtcDateTime, table_of
from perch.db.among import among, given, listed
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


async def has_live_accounts(session: AsyncSession) -> bool:
    """Whether an account of X itself is connected, and not only of the sandbox."""
    connected = (
        select(XAccount.id)
        .join(XApp, XApp.id == XAccount.app_id)
        .where(XApp.kind == AppKind.LIVE, XAccount.disconnected_at.is_(None))
    )
    return bool(await session.scalar(select(connected.exists())))


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


async def grants_held(
    session: AsyncSession, account_ids: Collection[int], expiring_by: datetime | None = None
) -> list[Held]:
    """The grants of these accounts, or those of them whose access token ends by then.

    An account that was disconnected has none.
    """
    ending = () if expiring_by is None else (Grant.expires_at <= expiring_by,)
    found = await session.execute(
        select(
            XAccount.id, XAccount.public_id, XAccount.username, XAccount.x_user_id, XApp,
            Grant.public_id, Grant.scope, Grant.access_token_sealed, Grant.refresh_token_sealed,
            Grant.expires_at, Grant.rotated_at, Grant.generation, Grant.refresh_state,
            Grant.refresh_owner, Grant.refresh_until, Grant.refused_since, Grant.refused_at,
        )
        .join(XApp, XApp.id == XAccount.app_id)
        .join(Grant, Grant.account_id == XAccount.id)
        .where(XAccount.id.in_(account_ids), *ending)
    )  # fmt: skip
    rows: Sequence[Sequence[Any]] = found.all()
    return [Held(*row) for row in rows]


async def idle_grants(session: AsyncSession, before: datetime, now: datetime, limit: int) -> Sequence[int]:
    """Accounts whose pair nobody has renewed since ``before``, the longest idle first.

    One for which X was asked in vain is left alone for an hour.
    """
    found = await session.scalars(
        select(Grant.account_id)
        .where(
            Grant.rotated_at < before,
            Grant.refresh_token_sealed.is_not(None),
            Grant.refresh_state != RefreshState.DEAD,
            or_(Grant.refresh_until.is_(None), Grant.refresh_until < now - timedelta(hours=1)),
        )
        .order_by(Grant.rotated_at)
        .limit(limit)
    )
    return found.all()


async def abandon_refreshes(session: AsyncSession) -> None:
    """Refreshes under way have lost their process: what X answered them is unknown."""
    await session.execute(
        update(Grant)
        .where(Grant.refresh_state == RefreshState.INFLIGHT)
        .values(refresh_state=RefreshState.UNKNOWN, refresh_owner=None, refresh_until=None)
    )


async def wipe_grant(session: AsyncSession, account_id: int, now: datetime) -> None:
    """Forget an account's tokens; the account and its posts stay."""
    await session.execute(delete(Grant).where(Grant.account_id == account_id))
    await session.execute(update(XAccount).where(XAccount.id == account_id).values(disconnected_at=now))


async def without_grant(session: AsyncSession, account_ids: Collection[int]) -> set[int]:
    """Those of the accounts that were disconnected."""
    found = await session.scalars(
        select(XAccount.id)
        .outerjoin(Grant, Grant.account_id == XAccount.id)
        .where(XAccount.id.in_(account_ids), Grant.id.is_(None))
    )
    return set(found)


async def queue_revocations(session: AsyncSession, rows: Sequence[dict[str, object]]) -> None:
    """Tokens to be revoked on X."""
    if rows:
        await session.execute(insert(Revocation), rows)


async def revocations_of(session: AsyncSession, account: str) -> Sequence[tuple[Revocation, XApp]]:
    """What waits for one account, by its public id."""
    return await _revocations(session, Revocation.account_public_id == account)


async def revocations_due(
    session: AsyncSession, now: datetime, limit: int
) -> Sequence[tuple[Revocation, XApp]]:
    """What is to be tried again by now."""
    return await _revocations(session, Revocation.try_at <= now, limit)


async def _revocations(
    session: AsyncSession, wanted: ColumnElement[bool], limit: int | None = None
) -> Sequence[tuple[Revocation, XApp]]:
    found = await session.execute(
        select(Revocation, XApp)
        .join(XApp, XApp.id == Revocation.app_id)
        .where(wanted)
        .order_by(Revocation.id)
        .limit(limit)
    )
    return [(revocation, app) for revocation, app in found]


async def put_off_revocation(session: AsyncSession, revocation_id: int, try_at: datetime) -> None:
    """One more try in vain."""
    await session.execute(
        update(Revocation)
        .where(Revocation.id == revocation_id)
        .values(tries=Revocation.tries + 1, try_at=try_at)
    )


async def drop_revocation(session: AsyncSession, revocation_id: int) -> None:
    """X has confirmed it, or never will."""
    await session.execute(delete(Revocation).where(Revocation.id == revocation_id))


async def forget_revocations(session: AsyncSession, account: str) -> None:
    """A new consent has ended what waits for this account; ending it now could end the new one."""
    await session.execute(delete(Revocation).where(Revocation.account_public_id == account))


async def take_lanes(
    session: AsyncSession,
    account_ids: Collection[int],
    wanted: ColumnElement[bool],
    moment: Mapping[str, object],
    *,
    worker: str,
    now: datetime,
    until: datetime,
) -> dict[int, int]:
    """The new fence of each lane that was free and wanted. Locked by id, so that workers never cross.

    ``moment`` holds what ``wanted`` is to be asked with.
    """
    found = await session.execute(
        _free_lanes(wanted), {**moment, "accounts": listed(account_ids), "free_by": now}
    )
    fences = {account_id: fence + 1 for account_id, fence in found}
    if fences:
        await session.execute(
            _TAKE,
            {"taken": listed(fences), "worker": worker, "until": until},
            execution_options={"synchronize_session": False},
        )
    return fences


@lru_cache
def _free_lanes(wanted: ColumnElement[bool]) -> Select[int, int]:
    free_by = bindparam("free_by", type_=UtcDateTime())
    free = or_(XAccount.lane_until.is_(None), XAccount.lane_until <= free_by)
    return (
        select(XAccount.id, XAccount.fence)
        .where(among(XAccount.id, given("accounts")), free, wanted)
        .order_by(XAccount.id)
        .with_for_update(of=XAccount, key_share=True)
    )


_TAKE = (
    update(XAccount)
    .where(among(XAccount.id, given("taken")))
    .values(lane_owner=bindparam("worker"), lane_until=bindparam("until"), fence=XAccount.fence + 1)
)


async def lanes_of(session: AsyncSession, worker: str) -> list[tuple[int, int]]:
    """(account, fence) of the lanes that a worker has in the rows."""
    held = await session.execute(select(XAccount.id, XAccount.fence).where(XAccount.lane_owner == worker))
    return [(account_id, fence) for account_id, fence in held]


async def renew_lanes(session: AsyncSession, lanes: Collection[tuple[int, int, datetime]]) -> None:
    """Give (account, fence, until) of lanes that are still held under this fence their new end."""
    rows = [
        {"_id": account_id, "_fence": fence, "until": until} for account_id, fence, until in sorted(lanes)
    ]
    await (await session.connection()).execute(_RENEW, rows)


async def drop_lanes(session: AsyncSession, lanes: Collection[tuple[int, int]]) -> None:
    """Free (account, fence) of lanes that are still held under this fence."""
    rows = [{"_id": account_id, "_fence": fence} for account_id, fence in sorted(lanes)]
    await (await session.connection()).execute(_DROP, rows)


_LANES = table_of(XAccount)
_HELD = and_(_LANES.c.id == bindparam("_id"), _LANES.c.fence == bindparam("_fence"))
_RENEW = update(_LANES).where(_HELD, _LANES.c.lane_until.is_not(None)).values(lane_until=bindparam("until"))
_DROP = update(_LANES).where(_HELD).values(lane_owner=None, lane_until=None)


async def renew_lane(session: AsyncSession, account_id: int, fence: int, until: datetime) -> bool:
    """Whether the lane was still held under this fence."""
    held = await session.scalar(
        update(XAccount)
        .where(XAccount.id == account_id, XAccount.fence == fence, XAccount.lane_until.is_not(None))
        .values(lane_until=until)
        .returning(XAccount.id)
    )
    return held is not None


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
        missed_policy=account.missed_policy,
        scope=scope,
        missing_scopes=missing(scope) if grant else (),
        health=judge(_tokens(grant), now) if grant else Health.DISCONNECTED,
        granted_at=grant.granted_at if grant else None,
        expires_at=grant.expires_at if grant else None,
        connected_at=account.created_at,
        disconnected_at=account.disconnected_at,
        paused_reason=account.paused_reason or app.paused_reason,
        rests_until=max(filter(None, (account.rests_until, app.rests_until)), default=None),
    )


def _tokens(grant: Grant) -> Tokens:
    return Tokens(
        refreshable=grant.refresh_token_sealed is not None,
        expires_at=grant.expires_at,
        state=RefreshState(grant.refresh_state),
        rotated_at=grant.rotated_at,
        refused_since=grant.refused_since,
        refused_at=grant.refused_at,
    )

"""Disconnecting an account: its tokens are wiped here first, and then revoked on X as far as X answers."""

from dataclasses import dataclass

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts import queries
from perch.accounts.apps import credentials
from perch.accounts.clients import XClients
from perch.accounts.grants import open_access, open_refresh
from perch.accounts.models import Grant, XAccount, XApp
from perch.clock import Clock
from perch.db import Transactions
from perch.people.queries import revoke_tokens_of_account
from perch.seal import SealBroken, Sealer
from perch.x.errors import XError
from perch.x.oauth2 import RevokeToken

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Disconnected:
    """An account without tokens. ``revoked`` says whether X confirmed that they are worthless."""

    account_id: int
    username: str
    revoked: bool


async def disconnect(
    transactions: Transactions, clock: Clock, sealer: Sealer, clients: XClients, workspace_id: int, name: str
) -> Disconnected:
    """Wipe an account's tokens, by public id or ``@handle``; account and posts stay. Raises NotHere.

    Perch's own tokens that speak for this one account end with it.
    """
    async with transactions() as session:
        account = await queries.account_named(session, workspace_id, name)
        app = await queries.app_with_id(session, account.app_id)
        revocations = await _revocations(session, sealer, account, app)
        await queries.wipe_grant(session, account.id, clock.now())
        await revoke_tokens_of_account(session, account.id, clock.now())
    revoked = await _revoke(clients, app, account, revocations)
    return Disconnected(account.id, account.username, revoked)


async def _revocations(
    session: AsyncSession, sealer: Sealer, account: XAccount, app: XApp
) -> list[RevokeToken]:
    """The refresh token first: it is the one that lives for months."""
    grant = await queries.grant_of(session, account.id)
    if grant is None:
        return []
    try:
        return _in_order(sealer, grant, account, app)
    except SealBroken:
        return []  # what cannot be opened can still be wiped


def _in_order(sealer: Sealer, grant: Grant, account: XAccount, app: XApp) -> list[RevokeToken]:
    client = credentials(sealer, app)
    access = open_access(sealer, grant.public_id, account.public_id, grant.access_token_sealed).token
    revocations = [RevokeToken(client, access, "access_token")]
    if grant.refresh_token_sealed is not None:
        refresh = open_refresh(sealer, grant.public_id, account.public_id, grant.refresh_token_sealed)
        revocations.insert(0, RevokeToken(client, refresh))
    return revocations


async def _revoke(clients: XClients, app: XApp, account: XAccount, revocations: list[RevokeToken]) -> bool:
    confirmed = 0
    for revocation in revocations:
        try:
            await clients.for_app(app).send(revocation, deadline=clients.deadline)
        except XError as error:
            log.warning("token_not_revoked", account=account.public_id, error=error.code)
        else:
            confirmed += 1
    return bool(revocations) and confirmed == len(revocations)

"""Disconnecting an account: its tokens are wiped here first, and then revoked on X until X confirms."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts import queries, revoking
from perch.accounts.clients import XClients
from perch.accounts.grants import open_access, open_refresh
from perch.accounts.models import XAccount
from perch.accounts.revoking import Worthless
from perch.clock import Clock
from perch.db import Transactions
from perch.people.queries import revoke_tokens_of_account
from perch.seal import SealBroken, Sealer


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

    Perch's own tokens that speak for this one account end with it. What X does not confirm at once stays
    queued.
    """
    async with transactions() as session:
        account = await queries.account_named(session, workspace_id, name)
        tokens = await _tokens(session, sealer, account)
        waiting = revoking.rows(sealer, clock.now(), account.app_id, account.public_id, tokens)
        await queries.queue_revocations(session, waiting)
        await queries.wipe_grant(session, account.id, clock.now())
        await revoke_tokens_of_account(session, account.id, clock.now())
    revoked = await revoking.attempt(transactions, clock, sealer, clients, account.public_id)
    return Disconnected(account.id, account.username, revoked)


async def _tokens(session: AsyncSession, sealer: Sealer, account: XAccount) -> list[Worthless]:
    """What cannot be opened can still be wiped."""
    grant = await queries.grant_of(session, account.id)
    if grant is None:
        return []
    row, owner, refresh = grant.public_id, account.public_id, grant.refresh_token_sealed
    try:
        access = open_access(sealer, row, owner, grant.access_token_sealed).token
        kept = [open_refresh(sealer, row, owner, refresh)] if refresh is not None else []
    except SealBroken:
        return []
    return [*(Worthless(token, revoking.REFRESH) for token in kept), Worthless(access, revoking.ACCESS)]

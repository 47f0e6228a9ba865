"""One of several processes that renew the same few grants as hard as they can; says what it saw as JSON.

Each lane ages a grant and then asks for a token, as often as all processes together have renewals to do.
Configured by one JSON object as its argument: ``database``, ``key``, ``accounts``, ``renewals``, ``lanes``.
"""

import asyncio
import json
import random
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError

from perch import logs
from perch.accounts.clients import XClients
from perch.accounts.models import Grant, RefreshState
from perch.accounts.refreshing import Refresher
from perch.accounts.tokens import Keyring
from perch.clock import SystemClock
from perch.db import Database
from perch.errors import PerchError
from perch.jobs import Committer
from perch.seal import Sealer
from perch.settings import Settings
from perch.x.client import open_session


@dataclass(frozen=True, slots=True)
class Hammer:
    """A process' keyring, and how hard to use it."""

    keyring: Keyring
    accounts: list[int]
    renewals: int
    seen: Counter[str]

    async def lane(self) -> None:
        while await self._renewed() < self.renewals:
            account_id = random.choice(self.accounts)
            try:
                await self._age(account_id)
                await self.keyring.client_for(account_id)
                self.seen["opened"] += 1
            except PerchError as error:
                self.seen[error.code] += 1
            except SQLAlchemyError as error:
                self.seen[type(error).__name__] += 1  # a file that eight processes write is busy at times

    async def _renewed(self) -> int:
        async with self.keyring.db.read() as session:
            return await session.scalar(select(func.sum(Grant.generation - 1))) or 0

    async def _age(self, account_id: int) -> None:
        """From now on its access token is as good as expired."""
        async with self.keyring.db.write() as session:
            await session.execute(
                update(Grant)
                .where(Grant.account_id == account_id, Grant.refresh_state == RefreshState.IDLE)
                .values(expires_at=self.keyring.refresher.clock.now())
            )


async def _hammer(asked: dict[str, Any]) -> dict[str, int]:
    db, clock = Database(asked["database"]), SystemClock()
    clients = XClients(open_session(), deadline=30.0)
    refresher = Refresher(clock, Sealer(asked["key"]), clients, Committer(db.write))
    hammer = Hammer(Keyring(db, refresher), asked["accounts"], asked["renewals"], Counter())
    try:
        await asyncio.gather(*(hammer.lane() for _ in range(asked["lanes"])))
    finally:
        await clients.close()
        await db.close()
    return dict(hammer.seen)


if __name__ == "__main__":
    logs.configure(Settings(_env_file=None, log_level="warning"))  # type: ignore[call-arg]
    print(json.dumps(asyncio.run(_hammer(json.loads(sys.argv[1])))))

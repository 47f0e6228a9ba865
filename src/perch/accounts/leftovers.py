"""Lanes that this process holds in the rows and not in fact: the database was away when they were dropped.

Nobody could use them before their lease ends. They are freed under the fence they were taken with, so that
one which was taken anew meanwhile is left alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

from perch.accounts import queries
from perch.db import Database


@dataclass(frozen=True, slots=True)
class Leftovers:
    """``is_ours``: this process is at work in an account's lane."""

    db: Database
    worker: str
    is_ours: Callable[[int], bool]

    async def sweep(self) -> None:
        async with self.db.read() as session:
            held = await queries.lanes_of(session, self.worker)
        left = [(account_id, fence) for account_id, fence in held if not self.is_ours(account_id)]
        if left:
            async with self.db.write() as session:
                await queries.drop_lanes(session, left)

"""Commands that work beside a running Perch: the same database, short transactions, the owner's rights."""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from perch import folder, logs, wiring
from perch.accounts.health import AccountView
from perch.accounts.queries import accounts_of
from perch.errors import PerchError
from perch.jobs import waking
from perch.people.queries import workspace_ids
from perch.settings import Settings
from perch.wiring import Perch


class WhichAccount(PerchError):
    """The command needs to know which account is meant."""

    code = "which_account"


@asynccontextmanager
async def open_perch(settings: Settings) -> AsyncIterator[Perch]:
    """The database as ``perch up`` left it. Raises OldDatabase."""
    logs.configure(settings)
    logging.getLogger().setLevel(logging.ERROR)
    async with wiring.assemble(settings) as perch:
        await wiring.require_current(perch)
        yield perch


async def every_account(perch: Perch) -> list[tuple[int, AccountView]]:
    """Each connected account with its workspace."""
    found: list[tuple[int, AccountView]] = []
    async with perch.db.read() as session:
        for workspace_id in await workspace_ids(session):
            accounts = await accounts_of(session, workspace_id, perch.clock.now())
            found += [(workspace_id, account) for account in accounts]
    return found


async def choose_account(perch: Perch, name: str | None) -> tuple[int, AccountView]:
    """The account meant, or the only one. Raises WhichAccount."""
    connected = [
        (home, account) for home, account in await every_account(perch) if account.disconnected_at is None
    ]
    wanted = [pair for pair in connected if name is None or _is_called(pair[1], name)]
    if len(wanted) == 1:
        return wanted[0]
    if not connected:
        raise WhichAccount("No X account is connected.", fix="Run perch login, or sign in on the web page.")
    known = ", ".join(f"@{account.username}" for _, account in connected)
    if not wanted:
        raise WhichAccount(f"No account is called {name}.", fix=f"Connected: {known}.")
    raise WhichAccount("Several accounts fit.", fix=f"Add --account with one of {known}, or an id.")


async def dispatch(perch: Perch, account_id: int) -> None:
    """Let the running Perch send what is due; where none runs on this folder, send it from here."""
    if not perch.settings.is_sqlite or waking.poke(perch.settings.data_dir / folder.WAKE_FILE):
        return
    try:
        lock = folder.lock(perch.settings.data_dir, f"process {os.getpid()}, posting")
    except folder.FolderTaken:
        return  # it owns the folder but has no socket: its sweep finds the post within seconds
    try:
        await wiring.take_over(perch)
        await perch.publisher.drain(str(account_id))
    finally:
        lock.release()


def _is_called(account: AccountView, name: str) -> bool:
    return name == account.public_id or name.removeprefix("@").lower() == account.username.lower()

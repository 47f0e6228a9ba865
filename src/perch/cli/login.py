"""``perch login``: connect an X account from a terminal, also on a machine without a browser."""

import asyncio
import sys
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

from sqlalchemy.ext.asyncio import AsyncSession

from perch import wiring
from perch.accounts import callbacks, connecting
from perch.accounts.apps import app_for_sign_in
from perch.accounts.connecting import Requester
from perch.accounts.health import AccountView
from perch.accounts.models import AppKind, LoginFace, XApp
from perch.cli.beside import every_account, open_perch
from perch.cli.output import say, say_json
from perch.errors import PerchError
from perch.people.queries import owner_from
from perch.settings import Settings
from perch.wiring import Perch

_LOOK_EVERY = 0.3  # seconds


class NothingPasted(PerchError):
    """The terminal was closed before the address came."""

    code = "nothing_pasted"


async def run(settings: Settings, *, on_sandbox: bool, as_json: bool) -> None:
    """Print where to go, then connect by the address that is pasted, or see that a running Perch did."""
    async with open_perch(settings) as perch:
        await wiring.prepare_apps(perch)  # the app may be younger than the last start of Perch
        kind = AppKind.SANDBOX if on_sandbox else None
        begun_at = perch.clock.now()
        async with perch.db.write() as session:
            app = await app_for_sign_in(session, settings, kind)
            begun = await connecting.begin(
                session, perch.clock, perch.sealer, app,
                face=LoginFace.TERMINAL, redirect_uri=settings.callback_url,
                requester=await _owner(session, app),
            )  # fmt: skip
        _explain(begun.authorize_url)
        ways = (_by_paste(perch), _by_browser(perch, begun_at))
        account = await _first([asyncio.ensure_future(way) for way in ways])
    if as_json:
        connected = {"id": account.public_id, "username": account.username}
        say_json({**connected, "missing_scopes": list(account.missing_scopes)})
    else:
        say(f"@{account.username} is connected.", *account.warnings)


async def _owner(session: AsyncSession, app: XApp) -> Requester | None:
    """Whoever is at the keyboard acts as the owner; before there is one, the first sign-in makes one."""
    owner = await owner_from(session, app.kind)
    return Requester(owner.person_id, owner.workspace_id) if owner else None


def _explain(authorize_url: str) -> None:
    sys.stderr.write(
        f"Open this address in any browser, on any machine, and allow Perch:\n\n{authorize_url}\n\n"
        "If Perch runs here, that is all. If the browser ends on an error page instead, copy\n"
        "its whole address and paste it here within 30 seconds: "
    )
    sys.stderr.flush()


async def _by_paste(perch: Perch) -> AccountView:
    address = (await _line()).strip()
    if not address:
        raise NothingPasted("Nothing was pasted, so nothing was connected.", fix="Run perch login again.")
    callback = callbacks.read(parse_qsl(urlsplit(address).query, keep_blank_values=True))
    finished = await connecting.finish(
        perch.db.write, perch.clock, perch.sealer, perch.clients, perch.settings.sign_in, callback, None
    )
    return next(view for _, view in await every_account(perch) if view.id == finished.account_id)


async def _by_browser(perch: Perch, begun_at: datetime) -> AccountView:
    """The account that a running Perch connects when the browser comes back to it."""
    while True:
        await perch.clock.sleep(_LOOK_EVERY)
        for _, account in await every_account(perch):
            if account.granted_at and account.granted_at >= begun_at:
                return account


async def _first(ways: list["asyncio.Future[AccountView]"]) -> AccountView:
    done, others = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    for other in others:
        other.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    return done.pop().result()


async def _line() -> str:
    """A line of standard input, waited for without a thread that would outlive the command."""
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        if not line.done():
            line.set_result(sys.stdin.readline())

    try:
        loop.add_reader(sys.stdin, read)
    except PermissionError:
        return sys.stdin.readline()  # a file: it never makes anybody wait
    try:
        return await line
    finally:
        loop.remove_reader(sys.stdin)

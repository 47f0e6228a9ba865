"""``perch login``: connect an X account from a terminal, also on a machine without a browser."""

import asyncio
import sys
from urllib.parse import parse_qsl, urlsplit

from perch.accounts import callbacks, connecting
from perch.accounts.apps import app_for_sign_in
from perch.accounts.connecting import Finished
from perch.accounts.models import AppKind, LoginFace
from perch.cli.beside import open_perch
from perch.cli.output import say, say_json
from perch.errors import PerchError
from perch.settings import Settings
from perch.wiring import Perch


class NothingPasted(PerchError):
    """The terminal was closed before the address came."""

    code = "nothing_pasted"


async def run(settings: Settings, *, on_sandbox: bool, as_json: bool) -> None:
    """Print where to go, wait for the address that X comes back to, and connect."""
    async with open_perch(settings) as perch:
        kind = AppKind.SANDBOX if on_sandbox else None
        async with perch.db.write() as session:
            app = await app_for_sign_in(session, settings, kind)
            begun = await connecting.begin(
                session, perch.clock, perch.sealer, app,
                face=LoginFace.TERMINAL, redirect_uri=settings.callback_url,
            )  # fmt: skip
        finished = await _connect(perch, await _address(begun.authorize_url))
    if as_json:
        connected = {"id": finished.account_public_id, "username": finished.username}
        say_json({**connected, "missing_scopes": list(finished.missing_scopes)})
    else:
        say(f"@{finished.username} is connected.", *finished.warnings)


async def _address(authorize_url: str) -> str:
    sys.stderr.write(
        f"Open this address in any browser, on any machine, and allow Perch:\n\n{authorize_url}\n\n"
        "The browser then goes to an address that begins with your Perch's own; it may show an error.\n"
        "Copy that whole address and paste it here within 30 seconds: "
    )
    sys.stderr.flush()
    line: str = await asyncio.to_thread(sys.stdin.readline)
    address = line.strip()
    if not address:
        raise NothingPasted("Nothing was pasted, so nothing was connected.", fix="Run perch login again.")
    return address


async def _connect(perch: Perch, address: str) -> Finished:
    callback = callbacks.read(parse_qsl(urlsplit(address).query, keep_blank_values=True))
    return await connecting.finish(
        perch.db.write, perch.clock, perch.sealer, perch.clients, perch.settings.sign_in, callback, None
    )

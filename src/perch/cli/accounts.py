"""``perch accounts``."""

from datetime import datetime

from perch.accounts.health import AccountView
from perch.cli.beside import every_account, open_perch
from perch.cli.output import say, say_json, say_table
from perch.settings import Settings


async def run(settings: Settings, *, as_json: bool) -> None:
    """One line an account."""
    async with open_perch(settings) as perch:
        accounts = [account for _, account in await every_account(perch)]
        now = perch.clock.now()
    if as_json:
        say_json([_for_machines(account) for account in accounts])
    elif accounts:
        titles = ("account", "where", "login", "sends", "lacks", "id")
        say_table(titles, [_row(account, now) for account in accounts])
    else:
        say("No X account is connected. Run perch login, or sign in on the web page.")


def _row(account: AccountView, now: datetime) -> tuple[str, ...]:
    lacks = ", ".join(account.missing_scopes) or "nothing"
    sends = _sends(account, now)
    return f"@{account.username}", account.app_kind, account.health, sends, lacks, account.public_id


def _sends(account: AccountView, now: datetime) -> str:
    if account.paused_reason:
        return f"paused: {account.paused_reason}"
    if account.rests_until and account.rests_until > now:
        return f"rests until {account.rests_until:%Y-%m-%d %H:%M} UTC"
    return "yes"


def _for_machines(account: AccountView) -> dict[str, object]:
    return {
        "id": account.public_id,
        "username": account.username,
        "name": account.name,
        "x": account.app_kind,
        "health": account.health,
        "missing_scopes": list(account.missing_scopes),
        "zone": account.zone,
        "paused": account.paused_reason,
        "rests_until": account.rests_until.isoformat() if account.rests_until else None,
    }

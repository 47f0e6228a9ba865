"""``perch accounts``."""

from perch.accounts.health import AccountView
from perch.cli.beside import every_account, open_perch
from perch.cli.output import say, say_json, say_table
from perch.settings import Settings


async def run(settings: Settings, *, as_json: bool) -> None:
    """One line an account."""
    async with open_perch(settings) as perch:
        accounts = [account for _, account in await every_account(perch)]
    if as_json:
        say_json([_for_machines(account) for account in accounts])
    elif accounts:
        say_table(("account", "where", "login", "lacks", "id"), [_row(account) for account in accounts])
    else:
        say("No X account is connected. Run perch login, or sign in on the web page.")


def _row(account: AccountView) -> tuple[str, ...]:
    lacks = ", ".join(account.missing_scopes) or "nothing"
    return f"@{account.username}", account.app_kind, account.health, lacks, account.public_id


def _for_machines(account: AccountView) -> dict[str, object]:
    return {
        "id": account.public_id,
        "username": account.username,
        "name": account.name,
        "x": account.app_kind,
        "health": account.health,
        "missing_scopes": list(account.missing_scopes),
        "zone": account.zone,
    }

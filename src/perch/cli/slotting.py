"""``perch slots``: the weekly slots of an account, its zone, and what becomes of its late posts."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts import preferring
from perch.accounts.models import XAccount
from perch.cli.beside import choose_account, open_perch
from perch.cli.output import say, say_json
from perch.posts import slots
from perch.settings import Settings


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be different; None leaves it."""

    account: str | None
    slots: str | None
    zone: str | None
    late: str | None


async def run(settings: Settings, wish: Wish, *, as_json: bool) -> None:
    """Changes what is given, and shows how it is."""
    async with open_perch(settings) as perch:
        _, chosen = await choose_account(perch, wish.account)
        async with perch.db.write() as session:
            account = await session.get_one(XAccount, chosen.id)
            await preferring.prefer(session, account, zone_name=wish.zone, missed=wish.late)
            if wish.slots is not None:
                await slots.replace(session, account.id, slots.parse(wish.slots))
            await _show(session, account, as_json=as_json)


async def _show(session: AsyncSession, account: XAccount, *, as_json: bool) -> None:
    words = slots.show(await slots.of_account(session, account.id))
    if as_json:
        say_json({
            "account": f"@{account.username}", "slots": words, "zone": account.zone,
            "missed_policy": account.missed_policy,
        })  # fmt: skip
        return
    say(f"@{account.username}: {words or 'no slots'}, times in {account.zone}.")
    late = "go out late, after six hours they ask" if account.missed_policy == "send" else "ask"
    say(f"Posts that could not go out in time {late}.")

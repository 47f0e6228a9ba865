"""What an account's people prefer: the zone of its wall clock, and what becomes of posts that are late."""

from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts.errors import WrongPreference
from perch.accounts.models import MissedPolicy, XAccount
from perch.clock import zone


async def prefer(
    session: AsyncSession, account: XAccount, *, zone_name: str | None = None, missed: str | None = None
) -> None:
    """Change what is given. Posts that are scheduled keep their time. Raises UnknownZone, WrongPreference."""
    if zone_name is not None:
        account.zone = zone(zone_name).key
    if missed is not None:
        if missed not in tuple(MissedPolicy):
            raise WrongPreference(f"Late posts cannot be {missed[:20]!r}.", fix="Say send or ask.")
        account.missed_policy = missed
    await session.flush()

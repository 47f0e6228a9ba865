"""People say what is to be seen, for those who cannot see it."""

from sqlalchemy.ext.asyncio import AsyncSession

from perch.media import queries
from perch.media.errors import AltTextTooLong, MediaUnknown
from perch.media.limits import LONGEST_ALT_TEXT
from perch.media.models import Asset


async def describe(session: AsyncSession, workspace_id: int, public_id: str, alt_text: str) -> Asset:
    """Set an asset's alternative text; an empty one takes it away. Raises AltTextTooLong and MediaUnknown."""
    described = check_alt_text(alt_text)
    asset = await queries.asset_by_public_id(session, workspace_id, public_id)
    if asset is None:
        raise MediaUnknown("There is no such media in this workspace.")
    asset.alt_text = described
    await session.flush()
    return asset


def check_alt_text(alt_text: str) -> str:
    """The text without outer blanks. Raises AltTextTooLong."""
    stripped = alt_text.strip()
    if len(stripped) > LONGEST_ALT_TEXT:
        raise AltTextTooLong(
            f"The description has {len(stripped)} characters; X takes {LONGEST_ALT_TEXT}.",
            fix="Shorten it.",
            rule="M007",
        )
    return stripped

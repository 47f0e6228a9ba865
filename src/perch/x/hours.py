"""What time it is at X, whatever else X answers."""

from datetime import datetime

from perch.x.client import XClient
from perch.x.errors import XError
from perch.x.users import Me


async def their_time(client: XClient, deadline: float) -> datetime | None:
    """The ``Date`` of an answer, or None when there is none (RFC 9110 section 6.6.1).

    Asked without a token, X says no; that costs nothing, and says the time.
    """
    try:
        return (await client.send(Me(), deadline=deadline)).head.date
    except XError as error:
        return error.head.date if error.head else None

"""How a sign-in that was begun by a program ends: in JSON, never in a cookie or a session.

The shapes are the small JSON contract of custom GPTs, see docs/custom-gpts.md.
"""

from datetime import UTC, datetime

from fastapi.responses import JSONResponse

from perch.accounts.connecting import Finished
from perch.people import tokens
from perch.people.models import TokenKind
from perch.people.tokens import Scope
from perch.wiring import Perch

SAID = "Authentication successful!"


async def answer_json(perch: Perch, finished: Finished) -> JSONResponse:
    """A token of Perch's own for the X account that has just consented; X's tokens stay inside.

    ``scope`` tells what X granted. The consent on X's page was for posting, so the token may publish.
    """
    async with perch.db.write() as session:
        issued = await tokens.issue(
            session,
            perch.clock,
            TokenKind.GPT,
            person_id=finished.person_id,
            workspace_id=finished.workspace_id,
            name=f"custom GPT for @{finished.username}",
            scopes=[Scope.PUBLISH_DIRECT],
            account_id=finished.account_id,
        )
    body = {
        "message": SAID,
        "access_token": issued.token,
        "expires_at": seconds(issued.expires_at),
        "scope": finished.scope,
    }
    # RFC 6749 section 5.1: what carries a token is stored nowhere on the way.
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


def seconds(at: datetime) -> str:
    """``2026-12-01T00:00:00Z``."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

"""The end of a sign-in: what X sent the browser back with, whichever path it came to."""

from dataclasses import dataclass

from starlette.requests import Request

from perch.accounts import callbacks, connecting
from perch.accounts.connecting import Finished
from perch.accounts.models import LoginFace
from perch.errors import PerchError
from perch.posts import resuming
from perch.posts.retrying import PauseReason
from perch.web.cookies import Jar, value_of
from perch.wiring import Perch

PATHS = ("/auth/x", "/auth/twitter", "/oauth/callback", "/callback")
_MENDED = (PauseReason.LOGIN, PauseReason.ACCOUNT, PauseReason.APP)


@dataclass(frozen=True, slots=True)
class Failed:
    """A sign-in that came to nothing, and the face that has to say so; None when none of ours began it."""

    error: PerchError
    face: LoginFace | None


async def finish(perch: Perch, request: Request) -> Finished | Failed:
    """End the sign-in that this request carries; posts that waited for it go on."""
    try:
        finished = await connecting.finish(
            perch.db.write,
            perch.clock,
            perch.sealer,
            perch.clients,
            perch.settings.sign_in,
            callbacks.read(request.query_params.multi_items()),
            value_of(request, Jar.of(perch.settings).login),
        )
    except PerchError as error:
        return Failed(error, await _face(perch, request.query_params.get("state")))
    async with perch.db.write() as session:
        account_id, clock, engine = finished.account_id, perch.clock, perch.engine
        await resuming.resume_account(session, clock, engine, account_id, _MENDED, "the new sign-in")
    return finished


async def _face(perch: Perch, state: str | None) -> LoginFace | None:
    async with perch.db.read() as session:
        return await connecting.face_of(session, state)

"""What a person says about a notice: that its cause is mended."""

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from perch.notices import queries
from perch.people.errors import NotHere
from perch.people.roles import Action, require
from perch.posts import resuming
from perch.web.deps import Composition, Signed

router = APIRouter()


@router.post("/notices/{public_id}/resume")
async def resume(public_id: str, perch: Composition, who: Signed) -> Response:
    """What waited goes on."""
    require(who.role, Action.PUBLISH)
    async with perch.db.write() as session:
        found = await queries.open_in(session, who.workspace_id)
        notice = next((one for one in found if one.public_id == public_id), None)
        if notice is None:
            raise NotHere("This was mended meanwhile.", fix="Look at the queue.")
        await resuming.resume_notice(session, perch.clock, perch.engine, who.workspace_id, notice, who.name)
    return RedirectResponse("/", status_code=303)

"""``perch invite``."""

from perch.cli.beside import open_perch
from perch.cli.output import say, say_json
from perch.errors import PerchError
from perch.people.inviting import invite
from perch.people.joining import found_workspace
from perch.people.models import Role
from perch.people.queries import workspace_ids
from perch.settings import Settings


class CannotInvite(PerchError):
    """There is nothing to invite to, or no such role."""

    code = "cannot_invite"


async def run(settings: Settings, role: str, *, as_json: bool) -> None:
    """A link for one person, once, within seven days."""
    if role not in set(Role):
        raise CannotInvite(f"{role} is not a role.", fix=f"Choose one of {', '.join(Role)}.")
    async with open_perch(settings) as perch, perch.db.write() as session:
        workspaces = await workspace_ids(session)
        if not workspaces and role != Role.OWNER:
            raise CannotInvite("Nobody owns this Perch yet.", fix="Invite its owner first: --role owner.")
        home = workspaces[0] if workspaces else await found_workspace(session, perch.clock, "Perch")
        token = await invite(session, perch.clock, home, Role(role))
    link = f"{settings.origin}/login/x?invitation={token}"
    if as_json:
        say_json({"link": link, "role": role, "days": 7})
    else:
        say(f"Send this link to one person; it works once, for seven days, as {role}:", link)

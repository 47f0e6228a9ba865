"""What stands above every page of a workspace: each open notice once, with what waits for it."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from perch.notices import queries as notices
from perch.notices.models import Notice
from perch.people.roles import Action, may
from perch.people.sessions import Visitor
from perch.posts import queries as posts
from perch.posts.queries import HeldUp
from perch.posts.retrying import PauseReason
from perch.web.frame import Banner

_RESUMED = {PauseReason.CREDITS, PauseReason.APP, PauseReason.ACCOUNT, PauseReason.BUDGET}
"""Causes that a person may say are mended; a new sign-in says so itself."""


async def banners_of(session: AsyncSession, who: Visitor) -> tuple[Banner, ...]:
    """The banners of somebody who is signed in."""
    found = await notices.open_in(session, who.workspace_id)
    if not found:
        return ()
    held_up = await posts.held_up(session, who.workspace_id)
    may_publish = may(who.role, Action.PUBLISH)
    return tuple(banner(notice, held_up, may_publish=may_publish) for notice in found)


def banner(notice: Notice, held_up: Mapping[str, HeldUp], *, may_publish: bool) -> Banner:
    """One notice as people see it. Pure."""
    return Banner(
        id=notice.public_id,
        sentence=notice.sentence,
        fix=notice.fix,
        waiting=_waiting(held_of(notice, held_up)),
        href=notice.link or "",
        resumes=may_publish and notice.kind in _RESUMED,
    )


def held_of(notice: Notice, held_up: Mapping[str, HeldUp]) -> HeldUp:
    """What waits for the cause of a notice."""
    kind, _, subject = notice.cause.partition(":")
    return held_up.get(subject) or held_up.get(kind, HeldUp(0))


def _waiting(held: HeldUp) -> str:
    if not held.count:
        return ""
    posts_wait = "1 post waits" if held.count == 1 else f"{held.count} posts wait"
    return f"{posts_wait} for @{held.username}." if held.username else f"{posts_wait}."

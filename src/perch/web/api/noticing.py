"""What needs somebody, and saying that it is mended, for programs."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from perch.accounts import queries as accounts
from perch.notices import queries
from perch.people.tokens import Scope
from perch.posts import queries as posts
from perch.posts import resuming
from perch.web.api import answers
from perch.web.api.asking import Heard, routes
from perch.web.banners import held_of
from perch.web.deps import Composition

router = routes()
_ANSWER: dict[str, Any] = {"response_description": "The account, as it stands now."}


class Notice(BaseModel):
    """Something that needs somebody. posts_waiting: how many posts of this workspace wait for it."""

    id: str
    kind: str
    sentence: str
    fix: str
    posts_waiting: int
    began_at: datetime


class Notices(BaseModel):
    """What is not mended yet, the oldest first."""

    notices: list[Notice]


@router.get("/notices", summary="What needs somebody", response_description="The notices.")
async def list_notices(perch: Composition, asker: Heard) -> Notices:
    """Each cause once, until it is mended."""
    asker.require(Scope.POSTS_READ)
    async with perch.db.read() as session:
        found = await queries.open_in(session, asker.workspace_id)
        held_up = await posts.held_up(session, asker.workspace_id)
    return Notices(
        notices=[
            Notice(
                id=one.public_id,
                kind=one.kind,
                sentence=one.sentence,
                fix=one.fix,
                posts_waiting=held_of(one, held_up).count,
                began_at=one.began_at,
            )
            for one in found
        ]
    )


@router.post("/accounts/{id}/resume", summary="Say that what paused an account is mended", **_ANSWER)
async def resume_account(id: str, perch: Composition, asker: Heard) -> answers.Account:  # noqa: A002
    """Its posts go on. Where the whole X app was paused, so do those of the app's other accounts."""
    asker.require(Scope.PUBLISH_DIRECT)
    async with perch.db.write() as session:
        account = await accounts.account_named(session, asker.workspace_id, id)
        asker.require_account(account.id)
        await resuming.resume_account(
            session, perch.clock, perch.engine, account.id, resuming.CAUSES, asker.author.name
        )
        held = await accounts.accounts_of(session, asker.workspace_id, perch.clock.now())
    return answers.account(next(view for view in held if view.id == account.id))

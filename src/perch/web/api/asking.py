"""What every route of the REST face begins and ends with: who asks, about which post, and how it stands."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from sqlalchemy.ext.asyncio import AsyncSession

from perch.posts import receipts
from perch.posts.errors import PostNotFound
from perch.posts.models import Post
from perch.posts.receipts import Receipt
from perch.web.api import answers
from perch.web.api.describing import REFUSALS
from perch.web.api.problems import ProblemRoute
from perch.web.callers import Asker, asker
from perch.web.limiting import window
from perch.wiring import Perch

MOST_A_MINUTE = 600


def _operation_id(route: APIRoute) -> str:
    return route.name


def routes(prefix: str = "") -> APIRouter:
    """A router whose refusals are problems, and whose operations are named after their functions."""
    return APIRouter(
        prefix=prefix,
        route_class=ProblemRoute,
        responses=REFUSALS,
        generate_unique_id_function=_operation_id,
    )


async def _heard(request: Request, found: Annotated[Asker, Depends(asker)]) -> Asker:
    """Who asks, as long as they do not ask too often. Raises TooMany."""
    window(request, "api", MOST_A_MINUTE).pass_through(found.owner)
    return found


Heard = Annotated[Asker, Depends(_heard)]


async def receipt_of(session: AsyncSession, asker: Asker, public_id: str) -> Receipt:
    """The receipt of a post that they may see. Raises PostNotFound."""
    receipt = await receipts.read(session, asker.workspace_id, public_id)
    if not asker.may_see(receipt.account.id):
        raise PostNotFound("There is no such post here.", fix="This token sees one account only.")
    return receipt


async def told(perch: Perch, asker: Asker, post: Post) -> answers.PostWithStory:
    """How the post stands now."""
    async with perch.db.read() as session:
        receipt = await receipts.read(session, asker.workspace_id, post.public_id)
    return answers.post(receipt, perch.settings.origin)

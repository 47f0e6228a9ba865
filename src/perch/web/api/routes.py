"""The routes of ``/api/v1``."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts import queries as accounts
from perch.people.tokens import Scope
from perch.posts import queries, repeats
from perch.web.accepting import accept, preview
from perch.web.api import answers, changing, deciding, noticing, recurring, slots
from perch.web.api.asking import Heard, receipt_of, routes, told
from perch.web.api.describing import PREFIX, WITH_A_NEW_POST, describe, page
from perch.web.api.orders import NewPost, key_of
from perch.web.callers import Asker
from perch.web.deps import Composition, Framed
from perch.web.json_bodies import BodyRefused, Fault, read_json

REMEMBERED = timedelta(days=7)
router = routes(PREFIX)
router.include_router(changing.router)
router.include_router(deciding.router)
router.include_router(recurring.router)
router.include_router(slots.router)
router.include_router(noticing.router)


@router.post("/posts", status_code=201, summary="Make a post or a thread", **WITH_A_NEW_POST)
async def make_post(
    request: Request, response: Response, perch: Composition, asker: Heard
) -> answers.Post | Response:
    """Publishes, schedules or keeps a post, or says what would be found, without writing anything.

    A repeated request with the same Idempotency-Key within 7 days is answered with the same post.
    """
    body = await read_json(request, NewPost)
    order = body.order(perch.clock.now())
    if body.dry_run:
        checked, due = await preview(perch, asker, order)
        found = answers.dry_run(checked, due, order.media_urls)
        return JSONResponse(found.model_dump(mode="json"))
    key = key_of(request)
    remembered = key and repeats.Key(f"api {asker.owner}", key, body.meaning(), REMEMBERED)
    made = await accept(perch, asker, order, remembered or None)
    response.headers["Location"] = f"{PREFIX}/posts/{made.public_id}"
    return await told(perch, asker, made)


@router.get("/posts", summary="The newest posts", response_description="One page.")
async def list_posts(
    perch: Composition,
    asker: Heard,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> answers.Page:
    """The next page is asked for with the next_cursor of the one before."""
    asker.require(Scope.POSTS_READ)
    async with perch.db.read() as session:
        before = await _below(session, asker, cursor)
        found = await queries.recent(session, asker.workspace_id, limit=limit + 1, before=before)
    shown = found[:limit]
    mine = [listed for listed in shown if asker.may_see(listed.account.id)]
    last = shown[-1].post.public_id if len(found) > limit else None
    return answers.page(mine, perch.settings.origin, last)


@router.get("/posts/{id}", summary="A post and its story", response_description="The post.")
async def read_post(
    id: str,  # noqa: A002
    response: Response,
    perch: Composition,
    asker: Heard,
) -> answers.PostWithStory:
    """Everything that is known of one post. The ETag is its version, for If-Match."""
    asker.require(Scope.POSTS_READ)
    async with perch.db.read() as session:
        answer = answers.post(await receipt_of(session, asker, id), perch.settings.origin)
    response.headers["ETag"] = f'"{answer.version}"'
    return answer


@router.get("/accounts", summary="The X accounts to post from", response_description="The accounts.")
async def list_accounts(perch: Composition, asker: Heard) -> answers.Accounts:
    """Their health, and what their consent does not cover."""
    asker.require(Scope.POSTS_READ)
    async with perch.db.read() as session:
        found = await accounts.accounts_of(session, asker.workspace_id, perch.clock.now())
    shown = [view for view in found if view.disconnected_at is None and asker.may_see(view.id)]
    return answers.Accounts(accounts=[answers.account(view) for view in shown])


@router.get("/openapi.json", include_in_schema=False)
async def openapi(perch: Composition) -> dict[str, Any]:
    """This face, described for programs."""
    return describe(router.routes, perch.settings.origin)


@router.get("/docs", include_in_schema=False)
async def docs(perch: Composition, frame: Framed) -> Response:
    """This face, described for people."""
    return page(frame, describe(router.routes, perch.settings.origin))


async def _below(session: AsyncSession, asker: Asker, cursor: str | None) -> int | None:
    if cursor is None:
        return None
    post = await queries.post_by_public_id(session, asker.workspace_id, cursor)
    if post is None:
        raise BodyRefused([Fault("cursor", "This cursor is not one of this list.")])
    return post.id

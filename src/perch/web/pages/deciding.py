"""What a person may do about a post from its receipt: one form each, back to the receipt afterwards."""

from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from perch.people.roles import Action, require
from perch.people.sessions import Visitor
from perch.posts import changing, continuing, deleting, queries, resuming, settling
from perch.posts.dues import AtWall
from perch.posts.editing import Change, edit
from perch.posts.errors import PostNotFound
from perch.posts.models import Post
from perch.web import forms
from perch.web.deps import Composition, Signed

router = APIRouter(prefix="/posts/{public_id}")


async def _publisher(who: Signed) -> Visitor:
    require(who.role, Action.PUBLISH)
    return who


Publisher = Annotated[Visitor, Depends(_publisher)]


@router.post("/cancel")
async def cancel(public_id: str, perch: Composition, who: Publisher) -> Response:
    """Stop it before it is sent."""
    async with perch.db.write() as session:
        await changing.cancel(session, perch.clock, await _post(session, who, public_id), who.name)
    return _back(public_id)


@router.post("/resume")
async def resume(public_id: str, perch: Composition, who: Publisher) -> Response:
    """Try a waiting post now."""
    async with perch.db.write() as session:
        post = await _post(session, who, public_id)
        await resuming.resume(session, perch.clock, perch.engine, post, who.name)
    return _back(public_id)


@router.post("/send-now")
async def send_now(public_id: str, perch: Composition, who: Publisher) -> Response:
    """Do not wait for its time, or send it although that has passed."""
    async with perch.db.write() as session:
        post = await _post(session, who, public_id)
        change = Change(when=perch.clock.now())
        await edit(session, perch.clock, perch.engine, post, change, who.name, version=post.version)
    return _back(public_id)


@router.post("/move")
async def move(public_id: str, request: Request, perch: Composition, who: Publisher) -> Response:
    """Another time, by the wall clock of the account's zone."""
    at = (await forms.read(request)).text("at")
    async with perch.db.write() as session:
        post = await _post(session, who, public_id)
        change = Change(when=AtWall(forms.wall_time(at)))
        await edit(session, perch.clock, perch.engine, post, change, who.name, version=post.version)
    return _back(public_id)


@router.post("/found")
async def found(public_id: str, request: Request, perch: Composition, who: Publisher) -> Response:
    """It is there: its address settles it."""
    address = (await forms.read(request)).text("address")
    async with perch.db.write() as session:
        post = await _post(session, who, public_id)
        await settling.found(session, perch.clock, perch.engine, post, address, who.name)
    return _back(public_id)


@router.post("/again")
async def again(public_id: str, perch: Composition, who: Publisher) -> Response:
    """It is not there: one more attempt."""
    async with perch.db.write() as session:
        post = await _post(session, who, public_id)
        await settling.send_again(session, perch.clock, perch.engine, post, who.name)
    return _back(public_id)


@router.post("/drop")
async def drop(public_id: str, perch: Composition, who: Publisher) -> Response:
    """Give it up."""
    async with perch.db.write() as session:
        await settling.drop(session, perch.clock, await _post(session, who, public_id), who.name)
    return _back(public_id)


@router.post("/continue")
async def go_on(public_id: str, perch: Composition, who: Publisher) -> Response:
    """Send the cards of a broken thread that are not out."""
    async with perch.db.write() as session:
        post = await _post(session, who, public_id)
        await continuing.go_on(session, perch.clock, perch.engine, post, who.name)
    return _back(public_id)


@router.post("/leave")
async def leave(public_id: str, perch: Composition, who: Publisher) -> Response:
    """What is out of a broken thread stays; the rest is dropped."""
    async with perch.db.write() as session:
        await continuing.leave(session, perch.clock, await _post(session, who, public_id), who.name)
    return _back(public_id)


@router.post("/delete")
async def delete(public_id: str, perch: Composition, who: Publisher) -> Response:
    """Take what is live back from X."""
    async with perch.db.write() as session:
        post = await _post(session, who, public_id)
        await deleting.ask(session, perch.clock, perch.engine, post, who.name)
    return _back(public_id)


async def _post(session: AsyncSession, who: Visitor, public_id: str) -> Post:
    post = await queries.post_by_public_id(session, who.workspace_id, public_id)
    if post is None:
        raise PostNotFound("There is no such post here.", fix="Look for it in the queue.")
    return post


def _back(public_id: str) -> Response:
    return RedirectResponse(f"/posts/{public_id}", status_code=303)

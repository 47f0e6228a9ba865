"""What programs may decide about a post that was accepted: the buttons of its receipt."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from perch.people.tokens import Scope
from perch.posts import changing, continuing, deleting, resuming, settling
from perch.posts.models import Post, PostState
from perch.web.api.answers import PostWithStory
from perch.web.api.asking import Heard, receipt_of, routes, told
from perch.web.api.describing import with_body
from perch.web.api.orders import FoundAt
from perch.web.callers import Asker
from perch.web.deps import Composition
from perch.web.json_bodies import read_json
from perch.wiring import Perch

router = routes("/posts/{id}")
_ANSWER: dict[str, Any] = {"response_description": "The post, as it stands now."}


@asynccontextmanager
async def _deciding(perch: Perch, asker: Asker, id: str) -> AsyncIterator[tuple[AsyncSession, Post]]:  # noqa: A002
    """The post, for somebody who may publish."""
    asker.require(Scope.PUBLISH_DIRECT)
    async with perch.db.write() as session:
        yield session, (await receipt_of(session, asker, id)).post


@router.post("/cancel", summary="Stop a post that has not been sent", **_ANSWER)
async def cancel_post(id: str, perch: Composition, asker: Heard) -> PostWithStory:  # noqa: A002
    """Refused with 409 once its bytes may be on their way to X."""
    asker.require(Scope.DRAFTS_WRITE)
    async with perch.db.write() as session:
        post = (await receipt_of(session, asker, id)).post
        if post.state != PostState.DRAFT:
            asker.require(Scope.PUBLISH_DIRECT)
        await changing.cancel(session, perch.clock, post, asker.author.name)
    return await told(perch, asker, post)


@router.post("/resume", summary="Try a waiting or paused post now", **_ANSWER)
async def resume_post(id: str, perch: Composition, asker: Heard) -> PostWithStory:  # noqa: A002
    """Refused with 409 when it does not wait."""
    async with _deciding(perch, asker, id) as (session, post):
        await resuming.resume(session, perch.clock, perch.engine, post, asker.author.name)
    return await told(perch, asker, post)


@router.post("/found", summary="Say that a post in question is on X", **_ANSWER, **with_body(FoundAt))
async def found_post(id: str, request: Request, perch: Composition, asker: Heard) -> PostWithStory:  # noqa: A002
    """For a post that needs_you: somebody looked, and it is there. Refused with 409 for any other."""
    body = await read_json(request, FoundAt)
    async with _deciding(perch, asker, id) as (session, post):
        await settling.found(session, perch.clock, perch.engine, post, body.address, asker.author.name)
    return await told(perch, asker, post)


@router.post("/send-again", summary="Say that a post in question is not on X: send it again", **_ANSWER)
async def send_post_again(id: str, perch: Composition, asker: Heard) -> PostWithStory:  # noqa: A002
    """For a post that needs_you: somebody looked, and it is not there. The same bytes go out once more."""
    async with _deciding(perch, asker, id) as (session, post):
        await settling.send_again(session, perch.clock, perch.engine, post, asker.author.name)
    return await told(perch, asker, post)


@router.post("/drop", summary="Give up a post in question", **_ANSWER)
async def drop_post(id: str, perch: Composition, asker: Heard) -> PostWithStory:  # noqa: A002
    """For a post that needs_you. Cards of a thread that are out stay out."""
    async with _deciding(perch, asker, id) as (session, post):
        await settling.drop(session, perch.clock, post, asker.author.name)
    return await told(perch, asker, post)


@router.post("/continue", summary="Go on with a thread that broke", **_ANSWER)
async def continue_post(id: str, perch: Composition, asker: Heard) -> PostWithStory:  # noqa: A002
    """For a post that is partly_published: its unsent cards are checked again and sent, below what is out."""
    async with _deciding(perch, asker, id) as (session, post):
        await continuing.go_on(session, perch.clock, perch.engine, post, asker.author.name)
    return await told(perch, asker, post)


@router.post("/leave", summary="Leave a thread that broke as it is", **_ANSWER)
async def leave_post(id: str, perch: Composition, asker: Heard) -> PostWithStory:  # noqa: A002
    """For a post that is partly_published: what is out stays, the rest is dropped, and it is published."""
    async with _deciding(perch, asker, id) as (session, post):
        await continuing.leave(session, perch.clock, post, asker.author.name)
    return await told(perch, asker, post)


@router.post("/delete", summary="Delete on X what is live of a post", **_ANSWER)
async def delete_post(id: str, perch: Composition, asker: Heard) -> PostWithStory:  # noqa: A002
    """Perch asks X for each card, the newest first, until X has confirmed: deleting is true until then.

    A published post stays published, with deleted_at on its segments; a thread that broke ends cancelled.
    """
    async with _deciding(perch, asker, id) as (session, post):
        await deleting.ask(session, perch.clock, perch.engine, post, asker.author.name)
    return await told(perch, asker, post)

"""Changing a post that has not been sent: another text, account or time."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

from fastapi import Request, Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts import queries as accounts
from perch.people.tokens import Scope
from perch.posts import editing
from perch.posts.editing import UNCHANGED, Change
from perch.posts.models import Post, PostState
from perch.posts.scheduling import Checked, check
from perch.web.accepting import Order, account_for, checked_for
from perch.web.api.answers import PostWithStory
from perch.web.api.asking import Heard, receipt_of, routes, told
from perch.web.api.describing import IF_MATCH, with_body
from perch.web.api.due import LocalTime, when
from perch.web.api.orders import Card, cards_of
from perch.web.callers import Asker
from perch.web.deps import Composition
from perch.web.json_bodies import BodyRefused, Fault, JsonBody, read_json
from perch.wiring import Perch

router = routes("/posts/{id}")
_ETAG = re.compile(r'(?:W/)?"(\d{1,9})"')
_ANSWER: dict[str, Any] = {"response_description": "The post, as it stands now."}


class PostChange(JsonBody):
    """What is to be different; what is left out stays. scheduled_at null makes it a draft."""

    version: int | None = Field(default=None, description="The one that was read; or send If-Match.")
    account: str | None = None
    text: str | None = None
    thread: list[Card] | None = Field(default=None, min_length=1, max_length=100)
    scheduled_at: str | LocalTime | None = None
    jitter_minutes: int = Field(default=0, ge=0, le=120)

    @property
    def moves(self) -> bool:
        return "scheduled_at" in self.model_fields_set

    @property
    def changes_content(self) -> bool:
        return any(one is not None for one in (self.text, self.thread, self.account))


@router.patch(
    "", summary="Change a post that has not been sent", **_ANSWER, **with_body(PostChange, IF_MATCH)
)
async def change_post(
    id: str,  # noqa: A002
    request: Request,
    response: Response,
    perch: Composition,
    asker: Heard,
) -> PostWithStory:
    """Before its bytes are armed the change wins; after that it is refused with 409 (too_late).

    With version, or If-Match and the ETag of the answer that was read, a change that somebody else made
    meanwhile is not overwritten: 409 (stale_version).
    """
    body = await read_json(request, PostChange)
    asker.require(Scope.DRAFTS_WRITE)
    if body.jitter_minutes and not body.moves:
        raise BodyRefused([Fault("jitter_minutes", "jitter_minutes moves a time: name scheduled_at too.")])
    async with perch.db.write() as session:
        post = (await receipt_of(session, asker, id)).post
        _require(asker, post, body)
        change = await _change(session, perch, asker, post, body)
        version = _matched(request) if body.version is None else body.version
        await editing.edit(
            session, perch.clock, perch.engine, post, change, asker.author.name, version=version
        )
    answer = await told(perch, asker, post)
    response.headers["ETag"] = f'"{answer.version}"'
    return answer


@router.post("/send-now", summary="Send a post that was missed", **_ANSWER)
async def send_post_now(id: str, perch: Composition, asker: Heard) -> PostWithStory:  # noqa: A002
    """For a post that is missed: it goes out now. Another time is given with PATCH. Refused with 409 else."""
    asker.require(Scope.PUBLISH_DIRECT)
    async with perch.db.write() as session:
        post = (await receipt_of(session, asker, id)).post
        await editing.send_now(session, perch.clock, perch.engine, post, asker.author.name)
    return await told(perch, asker, post)


def _require(asker: Asker, post: Post, body: PostChange) -> None:
    """Who writes drafts changes drafts; what the audience will see is for those who may publish."""
    if post.state != PostState.DRAFT or (body.moves and body.scheduled_at is not None):
        asker.require(Scope.PUBLISH_DIRECT)


async def _change(session: AsyncSession, perch: Perch, asker: Asker, post: Post, body: PostChange) -> Change:
    due = when(body.scheduled_at, perch.clock.now()) if body.moves else UNCHANGED
    checked = await _content(session, perch, asker, post, body) if body.changes_content else None
    return Change(checked, due, timedelta(minutes=body.jitter_minutes))


async def _content(
    session: AsyncSession, perch: Perch, asker: Asker, post: Post, body: PostChange
) -> Checked:
    """Its new content, or the present one for another account."""
    own = await accounts.account_with_id(session, post.account_id)
    account = own.public_id if body.account is None else body.account
    if body.text is not None or body.thread is not None:
        order = Order(account, cards_of(body.text, body.thread))
        return await checked_for(session, perch, asker, order)
    theirs = await account_for(session, perch, asker, account)
    app = await accounts.app_with_id(session, theirs.app_id)
    draft = replace(await editing.draft_of(session, post), account_id=theirs.id)
    return await check(session, perch.clock, draft, app.plan)


def _matched(request: Request) -> int | None:
    """The version that If-Match names (RFC 9110, 13.1.1); None for every version."""
    match request.headers.getlist("if-match"):
        case [] | ["*"]:
            return None
        case [said] if found := _ETAG.fullmatch(said):
            return int(found[1])
        case _:
            raise BodyRefused([Fault("If-Match", "If-Match is not an ETag of this post.")])

"""The routes of the small contract: ``/startAuth`` and ``/postTweet``. The callback is the browser's too."""

import json
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from perch.accounts import connecting
from perch.accounts.apps import app_for_sign_in
from perch.accounts.models import LoginFace
from perch.posts import repeats
from perch.posts.receipts import Receipt
from perch.web.accepting import Order, WantedCard, accept, account_for
from perch.web.callers import Asker, asker
from perch.web.deps import Composition
from perch.web.gpt.describing import describe
from perch.web.gpt.errors import NothingToPost
from perch.web.gpt.refusals import SmallRoute
from perch.web.gpt.waiting import published
from perch.web.json_bodies import JsonBody, read_json
from perch.web.limiting import window
from perch.wiring import Perch

PATIENCE = 40.0
"""Seconds until somebody who waits is told to look later: ChatGPT itself gives up after 45."""
REMEMBERED = timedelta(minutes=10)
MOST_A_MINUTE = 60
router = APIRouter(route_class=SmallRoute, include_in_schema=False)


class Tweet(JsonBody):
    """What to post. ``account`` is for tokens that are not bound to one of several connected accounts."""

    text: str | None = None
    media_url: str | None = None
    account: str | None = None


class Begun(BaseModel):
    """Where to send the person, and the state that will come back."""

    authorization_url: str
    state: str


class Posted(BaseModel):
    """A post that is out."""

    message: str = "Tweet posted successfully!"
    tweet_id: str
    tweet_text: str
    tweet_url: str


async def _heard(request: Request, found: Annotated[Asker, Depends(asker)]) -> Asker:
    window(request, "gpt", MOST_A_MINUTE).pass_through(found.owner)
    return found


@router.get("/startAuth")
async def start_auth(request: Request, response: Response, perch: Composition) -> Begun:
    """Begin a sign-in that ends in JSON, in whichever browser it is opened: no cookie ties it to one."""
    window(request, "startAuth", MOST_A_MINUTE).pass_through(request.client.host if request.client else "")
    async with perch.db.write() as session:
        app = await app_for_sign_in(session, perch.settings)
        begun = await connecting.begin(
            session,
            perch.clock,
            perch.sealer,
            app,
            face=LoginFace.JSON,
            redirect_uri=perch.settings.callback_url,
        )
    response.headers["Cache-Control"] = "no-store"
    return Begun(authorization_url=begun.authorize_url, state=begun.state)


@router.post("/postTweet")
async def post_tweet(
    request: Request, perch: Composition, asker: Annotated[Asker, Depends(_heard)]
) -> Posted:
    """Publish now and wait for X's answer; the same again within ten minutes is the same post."""
    patience = PATIENCE * perch.settings.pace
    until = perch.clock.elapsed() + patience
    tweet = await read_json(request, Tweet)
    if not (tweet.text or "").strip() and not tweet.media_url:
        raise NothingToPost
    key = await _key(perch, asker, tweet)
    post = await accept(perch, asker, _order(perch, tweet), key, patience=patience)
    return _posted(await published(perch, asker.workspace_id, post.public_id, until))


@router.get("/gpt/openapi.json")
async def openapi(perch: Composition) -> dict[str, Any]:
    """The description to import as a custom GPT's action."""
    return describe(perch.settings.origin)


def _order(perch: Perch, tweet: Tweet) -> Order:
    urls = (tweet.media_url,) if tweet.media_url else ()
    return Order(tweet.account, (WantedCard(tweet.text or ""),), urls, perch.clock.now())


async def _key(perch: Perch, asker: Asker, tweet: Tweet) -> repeats.Key:
    """GPTs retry and cannot send headers, so what they ask for is itself the key."""
    async with perch.db.read() as session:
        account = await account_for(session, perch, asker, tweet.account)
    said = json.dumps([account.public_id, tweet.text or "", tweet.media_url or ""])
    return repeats.Key(f"gpt {asker.owner}", said, said, REMEMBERED)


def _posted(receipt: Receipt) -> Posted:
    card = receipt.cards[0]
    return Posted(
        tweet_id=card.segment.x_post_id or "",
        tweet_text=card.segment.text,
        tweet_url=receipt.url(card) or "",
    )

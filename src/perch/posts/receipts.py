"""The receipt of a post: what was sent, when, what X answered, what it cost, in order and in words."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts.models import XAccount, XApp
from perch.budget.models import Spend
from perch.budget.prices import Price
from perch.posts import chain, queries
from perch.posts.errors import PostNotFound
from perch.posts.models import Post
from perch.posts.standing import Standing, of
from perch.posts.telling import Line, story


@dataclass(frozen=True, slots=True)
class Receipt:
    """Everything known of one post. ``checking`` holds the ids of cards that may or may not be out."""

    post: Post
    account: XAccount
    app: XApp
    cards: tuple[queries.Card, ...]
    lines: tuple[Line, ...]
    is_whole: bool
    spent: Price
    checking: frozenset[int] = frozenset()

    @property
    def standing(self) -> Standing:
        segments = [card.segment for card in self.cards]
        return of(self.post, self.account, self.app, segments, self.checking)

    @property
    def reserved(self) -> Price:
        return Price(self.post.price_micros)

    def url(self, card: queries.Card) -> str | None:
        """Where readers find this card, or None while it is not out, or not any more."""
        x_post_id = card.segment.x_post_id
        if x_post_id is None or card.segment.deleted_at:
            return None
        return permalink(self.app, self.account.username, x_post_id)


def permalink(app: XApp, username: str, x_post_id: str) -> str:
    """A post's address: posts live where X's consent page does."""
    origin = urlsplit(app.authorize_url)
    return f"{origin.scheme}://{origin.netloc}/{username}/status/{x_post_id}"


async def read(session: AsyncSession, workspace_id: int, public_id: str) -> Receipt:
    """Raises PostNotFound for posts of other workspaces too."""
    post = await queries.post_by_public_id(session, workspace_id, public_id)
    if post is None:
        raise PostNotFound("There is no such post here.", fix="Look for it in the queue.")
    account = await session.get_one(XAccount, post.account_id)
    app = await session.get_one(XApp, account.app_id)
    events = await queries.events(session, post.id)
    cards = tuple(await queries.cards(session, post.id))
    spent = await session.scalar(select(func.sum(Spend.micros)).where(Spend.post_id == post.id))
    return Receipt(
        post=post,
        account=account,
        app=app,
        cards=cards,
        lines=tuple(story(events, is_thread=len(cards) > 1)),
        is_whole=chain.is_whole(post.public_id, (post.story_seq, post.story_hash), events),
        spent=Price(spent or 0),
        checking=frozenset(await queries.checking(session, [post.id])),
    )

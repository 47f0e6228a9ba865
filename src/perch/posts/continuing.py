"""A thread that broke: its unsent cards are tried again, or what is out is left as it is."""

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts.models import XAccount
from perch.clock import Clock
from perch.jobs import Engine
from perch.media.models import MediaKind
from perch.posts import chain, queries, rules
from perch.posts.errors import RuleBroken, TooLate
from perch.posts.findings import Severity
from perch.posts.models import Post, PostState, Segment, SegmentState
from perch.posts.resuming import wake
from perch.x.users import is_subscribed


async def go_on(session: AsyncSession, clock: Clock, engine: Engine, post: Post, name: str) -> None:
    """Send the cards that are not out, from the first one on. Raises TooLate, and RuleBroken for the rest."""
    await _taken(session, post)
    cards = await queries.cards(session, post.id)
    unsent = _unsent(cards)
    first = unsent[0].segment
    if any(card.segment.deleted_at for card in cards):
        raise TooLate("A card of this thread was deleted on X.", fix="Leave it as it is, or post it anew.")
    if first.state == SegmentState.DROPPED or cards[first.position - 1].segment.x_post_id is None:
        raise TooLate(
            "Perch does not know the id of the card before, so nothing may follow it.",
            fix="Delete what is live, or leave it.",
        )
    await _check(session, post, cards, first.position)
    await _set_cards(session, unsent, SegmentState.WAITING)
    post.state, post.updated_at, post.finished_at = PostState.PUBLISHING, clock.now(), None
    post.tries, post.try_at = 0, None
    post.why = post.fix = post.rule = None
    await session.flush()
    await wake(session, clock, engine, post, "continued", {"name": name, "card": first.position + 1})


async def leave(session: AsyncSession, clock: Clock, post: Post, name: str) -> None:
    """What is out stays, the rest is dropped, and the post counts as published."""
    await _taken(session, post)
    now = clock.now()
    unsent = _unsent(await queries.cards(session, post.id))
    await _set_cards(session, unsent, SegmentState.DROPPED)
    post.state, post.finished_at, post.updated_at = PostState.PUBLISHED, now, now
    post.why = post.fix = post.rule = None
    await session.flush()
    await chain.append(
        session, [chain.Happening(post.id, now, "left", {"name": name, "unsent": len(unsent)})]
    )


def _unsent(cards: list[queries.Card]) -> list[queries.Card]:
    return [card for card in cards if card.segment.state != SegmentState.PUBLISHED]


async def _taken(session: AsyncSession, post: Post) -> None:
    # The row is taken first, so that of two people with two wishes one wins.
    taken = await session.scalar(
        select(Post)
        .where(Post.id == post.id, Post.state == PostState.PARTLY_PUBLISHED, ~queries.is_deleting())
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if taken is None:
        raise TooLate("This is no thread that broke, or it is settled.", fix="Look at its receipt.")


async def _check(session: AsyncSession, post: Post, cards: list[queries.Card], first: int) -> None:
    """What was right when it was accepted may be wrong now: the account may have lost its long posts."""
    account = await session.get_one(XAccount, post.account_id)
    facts = [
        rules.Card(
            card.segment.text,
            tuple(MediaKind(asset.kind) for _, asset in card.media),
            tuple(placed.alt_text for placed, _ in card.media),
        )
        for card in cards
    ]
    found = rules.check(facts, long_posts=is_subscribed(account.subscription_type))
    broken = [one for one in found if one.severity is Severity.ERROR and one.position >= first]
    if broken:
        raise RuleBroken(broken)


async def _set_cards(session: AsyncSession, cards: list[queries.Card], state: SegmentState) -> None:
    ids = [card.segment.id for card in cards]
    await session.execute(update(Segment).where(Segment.id.in_(ids)).values(state=state))

"""Accepting a draft: checked, priced, written as rows, and hinted in the same transaction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts.models import XAccount
from perch.budget.prices import Quote, quote
from perch.clock import Clock
from perch.db import new_public_id
from perch.jobs import Engine
from perch.media import limits
from perch.media.models import Asset, MediaKind
from perch.media.queries import asset_by_public_id
from perch.posts import chain, dues, queries, repeats, rules
from perch.posts.drafting import Draft, DraftSegment
from perch.posts.dues import Due, When
from perch.posts.errors import PostNotFound, RuleBroken
from perch.posts.findings import Finding, Severity
from perch.posts.models import Post, PostState, Segment, SegmentMedia
from perch.text import outgoing, weigh
from perch.x.users import is_subscribed

DRAIN = "drain"


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of a draft before it is accepted: one asset tuple and one quote a card."""

    draft: Draft
    account: XAccount
    assets: tuple[tuple[Asset, ...], ...]
    quotes: tuple[Quote, ...]
    findings: tuple[Finding, ...]

    @property
    def limit(self) -> int:
        """How long a card of this account may be, as X weighs it."""
        is_long = is_subscribed(self.account.subscription_type)
        return rules.LONG_POST_LIMIT if is_long else rules.POST_LIMIT

    def weight(self, position: int) -> int:
        """A card's length, as X weighs it."""
        return weigh(self.draft.segments[position].text).weighted_length

    @property
    def price_micros(self) -> int:
        return sum(quote.total.micros for quote in self.quotes)


async def check(session: AsyncSession, clock: Clock, draft: Draft, plan: str) -> Checked:
    """Findings and price of a draft; writes nothing. Raises PostNotFound for accounts and media of others."""
    account = await _account(session, draft)
    draft = _as_sent(draft)
    assets = tuple([await _assets(session, draft.workspace_id, card) for card in draft.segments])
    cards = [_facts(card, found) for card, found in zip(draft.segments, assets, strict=True)]
    today = clock.now().date()
    quotes = tuple(
        quote(
            card.text[: rules.LONGEST_READ],
            at=today,
            plan=plan,
            described_media=sum(1 for media in card.media if media.alt_text),
        )
        for card in draft.segments
    )
    long_posts = is_subscribed(account.subscription_type)
    findings = rules.check(cards, long_posts=long_posts)
    doubts = () if long_posts else tuple(_doubts(assets))
    return Checked(draft, account, assets, quotes, findings + doubts)


def _doubts(assets: Sequence[Sequence[Asset]]) -> Iterator[Finding]:
    """Files that X takes from some accounts only: worth knowing, and X's to decide."""
    for position, card in enumerate(assets):
        for asset in card:
            said = limits.doubt(asset.kind, asset.duration_ms, asset.width, asset.height)
            if said:
                fix = "Cut it or make it smaller, or see what X says."
                yield Finding("M008", Severity.WARNING, said, fix, position)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Which turn of which recurring post a post is; ``local`` is the reading of the wall clock."""

    recurrence_id: int
    local: str


async def accept(
    session: AsyncSession,
    clock: Clock,
    engine: Engine,
    checked: Checked,
    when: When | None,
    *,
    key: repeats.Key | None = None,
    jitter: timedelta = timedelta(),
    occurrence: Occurrence | None = None,
) -> Post:
    """The post, scheduled for ``when``, or kept as a draft for None. The same key gives the same post.

    ``jitter`` is how far chance may move it. Raises RuleBroken when X would refuse it, and what
    ``repeats.earlier`` and ``dues.resolve`` raise.
    """
    if key and (known := await repeats.earlier(session, clock, key)) is not None:
        return await _known(session, known)
    require_sound(checked)
    public_id = new_public_id()
    due = None
    if when is not None:
        due = await dues.resolve(session, clock, checked.account, when)
        due = dues.jittered(due, checked.account.zone, jitter, public_id, clock.now())
    post = await _written(session, clock.now(), checked, due, public_id, occurrence)
    if key:
        await repeats.remember(session, key, post.id)
    if due is not None:
        engine.wake(session, DRAIN, str(post.account_id), due.at)
    return post


def require_sound(checked: Checked) -> None:
    """Raises RuleBroken when X would refuse it."""
    errors = [finding for finding in checked.findings if finding.severity is Severity.ERROR]
    if errors:
        raise RuleBroken(errors)


async def _known(session: AsyncSession, post_id: int) -> Post:
    post = await queries.post_by_id(session, post_id)
    if post is None:
        raise PostNotFound("The post of this key is gone.")
    return post


async def _written(
    session: AsyncSession,
    now: datetime,
    checked: Checked,
    due: Due | None,
    public_id: str,
    occurrence: Occurrence | None,
) -> Post:
    draft, account = checked.draft, checked.account
    post = Post(
        public_id=public_id, workspace_id=draft.workspace_id, account_id=account.id,
        author_kind=draft.author.kind, author_id=draft.author.id, author_name=draft.author.name,
        state=PostState.SCHEDULED if due else PostState.DRAFT, content_hash=draft.content_hash(),
        price_micros=checked.price_micros, created_at=now, updated_at=now, **due_columns(due, account),
        recurrence_id=occurrence.recurrence_id if occurrence else None,
        occurrence=occurrence.local if occurrence else None,
    )  # fmt: skip
    session.add(post)
    await session.flush()
    for position in range(len(draft.segments)):
        await write_card(session, post, position, checked)
    by: chain.Detail = {"by": draft.author.kind, "name": draft.author.name}
    detail: chain.Detail = {**by, "price_micros": checked.price_micros, **due_facts(due)}
    await chain.append(session, [chain.Happening(post.id, now, "queued" if due else "drafted", detail)])
    return post


def due_columns(due: Due | None, account: XAccount) -> dict[str, Any]:
    """What a post's row says of when it is due; a draft is due in its account's zone some day."""
    wall = due.wall if due else None
    return {
        "due_at": due.at if due else None,
        "jitter_s": due.jitter_s if due else 0,
        "local_time": wall.iso if wall else None,
        "zone": wall.zone if wall else account.zone,
        "fold": wall.fold if wall else 0,
    }


def due_facts(due: Due | None) -> dict[str, str | int | None]:
    """What a line of the story says of it, where there is something to say."""
    facts = {"shift": due.shift, "jitter_s": due.jitter_s} if due else {}
    return {name: value for name, value in facts.items() if value}


async def write_card(session: AsyncSession, post: Post, position: int, checked: Checked) -> None:
    """A new card's rows."""
    card = checked.draft.segments[position]
    segment = Segment(
        post_id=post.id, account_id=post.account_id, position=position, text=card.text,
        weight=checked.weight(position), price_micros=checked.quotes[position].total.micros,
    )  # fmt: skip
    session.add(segment)
    await session.flush()
    place_media(session, segment.id, position, checked)


def place_media(session: AsyncSession, segment_id: int, position: int, checked: Checked) -> None:
    """The rows of a card's media."""
    card = checked.draft.segments[position]
    for place, (media, asset) in enumerate(zip(card.media, checked.assets[position], strict=True)):
        session.add(
            SegmentMedia(segment_id=segment_id, asset_id=asset.id, position=place, alt_text=media.alt_text)
        )


async def _account(session: AsyncSession, draft: Draft) -> XAccount:
    account = await session.get(XAccount, draft.account_id)
    if account is None or account.workspace_id != draft.workspace_id or account.disconnected_at:
        raise PostNotFound(
            "This account is not connected here.", fix="Choose an account, or connect it first."
        )
    return account


async def _assets(session: AsyncSession, workspace_id: int, card: DraftSegment) -> tuple[Asset, ...]:
    assets = []
    for media in card.media:
        asset = await asset_by_public_id(session, workspace_id, media.asset_id)
        if asset is None:
            raise PostNotFound("A picture of this post is not in the library.", fix="Add it again.")
        assets.append(asset)
    return tuple(assets)


def _facts(card: DraftSegment, assets: Sequence[Asset]) -> rules.Card:
    kinds = tuple(MediaKind(asset.kind) for asset in assets)
    return rules.Card(card.text, kinds, tuple(media.alt_text for media in card.media))


def _as_sent(draft: Draft) -> Draft:
    segments = tuple(DraftSegment(outgoing(card.text), card.media) for card in draft.segments)
    return Draft(draft.workspace_id, draft.account_id, draft.author, segments)

"""A machine's order for a post: slow things first, then it is checked and written in one transaction."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from weakref import WeakValueDictionary

from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts import queries as accounts
from perch.accounts.models import XAccount
from perch.errors import PerchError
from perch.fetch import FetchFailed
from perch.media.errors import MediaUnknown
from perch.media.importing import from_url
from perch.media.queries import assets_by_public_ids
from perch.people.tokens import Scope
from perch.posts import dues, queries, repeats, scheduling
from perch.posts.drafting import Draft, DraftMedia, DraftSegment
from perch.posts.dues import Due, When
from perch.posts.models import Post
from perch.posts.scheduling import Checked
from perch.web.callers import Asker
from perch.wiring import Perch


class WhichAccount(PerchError):
    """The order names no account, and there is not exactly one to take."""

    code = "which_account"
    status = 409


@dataclass(frozen=True, slots=True)
class WantedMedia:
    """A library asset by its public id; without an ``alt_text`` of its own it has the library's."""

    asset_id: str
    alt_text: str | None = None


@dataclass(frozen=True, slots=True)
class WantedCard:
    """One card of the order."""

    text: str
    media: tuple[WantedMedia, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """A post that somebody wants. ``media_urls`` are fetched and go on the first card.

    ``account`` is a public id or ``@handle``; ``when`` None keeps a draft; ``jitter`` may move it by chance.
    """

    account: str | None
    cards: tuple[WantedCard, ...]
    media_urls: tuple[str, ...] = ()
    when: When | None = None
    jitter: timedelta = timedelta()

    @property
    def scope(self) -> Scope:
        return Scope.DRAFTS_WRITE if self.when is None else Scope.PUBLISH_DIRECT


async def preview(perch: Perch, asker: Asker, order: Order) -> tuple[Checked, Due | None]:
    """What would be found, and when it would be due. Fetches nothing and writes nothing."""
    asker.require(order.scope)
    async with perch.db.read() as session:
        checked = await checked_for(session, perch, asker, order)
        due = order.when and await dues.resolve(session, perch.clock, checked.account, order.when)
        return checked, due or None


async def accept(
    perch: Perch, asker: Asker, order: Order, key: repeats.Key | None = None, *, patience: float | None = None
) -> Post:
    """The post of this order; the same key gives the same post, and fetches its media once.

    ``patience`` bounds the fetching of media, in seconds.
    Raises NotAllowed, WhichAccount, RuleBroken, KeyReused, StillRunning, and what fetching raises.
    """
    asker.require(order.scope)
    async with _turn(key):
        if key is not None and (post := await _earlier(perch, key)) is not None:
            return post
        if order.media_urls:
            order = await _with_fetched_media(perch, asker, order, patience)
        return await _written(perch, asker, order, key)


async def account_for(session: AsyncSession, perch: Perch, asker: Asker, name: str | None) -> XAccount:
    """The account an order is for. Raises NotHere, AmbiguousHandle, NotAllowed, WhichAccount."""
    if name is not None:
        account = await accounts.account_named(session, asker.workspace_id, name)
        asker.require_account(account.id)
        return account
    if asker.account_id is not None:
        return await accounts.account_with_id(session, asker.account_id)
    return await _only_account(session, perch, asker)


async def _only_account(session: AsyncSession, perch: Perch, asker: Asker) -> XAccount:
    there = await accounts.accounts_of(session, asker.workspace_id, perch.clock.now())
    connected = [view for view in there if view.disconnected_at is None]
    if len(connected) == 1:
        return await accounts.account_with_id(session, connected[0].id)
    if connected:
        names = ", ".join(f"@{view.username} ({view.public_id})" for view in connected)
        raise WhichAccount("Several X accounts are connected here.", fix=f"Name one in 'account': {names}.")
    raise WhichAccount("No X account is connected here.", fix="Sign in with X to connect one.")


async def _written(perch: Perch, asker: Asker, order: Order, key: repeats.Key | None) -> Post:
    async with perch.db.write() as session:
        checked = await checked_for(session, perch, asker, order)
        return await scheduling.accept(
            session, perch.clock, perch.engine, checked, order.when, key=key, jitter=order.jitter
        )


async def checked_for(session: AsyncSession, perch: Perch, asker: Asker, order: Order) -> Checked:
    """What is known of an order's content. Raises what ``draft_for`` raises."""
    draft = await draft_for(session, perch, asker, order)
    account = await accounts.account_with_id(session, draft.account_id)
    app = await accounts.app_with_id(session, account.app_id)
    return await scheduling.check(session, perch.clock, draft, app.plan)


async def draft_for(session: AsyncSession, perch: Perch, asker: Asker, order: Order) -> Draft:
    """An order's content for its account. Raises what ``account_for`` raises, and MediaUnknown."""
    account = await account_for(session, perch, asker, order.account)
    cards = tuple([await _card(session, asker, card) for card in order.cards])
    return Draft(asker.workspace_id, account.id, asker.author, cards)


async def _card(session: AsyncSession, asker: Asker, card: WantedCard) -> DraftSegment:
    wanted = [media.asset_id for media in card.media]
    found = await assets_by_public_ids(session, asker.workspace_id, wanted)
    there = {asset.public_id: asset for asset in found}
    if missing := [asset_id for asset_id in wanted if asset_id not in there]:
        raise MediaUnknown(f"There is no media {missing[0]} in this workspace.", fix="Look in the library.")
    return DraftSegment(
        card.text,
        tuple(
            DraftMedia(
                media.asset_id,
                there[media.asset_id].alt_text if media.alt_text is None else media.alt_text,
            )
            for media in card.media
        ),
    )


async def _with_fetched_media(perch: Perch, asker: Asker, order: Order, patience: float | None) -> Order:
    async with perch.db.read() as session:
        # An account or library media that are not there are told before anything is fetched.
        await checked_for(session, perch, asker, order)
    fetched = await _fetched(perch, asker, order.media_urls, patience)
    first, *rest = order.cards
    return replace(order, cards=(replace(first, media=(*first.media, *fetched)), *rest))


async def _fetched(
    perch: Perch, asker: Asker, urls: tuple[str, ...], patience: float | None
) -> list[WantedMedia]:
    allow, workspace_id = perch.settings.fetch_allow, asker.workspace_id
    try:
        async with asyncio.timeout(patience):
            assets = [
                await from_url(perch.db.write, perch.clock, perch.store, workspace_id, url, allow)
                for url in urls
            ]
    except TimeoutError as error:
        raise FetchFailed("The media did not arrive in time.") from error
    return [WantedMedia(asset.public_id) for asset in assets]


async def _earlier(perch: Perch, key: repeats.Key) -> Post | None:
    async with perch.db.read() as session:
        post_id = await repeats.known(session, perch.clock, key)
        return None if post_id is None else await queries.post_by_id(session, post_id)


_turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()


@asynccontextmanager
async def _turn(key: repeats.Key | None) -> AsyncIterator[None]:
    """One of several equal requests fetches media, the others wait for it and find its post."""
    if key is None:
        yield
        return
    lock = _turns.setdefault(f"{key.owner} {key.value}", asyncio.Lock())
    async with lock:
        yield

"""The receipt of a post: what readers see, what happened, and what a person may do about it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from perch.accounts.models import AppKind
from perch.budget.prices import Price
from perch.people.roles import Action, may, require
from perch.people.sessions import Visitor
from perch.posts import changing, queries, receipts, resuming, settling
from perch.posts.errors import PostNotFound
from perch.posts.models import Post, PostState, SegmentState
from perch.posts.receipts import Line, Receipt
from perch.settings import Settings
from perch.web import forms, states
from perch.web.deps import Composition, Framed, Signed
from perch.web.pages import faces
from perch.web.pages.faces import Face
from perch.web.pages.sheet import Shown, shown
from perch.web.pages.ways import PLACE
from perch.web.rendering import page
from perch.web.speech import Piece, pieces
from perch.web.states import State
from perch.web.times import Wall, machine, wall

router = APIRouter()
_MOVING = (PostState.SCHEDULED, PostState.PUBLISHING)
_ENDED_UNSAID = (PostState.REFUSED, PostState.CANCELLED)
_TONES = {
    "answered": "good",
    "settled": "good",
    "refused": "bad",
    "unknown": "bad",
    "paused": "bad",
    "login_refused": "bad",
}
_SUBJECT_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Link:
    """Where readers find the post."""

    href: str
    word: str


@dataclass(frozen=True, slots=True)
class Why:
    """Why the post stands where it does, and what to do."""

    sentence: str
    fix: str
    tone: str


@dataclass(frozen=True, slots=True)
class Choices:
    """What only a person can tell: whether a card is out there."""

    card: int
    profile_href: str
    example: str


@dataclass(frozen=True, slots=True)
class CardView:
    """One card as readers see it."""

    state: State
    pieces: tuple[Piece, ...]
    media: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class EventView:
    """One line of the story."""

    at: str
    time: str
    words: str
    tone: str


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """The page. ``refresh_href`` is empty once nothing moves by itself any more."""

    id: str
    subject: str
    state: State
    refresh_href: str
    links: tuple[Link, ...]
    why: Why | None
    choices: Choices | None
    account: Face
    cards: tuple[CardView, ...]
    events: tuple[EventView, ...]
    chain_holds: bool
    day: str
    due: str
    zone: str
    price: str
    author: str
    can_cancel: bool
    can_resume: bool
    rewrite_href: str


@router.get("/posts/{public_id}")
async def show(public_id: str, request: Request, perch: Composition, who: Signed, frame: Framed) -> Response:
    """The receipt."""
    async with perch.db.read() as session:
        receipt = await receipts.read(session, who.workspace_id, public_id)
    view = view_of(receipt, perch.settings, perch.clock.now(), may_publish=may(who.role, Action.PUBLISH))
    return page(request, "receipt.html", frame, view)


@router.get("/posts/{public_id}/now")
async def now(
    public_id: str, request: Request, perch: Composition, who: Signed, frame: Framed, seen: str = ""
) -> Response:
    """The receipt's moving part; 204 while nothing is new, so that a reader's page stays as it is."""
    async with perch.db.read() as session:
        receipt = await receipts.read(session, who.workspace_id, public_id)
    if seen == _mark(receipt):
        return Response(status_code=204)
    view = view_of(receipt, perch.settings, perch.clock.now(), may_publish=may(who.role, Action.PUBLISH))
    return page(request, "pieces/receipt_now.html", frame, view)


async def _publisher(who: Signed) -> Visitor:
    require(who.role, Action.PUBLISH)
    return who


Publisher = Annotated[Visitor, Depends(_publisher)]


@router.post("/posts/{public_id}/cancel")
async def cancel(public_id: str, perch: Composition, who: Publisher) -> Response:
    """Stop it before it is sent."""
    async with perch.db.write() as session:
        await changing.cancel(session, perch.clock, await _post(session, who, public_id), who.name)
    return _back(public_id)


@router.post("/posts/{public_id}/resume")
async def resume(public_id: str, perch: Composition, who: Publisher) -> Response:
    """Try a waiting post now."""
    async with perch.db.write() as session:
        post = await _post(session, who, public_id)
        await resuming.resume(session, perch.clock, perch.engine, post, who.name)
    return _back(public_id)


@router.post("/posts/{public_id}/found")
async def found(public_id: str, request: Request, perch: Composition, who: Publisher) -> Response:
    """It is there: its address settles it."""
    address = (await forms.read(request)).text("address")
    async with perch.db.write() as session:
        post = await _post(session, who, public_id)
        await settling.found(session, perch.clock, perch.engine, post, address, who.name)
    return _back(public_id)


@router.post("/posts/{public_id}/again")
async def again(public_id: str, perch: Composition, who: Publisher) -> Response:
    """It is not there: one more attempt."""
    async with perch.db.write() as session:
        post = await _post(session, who, public_id)
        await settling.send_again(session, perch.clock, perch.engine, post, who.name)
    return _back(public_id)


@router.post("/posts/{public_id}/drop")
async def drop(public_id: str, perch: Composition, who: Publisher) -> Response:
    """Give it up."""
    async with perch.db.write() as session:
        await settling.drop(session, perch.clock, await _post(session, who, public_id), who.name)
    return _back(public_id)


def view_of(receipt: Receipt, settings: Settings, now: datetime, *, may_publish: bool) -> ReceiptView:
    """Everything the page shows. Pure."""
    post, clock = receipt.post, wall(receipt.account.zone, now)
    moving = post.state in _MOVING
    return ReceiptView(
        id=post.public_id,
        subject=_subject(receipt),
        state=states.of_post(post.state, paused_reason=post.paused_reason, due_at=post.due_at, now=now),
        refresh_href=f"/posts/{post.public_id}/now?seen={_mark(receipt)}" if moving else "",
        links=_links(receipt),
        why=_why(post, clock),
        choices=_choices(receipt) if may_publish else None,
        account=faces.of_row(receipt.account, receipt.app, settings),
        cards=tuple(_card(card) for card in receipt.cards),
        events=tuple(_event(line, clock) for line in receipt.lines),
        chain_holds=receipt.is_whole,
        day=clock.day(post.due_at or post.created_at),
        due=clock.minute(post.due_at) if post.due_at and post.due_at > now else "",
        zone=clock.name,
        price=_price(receipt),
        author=post.author_name,
        can_cancel=may_publish and post.state == PostState.SCHEDULED,
        can_resume=may_publish and moving and bool(post.paused_reason or post.try_at),
        rewrite_href=f"/compose?again={post.public_id}"
        if may_publish and post.state in _ENDED_UNSAID
        else "",
    )


def _mark(receipt: Receipt) -> str:
    return f"{receipt.post.state}-{len(receipt.lines)}"


def _subject(receipt: Receipt) -> str:
    words = " ".join(receipt.cards[0].segment.text.split()) if receipt.cards else ""
    return words if len(words) <= _SUBJECT_CHARACTERS else f"{words[:_SUBJECT_CHARACTERS].rstrip()}…"


def _links(receipt: Receipt) -> tuple[Link, ...]:
    place = PLACE[AppKind(receipt.app.kind)]
    urls = [receipt.url(card) for card in receipt.cards]
    first = next((url for url in urls if url), None)
    return (Link(first, f"Open on {place}"),) if first else ()


def _why(post: Post, clock: Wall) -> Why | None:
    if not post.why:
        return None
    if post.state in _MOVING and post.try_at and not post.paused_reason:
        return Why(post.why, f"The next try is at {clock.moment(post.try_at)}.", "wait")
    # The three ways below the sentence are the fix of a post that is in question.
    return Why(post.why, "" if post.state == PostState.NEEDS_YOU else post.fix or "", "warn")


def _choices(receipt: Receipt) -> Choices | None:
    if receipt.post.state != PostState.NEEDS_YOU:
        return None
    unsure = [card for card in receipt.cards if card.segment.state == SegmentState.NEEDS_YOU]
    example = receipts.permalink(receipt.app, receipt.account.username, "1990000000000000000")
    return Choices(
        card=unsure[0].segment.position + 1 if len(receipt.cards) > 1 and unsure else 0,
        profile_href=example.partition("/status/")[0],
        example=example,
    )


def _card(card: queries.Card) -> CardView:
    return CardView(
        state=states.of_card(card.segment.state),
        pieces=pieces(card.segment.text),
        media=shown((asset, placed.alt_text) for placed, asset in card.media),
    )


def _event(line: Line, clock: Wall) -> EventView:
    return EventView(machine(line.at), clock.second(line.at), line.sentence, _TONES.get(line.kind, ""))


def _price(receipt: Receipt) -> str:
    spent = receipt.spent
    if spent.micros:
        return f"{spent.show()} spent"
    price = Price(receipt.post.price_micros).show()
    if receipt.post.state in _MOVING:
        return f"{price} when it goes out, nothing spent yet"
    return f"{price} if it is there" if receipt.post.state == PostState.NEEDS_YOU else "nothing spent"


async def _post(session: AsyncSession, who: Visitor, public_id: str) -> Post:
    post = await queries.post_by_public_id(session, who.workspace_id, public_id)
    if post is None:
        raise PostNotFound("There is no such post here.", fix="Look for it in the queue.")
    return post


def _back(public_id: str) -> Response:
    return RedirectResponse(f"/posts/{public_id}", status_code=303)

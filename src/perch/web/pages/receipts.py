"""The receipt of a post: what readers see, what happened, and what a person may do about it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from perch.accounts.models import AppKind
from perch.budget.prices import Charge, Price, price_of
from perch.people.roles import Action, may
from perch.posts import queries, receipts
from perch.posts.models import PostState, SegmentState
from perch.posts.receipts import Receipt
from perch.posts.retrying import PauseReason
from perch.posts.telling import Line
from perch.settings import Settings
from perch.web import states
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
_OPEN = (PostState.SCHEDULED, PostState.PUBLISHING)
_ENDED_UNSAID = (PostState.REFUSED, PostState.CANCELLED)
_GOOD = ("answered", "found", "settled", "deleted")
_BAD = ("refused", "unknown", "needs_you", "paused", "login_refused", "missed", "delete_refused")
_TONES = {**dict.fromkeys(_GOOD, "good"), **dict.fromkeys(_BAD, "bad")}
_PAUSED: Mapping[str, tuple[str, str]] = {
    PauseReason.CREDITS: (
        "The X app may not spend more, so all its posts wait.",
        "Top up credits or raise the limit at console.x.com, then press Try now.",
    ),
    PauseReason.LOGIN: (
        "The account needs a new sign-in, so its posts wait.",
        "Open Accounts and sign in again; what waits goes out after that.",
    ),
    PauseReason.APP: (
        "X refuses the X app, so all its posts wait.",
        "An operator has to mend the app’s settings; then press Try now.",
    ),
    PauseReason.ACCOUNT: (
        "X has suspended or locked the account, so its posts wait.",
        "Open x.com as this account and follow what it says; then press Try now.",
    ),
}
_PAUSED_SOMEHOW = ("It waits until something else is mended.", "Look at Accounts; then press Try now.")
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
class Ways:
    """The ways out of a thread that broke. ``next_card`` is 0 when nothing may follow what is out."""

    next_card: int
    unsent: int


@dataclass(frozen=True, slots=True)
class Removal:
    """What deleting on X would take away, and its price."""

    live: int
    price: str


@dataclass(frozen=True, slots=True)
class Timing:
    """The ways to another time; ``at`` and ``first`` are readings of the account's wall clock."""

    is_missed: bool
    at: str
    first: str
    zone: str


@dataclass(frozen=True, slots=True)
class CardView:
    """One card as readers see it."""

    state: State
    pieces: tuple[Piece, ...]
    media: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class EventView:
    """One line of the story. ``day`` is named where another one begins."""

    at: str
    day: str
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
    ways: Ways | None
    removal: Removal | None
    timing: Timing | None
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


def view_of(receipt: Receipt, settings: Settings, now: datetime, *, may_publish: bool) -> ReceiptView:
    """Everything the page shows. Pure."""
    post, clock, standing = receipt.post, wall(receipt.account.zone, now), receipt.standing
    return ReceiptView(
        id=post.public_id,
        subject=_subject(receipt),
        state=states.of_post(standing, now),
        refresh_href=f"/posts/{post.public_id}/now?seen={_mark(receipt)}" if standing.is_moving else "",
        links=_links(receipt),
        why=_why(receipt, clock, now),
        choices=_choices(receipt) if may_publish else None,
        ways=_ways(receipt) if may_publish else None,
        removal=_removal(receipt, settings, now) if may_publish else None,
        timing=_timing(receipt, clock, now) if may_publish else None,
        account=faces.of_row(receipt.account, receipt.app, settings),
        cards=tuple(_card(receipt, card) for card in receipt.cards),
        events=tuple(_events(receipt.lines, clock)),
        chain_holds=receipt.is_whole,
        day=clock.day(post.due_at or post.created_at),
        due=clock.minute(post.due_at) if post.due_at and post.due_at > now else "",
        zone=clock.name,
        price=_price(receipt),
        author=post.author_name,
        can_cancel=may_publish and post.state == PostState.SCHEDULED,
        can_resume=may_publish and _may_try(receipt, now),
        rewrite_href=f"/compose?again={post.public_id}"
        if may_publish and (post.state in _ENDED_UNSAID or standing.is_deleted)
        else "",
    )


def _may_try(receipt: Receipt, now: datetime) -> bool:
    """Whether trying at once changes anything. X's rate window opens when it opens."""
    post, standing = receipt.post, receipt.standing
    if post.state not in _OPEN or (standing.rests_until and standing.rests_until > now):
        return False
    return standing.is_paused(now) or bool(post.try_at)


def _mark(receipt: Receipt) -> str:
    """Another one whenever the page would look different."""
    standing = receipt.standing
    held = (
        f"{standing.paused_reason}-{standing.rests_until}" if standing.paused_reason else standing.rests_until
    )
    return f"{receipt.post.state}-{len(receipt.lines)}-{held or ''}"


def _subject(receipt: Receipt) -> str:
    words = " ".join(receipt.cards[0].segment.text.split()) if receipt.cards else ""
    return words if len(words) <= _SUBJECT_CHARACTERS else f"{words[:_SUBJECT_CHARACTERS].rstrip()}…"


def _links(receipt: Receipt) -> tuple[Link, ...]:
    place = PLACE[AppKind(receipt.app.kind)]
    urls = [receipt.url(card) for card in receipt.cards]
    first = next((url for url in urls if url), None)
    return (Link(first, f"Open on {place}"),) if first else ()


def _why(receipt: Receipt, clock: Wall, now: datetime) -> Why | None:
    post, standing = receipt.post, receipt.standing
    paused = standing.paused_reason if standing.is_paused(now) else None
    if standing.rests_until and standing.rests_until > now and (post.due_at is None or post.due_at <= now):
        until = clock.moment(standing.rests_until)
        return Why(f"X takes no more posts for now: this one waits until {until}.", "", "wait")
    if not post.why:
        return Why(*_PAUSED.get(paused, _PAUSED_SOMEHOW), "warn") if paused else None
    again_at = _again_at(receipt)
    if again_at and not paused:
        return Why(post.why, f"The next try is at {clock.moment(again_at)}.", "wait")
    if standing.is_checking:
        return Why(post.why, post.fix or "", "wait")
    # The three ways below the sentence are the fix of a post that is in question.
    return Why(post.why, "" if post.state == PostState.NEEDS_YOU else post.fix or "", "warn")


def _again_at(receipt: Receipt) -> datetime | None:
    """When Perch tries by itself again, to send or to delete."""
    if receipt.post.state in _OPEN:
        return receipt.post.try_at
    return max((card.segment.delete_at for card in receipt.cards if card.segment.delete_at), default=None)


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


def _ways(receipt: Receipt) -> Ways | None:
    if receipt.post.state != PostState.PARTLY_PUBLISHED or receipt.standing.is_deleting:
        return None
    segments = [card.segment for card in receipt.cards]
    unsent = [one for one in segments if one.state != SegmentState.PUBLISHED]
    first = unsent[0]
    parent = segments[first.position - 1]
    may_follow = parent.x_post_id and not receipt.standing.deleted and first.state != SegmentState.DROPPED
    return Ways(next_card=first.position + 1 if may_follow else 0, unsent=len(unsent))


def _removal(receipt: Receipt, settings: Settings, now: datetime) -> Removal | None:
    standing = receipt.standing
    may_delete = standing.state in (PostState.PUBLISHED, PostState.PARTLY_PUBLISHED)
    if not may_delete or standing.is_deleting or not standing.live:
        return None
    price = price_of(Charge.INTERACTION_DELETE, at=now.date(), plan=settings.x_plan, times=standing.live)
    return Removal(standing.live, price.show())


def _timing(receipt: Receipt, clock: Wall, now: datetime) -> Timing | None:
    post = receipt.post
    is_missed = post.state == PostState.MISSED
    waits = post.state == PostState.SCHEDULED and post.due_at is not None and post.due_at > now
    if not is_missed and not waits:
        return None
    at = "" if is_missed or post.due_at is None else clock.reading(post.due_at)
    return Timing(is_missed=is_missed, at=at, first=clock.reading(now), zone=clock.name)


def _card(receipt: Receipt, card: queries.Card) -> CardView:
    return CardView(
        state=states.of_card(card.segment, is_checking=card.segment.id in receipt.checking),
        pieces=pieces(card.segment.text),
        media=shown((asset, placed.alt_text) for placed, asset in card.media),
    )


def _events(lines: Sequence[Line], clock: Wall) -> Iterator[EventView]:
    days = [clock.day(line.at) for line in lines]
    before = days[-1] if days else ""  # a story of a single day needs no name for it
    for line, day in zip(lines, days, strict=True):
        named = day if day != before else ""
        before = day
        yield EventView(
            machine(line.at), named, clock.second(line.at), line.sentence, _TONES.get(line.kind, "")
        )


def _price(receipt: Receipt) -> str:
    spent = receipt.spent
    if spent.micros:
        return f"{spent.show()} spent"
    price = Price(receipt.post.price_micros).show()
    if receipt.post.state in _OPEN:
        return f"{price} when it goes out, nothing spent yet"
    return f"{price} if it is there" if receipt.post.state == PostState.NEEDS_YOU else "nothing spent"

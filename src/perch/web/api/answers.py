"""What programs are told of posts and accounts: each field is listed here, nothing else leaves."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel

from perch.accounts.health import AccountView
from perch.accounts.models import AppKind, XAccount
from perch.budget.prices import Price
from perch.media.models import MediaKind
from perch.posts import rules
from perch.posts.dues import Due
from perch.posts.findings import Finding, Severity
from perch.posts.queries import Card, Listed
from perch.posts.receipts import Receipt, permalink
from perch.posts.scheduling import Checked
from perch.text import weigh
from perch.web.api.problems import Remark, remarks


class AccountName(BaseModel):
    """The X account of a post."""

    id: str
    handle: str


class Media(BaseModel):
    """An asset on a card."""

    id: str
    kind: str
    alt_text: str


class Segment(BaseModel):
    """One post of a thread; url is where readers find it once it is out, until deleted_at."""

    position: int
    text: str
    weight: int
    media: list[Media]
    x_post_id: str | None
    url: str | None
    state: str
    deleted_at: datetime | None


class CheckedSegment(BaseModel):
    """One post of a thread that was only checked."""

    position: int
    text: str
    weight: int
    price_usd: float


class Post(BaseModel):
    """A post. url is its receipt; hold says why it waits, was refused, or needs a person.

    local_time is what the wall clock in its zone shows when it is due; null where an instant was named.
    checking: X did not answer, and Perch looks whether it is there. deleting: X is being asked to delete it.
    paused and rests_until may be the post's own, its account's or the X app's.
    """

    id: str
    state: str
    checking: bool
    deleting: bool
    url: str
    account: AccountName
    segments: list[Segment]
    created_at: datetime
    version: int
    due_at: datetime | None
    local_time: str | None
    zone: str | None
    jitter_seconds: int
    try_at: datetime | None
    paused: str | None
    rests_until: datetime | None
    hold: Remark | None
    price_usd: float
    spent_usd: float
    warnings: list[Remark]


class Event(BaseModel):
    """One line of a post's story."""

    at: datetime
    kind: str
    sentence: str


class PostWithStory(Post):
    """A post and everything that happened to it. is_whole: no line was changed or removed since."""

    events: list[Event]
    is_whole: bool


class DryRun(BaseModel):
    """What would be found; errors would refuse it."""

    state: str = "dry_run"
    account: AccountName
    segments: list[CheckedSegment]
    due_at: datetime | None
    price_usd: float
    warnings: list[Remark]
    errors: list[Remark]


class ListedPost(BaseModel):
    """A post in a list, with the text of its first card."""

    id: str
    state: str
    checking: bool
    deleting: bool
    url: str
    account: AccountName
    text: str
    cards: int
    x_post_id: str | None
    x_url: str | None
    created_at: datetime
    due_at: datetime | None
    paused: str | None
    price_usd: float


class Page(BaseModel):
    """The newest posts; next_cursor continues below them. A page may be shorter than its limit."""

    posts: list[ListedPost]
    next_cursor: str | None


class Account(BaseModel):
    """An X account, without anything that opens it."""

    id: str
    handle: str
    name: str
    x: str
    healthy: bool
    missing_scopes: list[str]
    warnings: list[str]


class Accounts(BaseModel):
    """The accounts of a workspace."""

    accounts: list[Account]


def post(receipt: Receipt, origin: str) -> PostWithStory:
    """A post with its story."""
    row, standing = receipt.post, receipt.standing
    return PostWithStory(
        id=row.public_id,
        state=row.state,
        checking=standing.is_checking,
        deleting=standing.is_deleting,
        url=receipt_url(origin, row.public_id),
        account=_name(receipt.account),
        segments=[_segment(receipt, card) for card in receipt.cards],
        created_at=row.created_at,
        version=row.version,
        due_at=row.due_at,
        local_time=row.local_time,
        zone=row.zone,
        jitter_seconds=row.jitter_s,
        try_at=row.try_at,
        paused=standing.paused_reason,
        rests_until=standing.rests_until,
        hold=Remark(rule=row.rule, position=0, detail=row.why, fix=row.fix) if row.why else None,
        price_usd=_usd(row.price_micros),
        spent_usd=_usd(receipt.spent.micros),
        warnings=_warnings(receipt),
        events=[Event(at=line.at, kind=line.kind, sentence=line.sentence) for line in receipt.lines],
        is_whole=receipt.is_whole,
    )


def dry_run(checked: Checked, due: Due | None, media_urls: Sequence[str]) -> DryRun:
    """What a check found. Media behind addresses were not fetched, so nothing is said of them."""
    errors = [found for found in checked.findings if found.severity is Severity.ERROR]
    warnings = [found for found in checked.findings if found.severity is Severity.WARNING]
    if media_urls:
        errors = [found for found in errors if (found.rule, found.position) != (_NOTHING_TO_POST, 0)]
    return DryRun(
        account=_name(checked.account),
        segments=[_checked(checked, position) for position in range(len(checked.quotes))],
        due_at=due.at if due else None,
        price_usd=_usd(checked.price_micros),
        warnings=remarks(warnings) + _about(due) + ([_UNFETCHED] if media_urls else []),
        errors=remarks(errors),
    )


def page(listed: Sequence[Listed], origin: str, next_cursor: str | None) -> Page:
    """A page of posts."""
    return Page(posts=[_listed(found, origin) for found in listed], next_cursor=next_cursor)


def account(view: AccountView) -> Account:
    """An account as programs see it."""
    return Account(
        id=view.public_id,
        handle=f"@{view.username}",
        name=view.name,
        x=AppKind(view.app_kind),
        healthy=view.is_connected and view.paused_reason is None,
        missing_scopes=list(view.missing_scopes),
        warnings=list(view.warnings),
    )


def receipt_url(origin: str, public_id: str) -> str:
    """The page with a post's receipt."""
    return f"{origin}/posts/{public_id}"


def _about(due: Due | None) -> list[Remark]:
    """What is worth knowing of the time."""
    return [Remark(rule=None, position=0, detail=due.shift, fix=None)] if due and due.shift else []


_NOTHING_TO_POST = "X009"
_UNFETCHED = Remark(
    rule=None,
    position=0,
    detail="What media_urls lead to is not fetched in a dry run, so it was not checked.",
    fix=None,
)


def _name(row: XAccount) -> AccountName:
    return AccountName(id=row.public_id, handle=f"@{row.username}")


def _segment(receipt: Receipt, card: Card) -> Segment:
    row = card.segment
    return Segment(
        position=row.position,
        text=row.text,
        weight=row.weight,
        media=[
            Media(id=asset.public_id, kind=asset.kind, alt_text=placed.alt_text)
            for placed, asset in card.media
        ],
        x_post_id=row.x_post_id,
        url=receipt.url(card),
        state=row.state,
        deleted_at=row.deleted_at,
    )


def _checked(checked: Checked, position: int) -> CheckedSegment:
    text = checked.draft.segments[position].text
    return CheckedSegment(
        position=position,
        text=text,
        weight=weigh(text).weighted_length,
        price_usd=_usd(checked.quotes[position].total.micros),
    )


def _warnings(receipt: Receipt) -> list[Remark]:
    """Derived from what is stored, so that a repeated request is answered in the same words."""
    cards = [
        rules.Card(
            card.segment.text,
            tuple(MediaKind(asset.kind) for _, asset in card.media),
            tuple(placed.alt_text for placed, _ in card.media),
        )
        for card in receipt.cards
    ]
    found: Sequence[Finding] = rules.check(cards)
    return remarks([finding for finding in found if finding.severity is Severity.WARNING])


def _listed(found: Listed, origin: str) -> ListedPost:
    row, first = found.post, found.first
    return ListedPost(
        id=row.public_id,
        state=row.state,
        checking=found.standing.is_checking,
        deleting=found.standing.is_deleting,
        url=receipt_url(origin, row.public_id),
        account=_name(found.account),
        text=first.text,
        cards=found.cards,
        x_post_id=first.x_post_id,
        x_url=_x_url(found),
        created_at=row.created_at,
        due_at=row.due_at,
        paused=found.standing.paused_reason,
        price_usd=_usd(row.price_micros),
    )


def _x_url(found: Listed) -> str | None:
    first = found.first
    if first.x_post_id is None or first.deleted_at:
        return None
    return permalink(found.app, found.account.username, first.x_post_id)


def _usd(micros: int) -> float:
    return float(Price(micros).usd)

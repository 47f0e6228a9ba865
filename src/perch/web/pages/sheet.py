"""What lies on the composer's desk: the sheet as it was sent, and the view that shows it again. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from perch.budget.prices import Price
from perch.media.models import Asset
from perch.posts.drafting import Author, Draft, DraftMedia, DraftSegment
from perch.posts.errors import WrongTime
from perch.posts.findings import Finding, Severity
from perch.posts.receipts import Receipt
from perch.posts.rules import LONGEST_READ
from perch.posts.scheduling import Checked
from perch.text import weigh
from perch.web.forms import Form, wall_time
from perch.web.pages.faces import Face
from perch.web.pages.library import ACCEPT, fallback, note, preview_url
from perch.web.speech import Piece, pieces
from perch.web.times import Wall

SLOTS = 4
_NEAR = 20


@dataclass(frozen=True, slots=True)
class Placed:
    """A file on the sheet: an asset of the library and its description."""

    asset_id: str = ""
    alt_text: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """The composer's form. ``key`` makes a form that is sent twice one post.

    ``at`` is when, on the wall of the account's zone, as browsers write it; empty means now.
    """

    account_id: str
    text: str
    key: str
    placed: tuple[Placed, ...] = (Placed(),) * SLOTS
    at: str = ""

    @property
    def is_blank(self) -> bool:
        return not self.text.strip() and not any(place.asset_id for place in self.placed)

    def draft(self, workspace_id: int, account_id: int, author: Author) -> Draft:
        """What the sheet says, as the posts room takes it."""
        media = tuple(
            DraftMedia(place.asset_id, place.alt_text.strip()) for place in self.placed if place.asset_id
        )
        return Draft(workspace_id, account_id, author, (DraftSegment(self.text, media),))


def read(form: Form) -> Sheet:
    """The sheet in a form; files are not on it before the library has them."""
    placed = tuple(Placed(form.name(f"asset_{place}"), form.text(f"alt_{place}")) for place in range(SLOTS))
    removed = form.text("remove")
    kept = tuple(Placed() if str(place) == removed else one for place, one in enumerate(placed))
    return Sheet(form.name("account"), form.text("text"), form.name("compose_key"), kept, form.text("at"))


def again(receipt: Receipt, key: str) -> Sheet:
    """The first card of an earlier post as a new sheet."""
    card = receipt.cards[0]
    kept = [Placed(asset.public_id, placed.alt_text) for placed, asset in card.media][:SLOTS]
    empty = [Placed()] * (SLOTS - len(kept))
    return Sheet(receipt.account.public_id, card.segment.text, key, (*kept, *empty))


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the sheet came back, and what to do."""

    sentence: str
    fix: str


@dataclass(frozen=True, slots=True)
class Timing:
    """When it is to go out. ``action`` says what the button does, ``first`` is the earliest choice."""

    at: str
    first: str
    zone: str
    action: str
    has_slots: bool


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a file."""

    index: int
    asset_id: str
    preview_url: str
    alt_text: str
    note: str


@dataclass(frozen=True, slots=True)
class Meter:
    """Count and price. ``percent`` fills the ring, ``tone`` says how full it is."""

    weight: int
    limit: int
    percent: int
    tone: str
    price: str
    why: str
    tally: str


@dataclass(frozen=True, slots=True)
class Remark:
    """A finding. ``stops``: X would refuse the post."""

    rule: str
    sentence: str
    fix: str
    stops: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A file as readers will see it."""

    preview_url: str
    alt_text: str
    fallback: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class ComposeView:
    """The composer's page. ``account`` is None while none is connected, and then nothing else is shown."""

    accounts: tuple[Face, ...]
    account: Face | None
    key: str
    text: str
    slots: tuple[Slot, ...]
    meter: Meter
    findings: tuple[Remark, ...]
    pieces: tuple[Piece, ...]
    media: tuple[Shown, ...]
    problem: Problem | None
    timing: Timing
    accept: str = ACCEPT


NO_METER = Meter(0, 280, 0, "", "", "", "")
NO_TIMING = Timing("", "", "", "", has_slots=False)


def without_accounts() -> ComposeView:
    """Nothing can be composed before an account is connected."""
    return ComposeView((), None, "", "", (), NO_METER, (), (), (), None, NO_TIMING)


def view_of(
    sheet: Sheet,
    checked: Checked,
    faces: tuple[Face, ...],
    account: Face,
    problem: Problem | None,
    timing: Timing,
) -> ComposeView:
    """The page that shows a checked sheet."""
    assets = {asset.public_id: asset for asset in checked.assets[0]}
    return ComposeView(
        accounts=faces,
        account=account,
        key=sheet.key,
        text=sheet.text,
        slots=tuple(_slot(index, place, assets) for index, place in enumerate(sheet.placed)),
        meter=_meter(checked),
        findings=() if sheet.is_blank else tuple(_remark(finding) for finding in checked.findings),
        pieces=pieces(checked.draft.segments[0].text[:LONGEST_READ]),
        media=shown(
            (asset, media.alt_text)
            for asset, media in zip(checked.assets[0], checked.draft.segments[0].media, strict=True)
        ),
        problem=problem,
        timing=timing,
    )


def timing_of(at: str, clock: Wall, now: datetime, *, has_slots: bool) -> Timing:
    """What the button will do. A time that cannot be read is told when the button is pressed."""
    try:
        chosen: datetime | None = wall_time(at)
    except WrongTime:
        chosen = None
    action = f"Schedule for {chosen:%a} {chosen.day} {chosen:%b %H:%M} from" if chosen else "Post now to"
    first = f"{now.astimezone(clock.zone):%Y-%m-%dT%H:%M}"
    return Timing(at, first, clock.name, action, has_slots)


def shown(described: Iterable[tuple[Asset, str]]) -> tuple[Shown, ...]:
    """Files as readers will see them, each with its description."""
    return tuple(
        Shown(preview_url(asset), alt_text, fallback(asset), asset.width, asset.height)
        for asset, alt_text in described
    )


def _slot(index: int, place: Placed, assets: Mapping[str, Asset]) -> Slot:
    asset = assets.get(place.asset_id)
    if asset is None:
        return Slot(index, "", "", place.alt_text, "")
    return Slot(index, asset.public_id, preview_url(asset), place.alt_text, note(asset))


def _meter(checked: Checked) -> Meter:
    limit = checked.limit
    text = checked.draft.segments[0].text
    weight = len(text) if len(text) > LONGEST_READ else weigh(text, limit=limit).weighted_length
    total = checked.quotes[0].total
    return Meter(
        weight=weight,
        limit=limit,
        percent=min(100, weight * 100 // limit),
        tone="over" if weight > limit else "near" if weight > limit - _NEAR else "",
        price=Price(checked.price_micros).show(),
        why=f"{total.why[:1].upper()}{total.why[1:]}." if total.why else "",
        tally=_tally(len(checked.assets[0])),
    )


def _tally(files: int) -> str:
    if not files:
        return "for 1 post"
    return "for 1 post with 1 file" if files == 1 else f"for 1 post with {files} files"


def _remark(finding: Finding) -> Remark:
    return Remark(finding.rule, finding.sentence, finding.fix, finding.severity is Severity.ERROR)

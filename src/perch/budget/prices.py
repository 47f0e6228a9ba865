"""What X charges: dated data, so that a new price is one new row, and the sentence that explains a price."""

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from perch.settings import Plan
from perch.text import find_urls, normalised

_MICROS = 1_000_000


class Charge(StrEnum):
    """What X charges for, by the request or the thing read; the value begins the sentence about its price."""

    POST = "a post without a link costs"
    POST_WITH_URL = "a link makes this post"
    SUMMONED_REPLY = "a reply its author asked for costs"
    MEDIA_METADATA = "describing media costs"
    POST_READ = "reading posts costs"
    USER_READ = "reading users costs"
    OWNED_READ = "reading your own posts costs"
    INTERACTION_DELETE = "deleting a post costs"


@dataclass(frozen=True, slots=True)
class _Row:
    charge: Charge
    micros: int
    valid_from: date
    source: str


_LAUNCH = (date(2026, 2, 6), "press reports of the day pay-per-use opened: one cent a post, whatever it says")
_REVISION = (
    date(2026, 4, 20),
    "X's pricing page (docs.x.com/x-api/getting-started/pricing) since its revision",
)

_ROWS = (
    _Row(Charge.POST, 10_000, *_LAUNCH),
    _Row(Charge.POST, 15_000, *_REVISION),
    _Row(Charge.POST_WITH_URL, 10_000, *_LAUNCH),
    _Row(Charge.POST_WITH_URL, 200_000, *_REVISION),
    _Row(Charge.SUMMONED_REPLY, 10_000, *_REVISION),
    _Row(Charge.MEDIA_METADATA, 5_000, *_REVISION),
    _Row(Charge.POST_READ, 5_000, *_LAUNCH),
    _Row(Charge.USER_READ, 10_000, *_LAUNCH),
    _Row(Charge.OWNED_READ, 5_000, *_LAUNCH),
    _Row(Charge.OWNED_READ, 1_000, *_REVISION),
    _Row(Charge.INTERACTION_DELETE, 10_000, *_REVISION),
)


@dataclass(frozen=True, slots=True)
class Price:
    """An amount in millionths of a US dollar and the sentence that says ``why``."""

    micros: int
    why: str = ""

    @property
    def usd(self) -> Decimal:
        return Decimal(self.micros) / _MICROS

    def show(self) -> str:
        """``$0.015``: tenths of a cent under a dollar, cents from there on."""
        places = Decimal("0.001") if self.micros < _MICROS else Decimal("0.01")
        return f"${self.usd.quantize(places, ROUND_HALF_UP)}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a quote: ``what`` is charged, and its price."""

    what: str
    price: Price


@dataclass(frozen=True, slots=True)
class Quote:
    """What sending one post will cost."""

    total: Price
    lines: tuple[Line, ...]


def price_of(charge: Charge, *, at: date, plan: str, times: int = 1) -> Price:
    """The price of ``times`` charges on the day ``at``, which before the first known price is that price.

    Raises ValueError for a plan that settings do not know.
    """
    if Plan(plan) is not Plan.PAY_PER_USE:
        return Price(0, f"included in the plan {plan}")
    micros = _unit_micros(charge, at) * times
    return Price(micros, f"{charge} {Price(micros).show()}")


def price_of_post(*, has_url: bool, summoned: bool = False, at: date, plan: str) -> Price:
    """The price of creating one post.

    X does not say what a summoned reply with a link costs; the dearer of the two is quoted.
    """
    plain = Charge.SUMMONED_REPLY if summoned else Charge.POST
    return price_of(Charge.POST_WITH_URL if has_url else plain, at=at, plan=plan)


def quote(text: str, *, at: date, plan: str, described_media: int = 0) -> Quote:
    """What sending ``text`` costs, with as many media files as ``described_media`` given an alt text.

    X does not define what its prices take for a link; here it is whatever becomes a t.co link, the bare
    ``example.com`` too.
    """
    urls = find_urls(normalised(text))
    what = f"post with the link {urls[0].text}" if urls else "post"
    lines = [Line(what, price_of_post(has_url=bool(urls), at=at, plan=plan))]
    if described_media:
        described = price_of(Charge.MEDIA_METADATA, at=at, plan=plan, times=described_media)
        lines.append(Line(f"alt text of {described_media} media", described))
    reasons = dict.fromkeys(line.price.why for line in lines)
    return Quote(Price(sum(line.price.micros for line in lines), "; ".join(reasons)), tuple(lines))


def _unit_micros(charge: Charge, at: date) -> int:
    rows = sorted((row for row in _ROWS if row.charge is charge), key=lambda row: row.valid_from)
    valid = [row for row in rows if row.valid_from <= at] or rows[:1]
    return valid[-1].micros

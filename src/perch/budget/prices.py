"""What X charges: dated data, so that a new price is one new row, and the sentence that explains a price."""

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from perch.text import find_urls, normalised

_MICROS = 1_000_000
PAY_PER_USE = "pay-per-use"
_INCLUDING_PLANS = frozenset({"enterprise", "legacy-free", "legacy-basic", "legacy-pro"})


class Charge(StrEnum):
    """What X charges for, a request or a thing read at a time."""

    POST = "post"
    POST_WITH_URL = "post with a link"
    SUMMONED_REPLY = "summoned reply"
    MEDIA_METADATA = "media description"
    POST_READ = "post read"
    USER_READ = "user read"
    OWNED_READ = "owned read"


@dataclass(frozen=True, slots=True)
class _Row:
    charge: Charge
    valid_from: date
    micros: int


# The launch of pay-per-use: post creation at one cent whatever it says, as the press reported it.
_LAUNCH = date(2026, 2, 6)
# X's pricing page (docs.x.com/x-api/getting-started/pricing): links and writes dearer, owned reads cheaper.
_DEARER_LINKS = date(2026, 4, 20)

_ROWS = (
    _Row(Charge.POST, _LAUNCH, 10_000),
    _Row(Charge.POST_WITH_URL, _LAUNCH, 10_000),
    _Row(Charge.SUMMONED_REPLY, _LAUNCH, 10_000),
    _Row(Charge.MEDIA_METADATA, _LAUNCH, 5_000),
    _Row(Charge.POST_READ, _LAUNCH, 5_000),
    _Row(Charge.USER_READ, _LAUNCH, 10_000),
    _Row(Charge.OWNED_READ, _LAUNCH, 5_000),
    _Row(Charge.POST, _DEARER_LINKS, 15_000),
    _Row(Charge.POST_WITH_URL, _DEARER_LINKS, 200_000),
    _Row(Charge.OWNED_READ, _DEARER_LINKS, 1_000),
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
        places = Decimal("0.001") if abs(self.micros) < _MICROS else Decimal("0.01")
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
    """The price of ``times`` charges on the day ``at``; before the first known price, that price."""
    if plan in _INCLUDING_PLANS:
        return Price(0, f"included in the plan {plan}")
    if plan != PAY_PER_USE:
        raise ValueError(f"no such plan: {plan}")
    price = Price(_unit_micros(charge, at) * times)
    count = "a" if times == 1 else f"{times} times a"
    return Price(price.micros, f"{count} {charge} at X: {price.show()}")


def price_of_post(*, has_url: bool, summoned: bool = False, at: date, plan: str) -> Price:
    """The price of creating one post.

    X does not say what a summoned reply with a link costs; the dearer of the two is quoted.
    """
    charge = _charge_of_post(has_url, summoned)
    price = price_of(charge, at=at, plan=plan)
    if price.micros == 0:
        return price
    return Price(price.micros, f"{_REASONS[charge]} {price.show()}")


def quote(text: str, *, at: date, plan: str, described_media: int = 0) -> Quote:
    """What sending ``text`` costs, with as many media files as ``described_media`` given an alt text."""
    urls = find_urls(normalised(text))
    what = f"post with the link {urls[0].text}" if urls else "post"
    lines = [Line(what, price_of_post(has_url=bool(urls), at=at, plan=plan))]
    if described_media:
        price = price_of(Charge.MEDIA_METADATA, at=at, plan=plan, times=described_media)
        lines.append(Line(f"alt text of {described_media} media", price))
    total = sum(line.price.micros for line in lines)
    return Quote(Price(total, "; ".join(dict.fromkeys(line.price.why for line in lines))), tuple(lines))


_REASONS = {
    Charge.POST: "a post without a link costs",
    Charge.POST_WITH_URL: "a link makes this post",
    Charge.SUMMONED_REPLY: "a reply its author asked for costs",
}


def _charge_of_post(has_url: bool, summoned: bool) -> Charge:
    if has_url:
        return Charge.POST_WITH_URL
    return Charge.SUMMONED_REPLY if summoned else Charge.POST


def _unit_micros(charge: Charge, at: date) -> int:
    rows = sorted((row for row in _ROWS if row.charge is charge), key=lambda row: row.valid_from)
    valid = [row for row in rows if row.valid_from <= at] or rows[:1]
    return valid[-1].micros

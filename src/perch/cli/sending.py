"""What ``perch post`` and ``perch thread`` do with a checked draft: show it, or accept it and see it out."""

from datetime import datetime, timedelta

from perch.budget.prices import Price
from perch.cli.beside import dispatch
from perch.cli.output import say, say_json, say_table
from perch.cli.standings import word, zone_of
from perch.cli.whens import when
from perch.errors import PerchError
from perch.posts import receipts
from perch.posts.drafting import Author
from perch.posts.findings import Severity
from perch.posts.models import AuthorKind, PostState
from perch.posts.queries import OPEN_STATES
from perch.posts.receipts import Receipt
from perch.posts.scheduling import Checked, accept
from perch.settings import Settings
from perch.wiring import Perch

THE_COMMAND_LINE = Author(AuthorKind.CLI, "cli", "the command line")
_PATIENCE = timedelta(seconds=40)
_BEGINNING = 50
_UNHAPPY = (PostState.REFUSED, PostState.NEEDS_YOU, PostState.PARTLY_PUBLISHED)


class WrongWish(PerchError):
    """The command's arguments do not fit together."""

    code = "wrong_wish"


async def send(perch: Perch, at: str | None, checked: Checked) -> Receipt:
    """Accept it, and wait a while until it is out. ``at`` is when, as it was typed."""
    now = perch.clock.now()
    due = when(at, now, checked.account.zone)
    async with perch.db.write() as session:
        post = await accept(session, perch.clock, perch.engine, checked, due)
    due_at = post.due_at or now
    if due_at <= perch.clock.now():
        await dispatch(perch, post.account_id)
    return await _until_settled(perch, post.workspace_id, post.public_id, due_at)


async def _until_settled(perch: Perch, workspace_id: int, public_id: str, due_at: datetime) -> Receipt:
    give_up_at = perch.clock.now() + _PATIENCE
    while True:
        async with perch.db.read() as session:
            receipt = await receipts.read(session, workspace_id, public_id)
        now = perch.clock.now()
        waits = receipt.post.paused_reason or receipt.post.try_at or due_at > now
        if receipt.post.state not in OPEN_STATES or waits or now > give_up_at:
            return receipt
        await perch.clock.sleep(0.1)


def report(checked: Checked, *, as_json: bool) -> int:
    """What a dry run found: 0 when it would be posted."""
    price = Price(checked.price_micros)
    broken = any(finding.severity is Severity.ERROR for finding in checked.findings)
    if as_json:
        say_json({
            "would_post": not broken, "price_usd": str(price.usd), "cards": _cards(checked),
            "findings": [
                {"rule": one.rule, "sentence": one.sentence, "fix": one.fix, "card": one.position + 1}
                for one in checked.findings
            ],
        })  # fmt: skip
    else:
        if len(checked.quotes) > 1:
            rows = [
                (str(one["card"]), f"{one['weight']} of {checked.limit}", str(one["price"]), str(one["text"]))
                for one in _cards(checked)
            ]
            say_table(("card", "length", "price", "begins"), rows)
        say(
            f"Would post for {price.show()}. Nothing was sent."
            if not broken
            else "X would refuse it. Nothing was sent."
        )
        say(*(f"{one.rule} {one.sentence} {one.fix}" for one in checked.findings))
    return 1 if broken else 0


def _cards(checked: Checked) -> list[dict[str, object]]:
    texts = [card.text for card in checked.draft.segments]
    return [
        {
            "card": number + 1,
            "weight": checked.weight(number),
            "price": quote.total.show(),
            "text": " ".join(texts[number].split())[:_BEGINNING],
        }
        for number, quote in enumerate(checked.quotes)
    ]


def tell(settings: Settings, receipt: Receipt, now: datetime, *, as_json: bool) -> int:
    """How it stands: 1 when it was refused or needs somebody."""
    post, url = receipt.post, receipt.url(receipt.cards[0])
    page = f"{settings.origin}/posts/{post.public_id}"
    code = 1 if post.state in _UNHAPPY else 0
    if as_json:
        due_at = post.due_at.isoformat() if post.due_at else None
        say_json({
            "id": post.public_id, "state": post.state, "url": url, "receipt_url": page, "due_at": due_at,
            "price_usd": str(receipt.reserved.usd), "why": post.why, "fix": post.fix,
        })  # fmt: skip
        return code
    for line in receipt.lines:
        say(f"{line.at.astimezone():%H:%M:%S}  {line.sentence}")
    if post.state == PostState.SCHEDULED and post.due_at and not post.why:
        say(_when(receipt, post.due_at, now))
    say(*(part for part in (post.fix, url, f"Receipt: {page}") if part))
    return code


def _when(receipt: Receipt, due_at: datetime, now: datetime) -> str:
    its_zone = zone_of(receipt.post)
    if due_at > now:
        return f"Scheduled for {due_at.astimezone(its_zone):%a %d %b %Y %H:%M %Z}."
    return f"Not out yet: {word(receipt.standing, its_zone, now)}."

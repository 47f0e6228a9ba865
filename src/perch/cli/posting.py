"""``perch post``: check, accept, and see it out."""

import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from perch.budget.prices import Price
from perch.cli.beside import choose_account, dispatch, open_perch
from perch.cli.output import say, say_json
from perch.cli.whens import when
from perch.clock import zone
from perch.errors import PerchError
from perch.media import adding
from perch.posts import receipts
from perch.posts.drafting import Author, Draft, DraftMedia, DraftSegment
from perch.posts.findings import Severity
from perch.posts.models import AuthorKind, PostState
from perch.posts.queries import OPEN_STATES
from perch.posts.receipts import Receipt
from perch.posts.scheduling import Checked, accept, check
from perch.settings import Settings
from perch.wiring import Perch

_PATIENCE = timedelta(seconds=40)


class WrongWish(PerchError):
    """The command's arguments do not fit together."""

    code = "wrong_wish"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for."""

    text: str
    media: tuple[Path, ...]
    alt: tuple[str, ...]
    at: str | None
    account: str | None
    dry_run: bool


async def run(settings: Settings, wish: Wish, *, as_json: bool) -> int:
    """0 when it is out, scheduled or waiting for its turn; 1 when it was refused or needs somebody."""
    _fits(wish)
    async with open_perch(settings) as perch:
        checked = await _checked(perch, wish)
        if wish.dry_run:
            return _report(checked, as_json=as_json)
        receipt = await _post(perch, wish, checked)
    _tell(settings, receipt, as_json=as_json)
    return 1 if receipt.post.state in {PostState.REFUSED, PostState.NEEDS_YOU} else 0


def _fits(wish: Wish) -> None:
    if len(wish.alt) > len(wish.media):
        raise WrongWish(
            "There are more descriptions than files.", fix="Give one --alt for each --media, in order."
        )
    for path in wish.media:
        if not path.is_file():
            raise WrongWish(f"{path} is not a file.", fix="Check the path.")


async def _checked(perch: Perch, wish: Wish) -> Checked:
    workspace_id, account = await choose_account(perch, wish.account)
    text = sys.stdin.read().rstrip("\n") if wish.text == "-" else wish.text
    media = []
    for number, path in enumerate(wish.media):
        asset = await adding.add(perch.db.write, perch.clock, perch.store, workspace_id, path, path.name)
        media.append(DraftMedia(asset.public_id, wish.alt[number] if number < len(wish.alt) else ""))
    author = Author(AuthorKind.CLI, "cli", "the command line")
    draft = Draft(workspace_id, account.id, author, (DraftSegment(text, tuple(media)),))
    async with perch.db.read() as session:
        return await check(session, perch.clock, draft, perch.settings.x_plan)


async def _post(perch: Perch, wish: Wish, checked: Checked) -> Receipt:
    now = perch.clock.now()
    due = when(wish.at, now, checked.account.zone)
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


def _report(checked: Checked, *, as_json: bool) -> int:
    price = Price(checked.price_micros)
    broken = any(finding.severity is Severity.ERROR for finding in checked.findings)
    if as_json:
        said = [{"rule": one.rule, "sentence": one.sentence, "fix": one.fix} for one in checked.findings]
        say_json({"would_post": not broken, "price_usd": str(price.usd), "findings": said})
    else:
        say(
            f"Would post for {price.show()}. Nothing was sent."
            if not broken
            else "X would refuse it. Nothing was sent."
        )
        say(*(f"{one.rule} {one.sentence} {one.fix}" for one in checked.findings))
    return 1 if broken else 0


def _tell(settings: Settings, receipt: Receipt, *, as_json: bool) -> None:
    post, url = receipt.post, receipt.url(receipt.cards[0])
    page = f"{settings.origin}/posts/{post.public_id}"
    if as_json:
        due_at = post.due_at.isoformat() if post.due_at else None
        say_json({
            "id": post.public_id, "state": post.state, "url": url, "receipt_url": page, "due_at": due_at,
            "price_usd": str(receipt.reserved.usd), "why": post.why, "fix": post.fix,
        })  # fmt: skip
        return
    for line in receipt.lines:
        say(f"{line.at.astimezone():%H:%M:%S}  {line.sentence}")
    if post.state == PostState.SCHEDULED and post.due_at and not post.why:
        say(f"Scheduled for {post.due_at.astimezone(zone(post.zone or 'UTC')):%a %d %b %Y %H:%M %Z}.")
    say(*(part for part in (post.fix, url, f"Receipt: {page}") if part))

"""Waiting for a post that was just accepted, and what its state means to whoever waits."""

from sqlalchemy.ext.asyncio import AsyncSession

from perch.posts import receipts
from perch.posts.models import Post, PostState
from perch.posts.queries import OPEN_STATES, attempts, cards
from perch.posts.receipts import Receipt
from perch.posts.standing import Standing
from perch.web.gpt.errors import NotKnown, NotOut, NotUploaded, Paused, Refused, StillQueued, Stopped
from perch.wiring import Perch

_LOOK_EVERY = 0.1


async def published(perch: Perch, workspace_id: int, public_id: str, until: float) -> Receipt:
    """The receipt of a post once it is out. ``until`` is an instant of the clock's ``elapsed``.

    Raises Refused, NotUploaded, Stopped, Paused, and when ``until`` has passed NotKnown or StillQueued.
    """
    while True:
        is_late = perch.clock.elapsed() >= until
        async with perch.db.read() as session:
            receipt = await receipts.read(session, workspace_id, public_id)
            post, standing = receipt.post, receipt.standing
            if post.state == PostState.PUBLISHED:
                return receipt
            if is_late or standing.paused_reason or post.state not in OPEN_STATES:
                was_sent = await _was_sent(session, post)
                address = f"{perch.settings.origin}/posts/{public_id}"
                raise _not_out(post, standing, address, was_sent=was_sent)
        await perch.clock.sleep(_LOOK_EVERY)


async def _was_sent(session: AsyncSession, post: Post) -> bool:
    """Whether an attempt was ever made; before the first one there is only the media to hand over."""
    [card, *_] = await cards(session, post.id)
    return bool(await attempts(session, card.segment.id))


def _not_out(post: Post, standing: Standing, receipt_url: str, *, was_sent: bool) -> NotOut:
    why, fix = post.why or "", post.fix
    if standing.is_checking:
        return NotKnown(
            receipt_url,
            "X's answer got lost, so Perch looks on X whether the post is out. Do not send it again.",
            "Look at the receipt in a few minutes.",
        )
    if standing.paused_reason:
        return Paused(receipt_url, f"{why} It goes out when that is mended.".strip(), fix)
    match PostState(post.state):
        case PostState.REFUSED if not was_sent:
            return NotUploaded(receipt_url, why or "X did not take the media.", fix, post.rule)
        case PostState.REFUSED | PostState.PARTLY_PUBLISHED:
            return Refused(receipt_url, why or "X refused it.", fix, post.rule)
        case PostState.NEEDS_YOU:
            return NotKnown(
                receipt_url,
                "X's answer got lost, so it is not known whether the post is out. Do not send it again.",
                "Look at the receipt and settle it there.",
            )
        case PostState.SCHEDULED | PostState.PUBLISHING:
            return StillQueued(
                receipt_url,
                f"It is queued and goes out by itself; do not send it again. {why}".strip(),
                "Look at the receipt in a while.",
            )
        case _:
            return Stopped(
                receipt_url, "This post was stopped before it was sent.", "Change the text, or wait."
            )

"""How a post stands beyond its state: what holds it up, whether Perch looks for it or deletes it. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from perch.accounts.models import XAccount, XApp
from perch.posts.models import Post, PostState, Segment

_OPEN = (PostState.SCHEDULED, PostState.PUBLISHING)


@dataclass(frozen=True, slots=True)
class Standing:
    """``paused_reason`` and ``rests_until`` may be the post's own, its account's or its X app's.

    ``deleted`` counts the cards that were on X and are not any more.
    """

    state: PostState
    due_at: datetime | None
    paused_reason: str | None = None
    rests_until: datetime | None = None
    is_checking: bool = False
    is_deleting: bool = False
    live: int = 0
    deleted: int = 0

    @property
    def is_moving(self) -> bool:
        """Whether something of it may change by itself."""
        return self.state in _OPEN or self.is_deleting

    def is_paused(self, now: datetime) -> bool:
        """Whether something holds it although its time has come."""
        return bool(self.paused_reason) and (self.due_at is None or self.due_at <= now)

    @property
    def is_deleted(self) -> bool:
        """Whether it was published, and nothing of it is left on X."""
        return self.state == PostState.PUBLISHED and bool(self.deleted) and not self.live


def of(
    post: Post, account: XAccount, app: XApp, segments: Sequence[Segment], checking: Collection[int]
) -> Standing:
    """``checking`` holds the ids of the cards of which nobody knows yet whether they are out."""
    is_open = post.state in _OPEN
    reasons = (post.paused_reason, account.paused_reason, app.paused_reason)
    rests = [until for until in (account.rests_until, app.rests_until) if until is not None]
    return Standing(
        state=PostState(post.state),
        due_at=post.due_at,
        paused_reason=next(filter(None, reasons), None) if is_open else None,
        rests_until=max(rests, default=None) if is_open else None,
        is_checking=is_open and any(one.id in checking for one in segments),
        is_deleting=any(one.delete_at for one in segments),
        live=sum(one.x_post_id is not None and one.deleted_at is None for one in segments),
        deleted=sum(one.deleted_at is not None for one in segments),
    )

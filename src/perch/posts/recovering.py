"""Recovery at start and in every sweep: attempts whose lane nobody holds are settled, never just repeated."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from perch.clock import Clock
from perch.db import Database
from perch.jobs import Committer
from perch.posts import outcomes, queries, steps
from perch.posts.models import Attempt, AttemptState, Segment

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recovery:
    """Finds what a stopped process left behind. ``is_ours``: this process is at work in an account's lane.

    After a suspended night, or a stall, a lease may have run out under work that goes on.
    """

    db: Database
    clock: Clock
    committer: Committer
    is_ours: Callable[[int], bool] = lambda _account_id: False

    async def sweep(self) -> None:
        """Armed means nothing was sent; sending means that nobody knows."""
        async with self.db.read() as session:
            left = await queries.abandoned(session, self.clock.now())
        for attempt, segment in left:
            if not self.is_ours(segment.account_id):
                await self._settle(attempt, segment)

    async def _settle(self, attempt: Attempt, segment: Segment) -> None:
        async with self.db.read() as session:
            post = await queries.post_by_id(session, segment.post_id)
        if post is None:
            return
        now = self.clock.now()
        if attempt.state == AttemptState.ARMED:
            recording = outcomes.never_begun(post, segment, attempt, now)
        else:
            recording = outcomes.lost_answer(post, segment, attempt, now)
        if await self.committer.commit(steps.record, recording):
            log.warning("attempt_recovered", post=post.public_id, was=attempt.state)

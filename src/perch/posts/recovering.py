"""Recovery at start and in every sweep: attempts whose lane nobody holds are settled, never just repeated."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from perch.clock import Clock
from perch.db import Database
from perch.jobs import Committer, Pace
from perch.posts import outcomes, steps, unsettled
from perch.posts.models import AttemptState
from perch.posts.unsettled import Left

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recovery:
    """Finds what a stopped process left behind. ``is_ours``: this process is at work in an account's lane.

    After a suspended night, or a stall, a lease may have run out under work that goes on.
    """

    db: Database
    clock: Clock
    pace: Pace
    committer: Committer
    is_ours: Callable[[int], bool] = lambda _account_id: False

    async def sweep(self) -> None:
        """Armed means nothing was sent; sending means that nobody knows, until X is looked at."""
        async with self.db.read() as session:
            left = await unsettled.left_behind(session, self.clock.now())
        # All of them in as few transactions as they fit in; one that fails leaves the others alone.
        await asyncio.gather(*(self._settle(one) for one in left if not self.is_ours(one.segment.account_id)))

    async def _settle(self, left: Left) -> None:
        post, segment, attempt, now = left.post, left.segment, left.attempt, self.clock.now()
        if attempt.state == AttemptState.ARMED:
            recording = outcomes.never_begun(post, segment, attempt, now)
        else:
            recording = outcomes.lost_answer(post, segment, attempt, now, self.pace)
        try:
            is_kept = await self.committer.commit(steps.record, recording)
        except Exception:
            log.exception("attempt_not_recovered", post=post.public_id)
        else:
            if is_kept:
                log.warning("attempt_recovered", post=post.public_id, was=attempt.state)

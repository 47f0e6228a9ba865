"""Jobs of this room: the drain of one account's lane, and the sweep that hints at it again."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from perch.clock import Clock
from perch.db import Database
from perch.jobs import Engine, Pace
from perch.posts import queries
from perch.posts.deleting import DELETE, Deleter
from perch.posts.growing import Growing
from perch.posts.missing import Missing
from perch.posts.publishing import Publisher
from perch.posts.recovering import Recovery
from perch.posts.scheduling import DRAIN

Moment = tuple[int, datetime]
"""An account, and when it has something to do."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Re-derives lost hints from the rows: each process for itself, and of each moment once."""

    db: Database
    clock: Clock
    engine: Engine
    pace: Pace
    _ahead: set[Moment] = field(default_factory=set)

    async def hint_what_is_due(self) -> None:
        now = self.clock.now()
        # Posts that come due before the next sweep are hinted at their second.
        until = now + timedelta(seconds=2 * self.pace.sweep)
        async with self.db.read() as session:
            due = await queries.due_accounts(session, now)
            coming = {*await queries.coming(session, now, until), *await queries.waking(session, now, until)}
        fresh = coming - self._ahead
        self._ahead.difference_update([moment for moment in self._ahead if moment[1] <= now])
        self._ahead.update(fresh)
        for account_id, at in [*((account_id, now) for account_id in due), *fresh]:
            self.engine.begin_at(DRAIN, str(account_id), at)


def register(
    engine: Engine,
    publisher: Publisher,
    deleter: Deleter,
    recovery: Recovery,
    missing: Missing,
    growing: Growing,
    sweep: Sweep,
) -> None:
    """Hang this room's work on the engine. What is late is decided on before anything is hinted."""
    engine.handle(DRAIN, publisher.drain)
    engine.handle(DELETE, deleter.delete)
    engine.each_sweep(recovery.sweep)
    engine.each_sweep(missing.sweep)
    engine.each_sweep(growing.sweep)
    engine.each_sweep(sweep.hint_what_is_due)
    engine.each_sweep(deleter.hint_what_is_due)

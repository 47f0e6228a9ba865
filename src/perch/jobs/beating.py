"""The heartbeat of the processes that send: a row in the database, and a mark outside of it.

The row says that a worker lives and that the database takes what is written. The mark is a file with the
number of the last beat: a database whose row is behind it was put back from a backup.
"""

import asyncio
import json
import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from perch.clock import Clock
from perch.db import Database
from perch.db.instance import fact, one_at_a_time, state_fact

_BEAT = "beat"


@dataclass(frozen=True, slots=True)
class Beat:
    """The number of a heartbeat, and when it came."""

    number: int
    at: datetime


async def last_beat(session: AsyncSession) -> Beat | None:
    """The last heartbeat of any worker that the database knows."""
    known = await fact(session, _BEAT)
    return _read(known) if known else None


def last_mark(path: Path) -> Beat | None:
    """The last heartbeat that was written outside of the database. A mark nobody can read is none."""
    try:
        return _read(path.read_text(encoding="ascii"))
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None


def is_restored(known: Beat | None, mark: Beat | None, *, must_have_mark: bool) -> bool:
    """Whether a database is older than what has happened. Where there must be a mark, losing it counts."""
    if mark is None:
        return must_have_mark and known is not None
    return known is None or known.number < mark.number


@dataclass
class Heart:
    """Beats for one process, with the sweeps but more slowly."""

    db: Database
    clock: Clock
    mark: Path
    every: float
    _next_at: float = field(default=0.0, init=False)

    async def sweep(self) -> None:
        if self.clock.elapsed() >= self._next_at:
            await self.beat()

    async def beat(self) -> None:
        """Durable in the database first: a mark that runs ahead would look like a restored backup."""
        async with self.db.write() as session:
            await one_at_a_time(session)
            known = await last_beat(session)
            beat = Beat(known.number + 1 if known else 1, self.clock.now())
            await state_fact(session, _BEAT, _written(beat))
        await asyncio.to_thread(_replace, self.mark, _written(beat))
        self._next_at = self.clock.elapsed() + self.every

    def lives(self, beat: Beat | None) -> bool:
        """Whether somebody sends: the last beat is not much older than four of them take."""
        return beat is not None and self.clock.now() - beat.at < timedelta(seconds=4 * self.every + 10)


def _read(text: str) -> Beat:
    said = json.loads(text)
    return Beat(int(said["number"]), datetime.fromisoformat(said["at"]))


def _written(beat: Beat) -> str:
    return json.dumps({"number": beat.number, "at": beat.at.isoformat()})


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with draft.open("w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())  # a mark that a power cut empties would look like a restored backup
    draft.replace(path)

"""Whether the database takes what is written, and keeps it."""

from sqlalchemy import text

from perch.clock import Clock
from perch.db.engine import Database
from perch.db.instance import state_fact

_PROBE = "probe"
_EVERY = 10.0
"""Seconds for which an answer holds: whoever asks often makes no more writes than that."""


async def outlives_power(db: Database) -> bool:
    """Whether what is committed is on the disk: a PostgreSQL may be set up to leave that to luck."""
    if db.is_sqlite:
        return True
    async with db.read() as session:
        return bool(await session.scalar(text("SELECT current_setting('fsync') = 'on'")))


class WriteProbe:
    """Writes one small row durably, now and then: a full disk and a read-only server still answer reads."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._asked_at: float | None = None
        self._said = False

    async def is_writable(self) -> bool:
        """Never raises."""
        now = self._clock.elapsed()
        if self._asked_at is None or now - self._asked_at >= _EVERY:
            self._asked_at = now
            self._said = await self._write()
        return self._said

    async def _write(self) -> bool:
        try:
            async with self._db.write() as session:
                await state_fact(session, _PROBE, self._clock.now().isoformat())
        except Exception:  # noqa: BLE001 - whatever it is, nothing can be written
            return False
        return True

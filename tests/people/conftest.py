import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from perch.db import Database
from perch.people import joining
from perch.people.joining import Admitted, Arrival
from perch.settings import SignIn


class StillClock:
    """Time that stands until it is moved."""

    def __init__(self) -> None:
        self._now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
        self._elapsed = 0.0

    def now(self) -> datetime:
        return self._now

    def elapsed(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        self.advance(timedelta(seconds=seconds))
        await asyncio.sleep(0)

    def advance(self, by: timedelta) -> None:
        self._now += by
        self._elapsed += by.total_seconds()


Admit = Callable[..., Awaitable[Admitted]]


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
async def db(template_database: Path, tmp_path: Path) -> AsyncIterator[Database]:
    path = tmp_path / "perch.db"
    shutil.copy(template_database, path)
    database = Database(f"sqlite+aiosqlite:///{path}")
    yield database
    await database.close()


@pytest.fixture
def admit(db: Database, clock: StillClock) -> Admit:
    """Let someone in from an X of a kind, in a transaction of its own."""

    async def come(
        x_user_id: str, policy: SignIn = SignIn.OPEN, kind: str = "live", invitation_id: int | None = None
    ) -> Admitted:
        arrival = Arrival(kind, f"https://{kind}.example", x_user_id, f"Person {x_user_id}")
        async with db.write() as session:
            return await joining.admit(session, clock, policy, arrival, invitation_id=invitation_id)

    return come

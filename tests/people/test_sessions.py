from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select

from perch.db import Database
from perch.people import sessions
from perch.people.joining import Admitted
from perch.people.models import Membership, Role, WebSession
from perch.people.sessions import Opened, Visitor

Admit = Callable[..., Awaitable[Admitted]]


@pytest.fixture
def open_for(db: Database, clock: Any) -> Callable[..., Awaitable[Opened]]:
    async def start(who: Admitted, replacing: str | None = None) -> Opened:
        async with db.write() as session:
            return await sessions.open_session(
                session, clock, who.person_id, who.workspace_id, replacing=replacing
            )

    return start


@pytest.fixture
def look(db: Database, clock: Any) -> Callable[[str], Awaitable[Visitor | None]]:
    async def find(cookie_value: str) -> Visitor | None:
        async with db.read() as session:
            return await sessions.find(session, clock, cookie_value)

    return find


async def test_a_session_knows_its_person_and_their_role(admit: Admit, open_for: Any, look: Any) -> None:
    ada = await admit("1")

    opened = await open_for(ada)
    visitor = await look(opened.cookie_value)

    assert (visitor.person_id, visitor.workspace_id) == (ada.person_id, ada.workspace_id)
    assert visitor.role == Role.OWNER
    assert visitor.csrf_token == opened.csrf_token


async def test_a_cookie_nobody_was_given_is_nobodys(admit: Admit, open_for: Any, look: Any) -> None:
    await open_for(await admit("1"))

    assert await look("made-up") is None
    assert await look("") is None


async def test_only_a_hash_of_the_cookie_is_kept(
    admit: Admit, open_for: Any, tmp_path: Path, db: Database
) -> None:
    opened = await open_for(await admit("1"))
    await db.close()

    kept = b"".join(path.read_bytes() for path in tmp_path.glob("perch.db*"))
    assert opened.cookie_value.encode() not in kept
    assert opened.csrf_token.encode() in kept


async def test_secrets_stay_out_of_reprs(admit: Admit, open_for: Any, look: Any) -> None:
    opened = await open_for(await admit("1"))

    shown = repr(opened) + repr(await look(opened.cookie_value))
    assert opened.cookie_value not in shown
    assert opened.csrf_token not in shown


@pytest.mark.parametrize(
    ("away", "is_there"), [(timedelta(days=7, seconds=-1), True), (timedelta(days=7), False)]
)
async def test_a_session_ends_after_seven_idle_days(
    admit: Admit, open_for: Any, look: Any, clock: Any, away: timedelta, is_there: bool
) -> None:
    opened = await open_for(await admit("1"))

    clock.advance(away)

    assert (await look(opened.cookie_value) is not None) is is_there


async def test_a_busy_session_still_ends_after_thirty_days(
    admit: Admit, open_for: Any, look: Any, clock: Any, db: Database
) -> None:
    opened = await open_for(await admit("1"))

    for _ in range(29):
        clock.advance(timedelta(days=1))
        async with db.write() as session:
            await sessions.touch(session, clock, await look(opened.cookie_value))
    clock.advance(timedelta(hours=23, minutes=59))
    assert await look(opened.cookie_value) is not None
    clock.advance(timedelta(minutes=1))

    assert await look(opened.cookie_value) is None


async def test_being_seen_is_noted_every_ten_minutes_only(
    admit: Admit, open_for: Any, look: Any, clock: Any, db: Database
) -> None:
    opened = await open_for(await admit("1"))

    clock.advance(timedelta(minutes=9))
    assert not (await look(opened.cookie_value)).unseen
    clock.advance(timedelta(minutes=1))
    visitor = await look(opened.cookie_value)
    assert visitor.unseen
    async with db.write() as session:
        await sessions.touch(session, clock, visitor)

    assert not (await look(opened.cookie_value)).unseen


async def test_a_planted_cookie_is_worth_nothing_after_the_sign_in(
    admit: Admit, open_for: Any, look: Any
) -> None:
    attacker = await open_for(await admit("1"))

    victim = await open_for(await admit("2"), replacing=attacker.cookie_value)

    assert victim.cookie_value != attacker.cookie_value
    assert await look(attacker.cookie_value) is None
    assert await look(victim.cookie_value) is not None


async def test_closing_ends_one_session_and_closing_all_ends_the_others(
    admit: Admit, open_for: Any, look: Any, db: Database
) -> None:
    ada, ben = await admit("1"), await admit("2")
    first, second, foreign = await open_for(ada), await open_for(ada), await open_for(ben)

    async with db.write() as session:
        await sessions.close(session, first.cookie_value)
    assert await look(first.cookie_value) is None
    assert await look(second.cookie_value) is not None
    async with db.write() as session:
        assert await sessions.close_all(session, ada.person_id) == 1

    assert await look(second.cookie_value) is None
    assert await look(foreign.cookie_value) is not None


async def test_whoever_is_no_longer_a_member_is_signed_out(
    admit: Admit, open_for: Any, look: Any, db: Database
) -> None:
    ada = await admit("1")
    opened = await open_for(ada)

    async with db.write() as session:
        await session.execute(delete(Membership).where(Membership.person_id == ada.person_id))

    assert await look(opened.cookie_value) is None


async def test_ended_sessions_do_not_pile_up(admit: Admit, open_for: Any, clock: Any, db: Database) -> None:
    ada = await admit("1")
    for _ in range(3):
        await open_for(ada)
        clock.advance(timedelta(days=8))

    await open_for(ada)

    async with db.read() as session:
        assert await session.scalar(select(func.count()).select_from(WebSession)) == 1

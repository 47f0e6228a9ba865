"""What is held back: a month's queue after a clock's jump, and what is overdue in a restored database."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select, text, update

from perch import wiring
from perch.accounts.models import XApp
from perch.clock import SystemClock
from perch.folder import FolderUnusable
from perch.jobs.beating import Beat, is_restored, last_beat, last_mark
from perch.notices.models import Notice
from perch.posts import changing, editing, queries, restoring, resuming
from perch.posts.editing import Change
from perch.posts.missing import Missing
from perch.posts.models import RESTORED, Post
from perch.settings import WrongSetting


async def notices(house):
    async with house.perch.db.read() as session:
        found = await session.scalars(select(Notice.cause).where(Notice.ended_at.is_(None)))
        return [cause.partition(":")[0] for cause in found]


async def test_a_jump_of_the_clock_sends_nothing_until_it_is_undone(working, ada, monkeypatch):
    perch = working.perch
    clock = perch.clock
    true_now = clock.now
    next_month = await ada.write("In a month", due_in=30 * 86400)
    monkeypatch.setattr(clock, "now", lambda: true_now() + timedelta(days=31), raising=False)
    for _ in range(20):
        perch.engine.ask_for_sweep()
        await asyncio.sleep(0.05)
    assert await working.ledger() == []
    assert await notices(working) == ["clock"]
    assert not (await wiring.readiness(perch)).clock
    monkeypatch.undo()
    for _ in range(200):
        perch.engine.ask_for_sweep()
        await asyncio.sleep(0.02)
        if perch.guard.held_since is None:
            break
    soon = await ada.write("After the clock was set right")
    await ada.settled(soon)
    assert [entry["text"] for entry in await working.ledger()] == ["After the clock was set right"]
    assert (await ada.read(next_month)).post.state == "scheduled"
    assert await notices(working) == []


def test_a_database_behind_its_mark_was_restored():
    now = SystemClock().now()
    three, five = Beat(3, now), Beat(5, now)
    for known, mark, must, restored in [
        (None, None, True, False), (three, three, True, False), (five, three, True, False),
        (three, five, False, True), (None, five, False, True),
        (three, None, True, True), (three, None, False, False),
    ]:  # fmt: skip
        assert is_restored(known, mark, must_have_mark=must) == restored, (known, mark, must)


@pytest.mark.both_databases
async def test_each_start_leaves_a_mark_that_the_database_is_not_behind(house):
    for number in (1, 2, 3):
        await wiring.take_over(house.perch)
        mark = last_mark(house.perch.settings.high_water)
        async with house.perch.db.read() as session:
            known = await last_beat(session)
        assert known == mark
        assert known is not None
        assert known.number == number
    assert await notices(house) == []


async def restore_an_older_one(house):
    """The database goes back to where it was; the mark does not."""
    path = house.perch.settings.high_water
    mark = last_mark(path)
    assert mark is not None
    path.write_text(path.read_text().replace(f'"number": {mark.number}', f'"number": {mark.number + 7}'))


@pytest.mark.both_databases
async def test_what_is_overdue_in_a_restored_database_waits_for_somebody_who_looked(house, ada):
    perch = house.perch
    await wiring.take_over(perch)
    overdue = await ada.write("Perhaps out already", due_in=0)
    thread = await ada.write("One", "Two", due_in=0)
    coming = await ada.write("Still to come", due_in=2.0)
    await restore_an_older_one(house)
    await wiring.take_over(perch)
    assert await notices(house) == ["restored"]
    worker = asyncio.create_task(perch.engine.run())
    await ada.settled(coming)
    assert [entry["text"] for entry in await house.ledger()] == ["Still to come"]
    held = (await ada.read(overdue)).post
    assert (held.paused_reason, "put back from a backup" in held.why) == (RESTORED, True)
    async with perch.db.write() as session:
        assert await restoring.release(session, perch.clock.now(), "Somebody") == 2
    for post in (overdue, thread):
        assert (await ada.settled(post)).post.state == "published"
    perch.engine.stop()
    await asyncio.wait_for(worker, 20)
    assert len(await house.ledger()) == 4
    assert await notices(house) == []


@pytest.mark.both_databases
async def test_held_back_posts_that_are_decided_one_by_one_end_the_notice_with_the_last(house, ada):
    perch = house.perch
    await wiring.take_over(perch)
    out, moved, cancelled = [await ada.write(text, due_in=0) for text in ("One", "Two", "Three")]
    await restore_an_older_one(house)
    await wiring.take_over(perch)
    async with perch.db.write() as session:
        assert (await queries.held_up(session, out.workspace_id))[RESTORED].count == 3
        held = await session.get_one(Post, out.id)
        await resuming.resume(session, perch.clock, perch.engine, held, "Ada")
        later = Change(when=perch.clock.now() + timedelta(days=1))
        await editing.edit(session, perch.clock, perch.engine, moved, later, "Ada")
    assert await notices(house) == ["restored"]
    async with perch.db.write() as session:
        await changing.cancel(session, perch.clock, await session.get_one(Post, cancelled.id), "Ada")
    assert await notices(house) == []


async def test_a_database_file_without_its_mark_counts_as_restored(house, ada):
    await wiring.take_over(house.perch)
    house.perch.settings.high_water.unlink()
    post = await ada.write("Perhaps out already", due_in=0)
    await wiring.take_over(house.perch)
    async with house.perch.db.read() as session:
        assert (await session.get_one(Post, post.id)).paused_reason == RESTORED


@pytest.mark.parametrize(
    "said", ["", "[1]", "null", '{"number": null, "at": 5}', '{"number": 1e999}', "\x00"]
)
def test_a_mark_that_nobody_can_read_is_none(tmp_path, said):
    (tmp_path / "high-water").write_text(said)
    assert last_mark(tmp_path / "high-water") is None


async def test_a_mark_that_cannot_be_written_stops_the_start_with_its_name(house):
    house.perch.settings.high_water.mkdir()
    with pytest.raises(FolderUnusable, match="high-water"):
        await wiring.take_over(house.perch)


@pytest.mark.both_databases
async def test_what_was_on_its_way_in_a_restored_database_is_put_to_a_person(house, ada):
    perch = house.perch
    await wiring.take_over(perch)
    post = await ada.write("One", "Two")
    await house.fault(match={"method": "POST", "path": "/2/tweets"}, action="drop")
    await perch.publisher.drain(str(ada.person.account_id))
    assert (await ada.read(post)).post.state == "publishing"
    await restore_an_older_one(house)
    await wiring.take_over(perch)
    assert (await ada.read(post)).post.state == "needs_you"
    assert [one.state for one in await ada.attempts(post)] == ["needs_you"]
    assert await house.ledger() == []


async def test_a_pace_for_tests_is_refused_where_accounts_of_x_itself_are_connected(house, ada):
    async with house.perch.db.write() as session:
        await session.execute(update(XApp).values(kind="live"))
    with pytest.raises(WrongSetting, match="PERCH_PACE"):
        await wiring.bring_up_to_date(house.perch)


async def forget_every_hint(house):
    if house.perch.db.is_sqlite:
        await house.perch.engine._hints._queries.clear_queue()
        return
    async with house.perch.db.write() as session:
        await session.execute(text("TRUNCATE perch_jobs.hint, perch_jobs.hint_log"))


@pytest.mark.both_databases
async def test_hints_are_disposable(working, ada):
    posts = [await ada.write(f"Number {number}", due_in=0.05 * number) for number in range(20)]
    for _ in range(20):
        await forget_every_hint(working)
        await asyncio.sleep(0.05)
    for post in posts:
        assert (await ada.settled(post)).post.state == "published"
    assert len(await working.ledger()) == 20


async def test_what_is_held_back_for_a_person_puts_off_no_other_late_post(ada):
    perch, held, late = ada.house.perch, await ada.write("Perhaps out"), await ada.write("Late")
    a_while_ago = perch.clock.now() - timedelta(minutes=16)
    async with perch.db.write() as session:
        await session.execute(update(Post).where(Post.id == held.id).values(due_at=a_while_ago))
        await restoring.hold_back(session, perch.clock.now())
        waits = {"due_at": a_while_ago, "paused_reason": None, "try_at": None}
        await session.execute(update(Post).where(Post.id == late.id).values(**waits))
    await Missing(perch.db, perch.clock, perch.pace).sweep()
    await perch.publisher.drain(str(late.account_id))
    assert (await ada.read(late)).post.state == "published"
    assert (await ada.read(held)).post.paused_reason == RESTORED

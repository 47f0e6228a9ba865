"""What X answered while the database took nothing: kept in a file, and brought to the rows later."""

import asyncio
import sqlite3
import subprocess
from datetime import UTC, datetime

import pytest
from sqlalchemy import event

from perch.posts.journal import Journal, _read, _written
from perch.posts.models import AttemptState, PostState, SegmentState
from perch.posts.steps import Recording

AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def recording(post_id=1):
    return Recording(
        post_id=post_id, at=AT, post={"state": PostState.PUBLISHED, "finished_at": AT, "why": None}, fence=3,
        attempt_id=7, attempt_was=AttemptState.SENDING, attempt={"state": AttemptState.OK},
        segment_id=9, segment={"state": SegmentState.PUBLISHED, "x_post_id": "12", "published_at": AT},
        spend={"micros": 15000, "at": AT},
        happenings=(("answered", {"status": 201, "card": 1}), ("recorded", {})),
    )  # fmt: skip


class Rows:
    """A database that may be away, and remembers what it was given."""

    def __init__(self):
        self.is_away, self.given = False, []

    async def commit(self, _step, row):
        if self.is_away:
            raise OSError("away")
        self.given.append(row)
        return True


@pytest.fixture
def rows():
    return Rows()


@pytest.fixture
def journal(tmp_path, rows):
    opened = Journal(tmp_path, rows)
    opened.open()
    yield opened
    opened.close()


def test_a_recording_is_the_same_after_it_was_written_and_read():
    assert _read(_written(recording())) == recording()


async def test_what_was_kept_is_brought_to_the_rows_once_and_in_order(journal, rows):
    for post_id in (1, 2, 3):
        journal.keep(recording(post_id))
    await journal.sweep()
    await journal.sweep()
    assert rows.given == [recording(1), recording(2), recording(3)]


async def test_while_the_rows_take_nothing_it_stays(journal, rows):
    journal.keep(recording())
    rows.is_away = True
    with pytest.raises(OSError, match="away"):
        await journal.sweep()
    rows.is_away = False
    journal.keep(recording(2))
    await journal.sweep()
    assert rows.given == [recording(), recording(2)]


async def test_the_next_start_finds_what_the_last_one_kept(tmp_path, rows):
    first = Journal(tmp_path, rows)
    first.open()
    first.keep(recording())
    first.close()
    second = Journal(tmp_path, rows)
    second.open()
    await second.sweep()
    second.close()
    assert rows.given == [recording()]


async def test_two_processes_have_two_files(tmp_path, rows, journal):
    other = Journal(tmp_path, Rows())  # type: ignore[arg-type]
    other.open()
    other.keep(recording())
    await journal.sweep()
    other.close()
    assert rows.given == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal", "journal-1"]


async def test_an_entry_that_was_cut_by_a_power_failure_is_none(tmp_path, rows):
    first = Journal(tmp_path, rows)
    first.open()
    first.keep(recording(1))
    whole = first._end
    first.keep(recording(2))
    first.close()
    with (tmp_path / "journal").open("r+b") as file:
        file.seek(whole + 40)
        file.write(b"\0\0\0")
    second = Journal(tmp_path, rows)
    second.open()
    second.keep(recording(3))
    await second.sweep()
    second.close()
    assert rows.given == [recording(1), recording(3)]


def test_a_full_journal_says_so_and_harms_nothing(journal, caplog):
    for _ in range(3000):
        journal.keep(recording())
    assert "journal_has_no_room" in caplog.text
    assert (journal.folder / "journal").stat().st_size == 1 << 20


@pytest.fixture
def small_disk(tmp_path):
    """A file system of four megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


async def test_a_full_disk_has_room_for_it(small_disk, rows):
    journal = Journal(small_disk, rows)
    journal.open()
    with pytest.raises(OSError, match="space"):
        (small_disk / "ballast").write_bytes(bytes(4 << 20))
    journal.keep(recording())
    journal.close()
    again = Journal(small_disk, rows)
    again.open()
    await again.sweep()
    again.close()
    assert rows.given == [recording()]


def hasty(engine):
    @event.listens_for(engine.sync_engine, "connect")
    def hurry(connection, _record):
        connection.cursor().execute("PRAGMA busy_timeout=20")


@pytest.mark.parametrize("how", ["by itself", "after a restart"])
async def test_a_file_that_another_process_locks_costs_no_outcome(house, ada, how):
    perch = house.perch
    hasty(perch.db.engine)
    await perch.db.engine.dispose()
    perch.journal.open()
    post = await ada.write("Out while the file was locked")
    await house.fault(match={"method": "POST", "path": "/2/tweets"}, action="delay", seconds=0.4)
    draining = asyncio.create_task(perch.publisher.drain(str(ada.person.account_id)))
    while [one.state for one in await ada.attempts(post)] != ["sending"]:
        await asyncio.sleep(0.01)
    with sqlite3.connect(perch.settings.data_dir / "perch.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        while not perch.journal._end:
            await asyncio.sleep(0.05)
        assert len(await house.ledger()) == 1
        other.execute("ROLLBACK")
    await asyncio.gather(draining, return_exceptions=True)
    if how == "after a restart":
        perch.journal.close()
        perch.journal.open()
    await perch.journal.sweep()
    receipt = await ada.read(post)
    assert receipt.post.state == "published"
    assert [one.state for one in await ada.attempts(post)] == ["ok"]
    assert len(await house.ledger()) == 1
    assert perch.journal._end == 0

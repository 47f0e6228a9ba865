"""The socket in the data folder through which other commands say that there is something new."""

import asyncio
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from perch.jobs.waking import listening, poke


@pytest.fixture
def path() -> Iterator[Path]:
    """Short, as the kernel wants it."""
    with tempfile.TemporaryDirectory(prefix="perch-") as folder:
        yield Path(folder) / "wake.sock"


async def test_who_pokes_is_heard(path):
    heard = asyncio.Event()
    async with listening(path, heard.set):
        assert await asyncio.to_thread(poke, path)
        await asyncio.wait_for(heard.wait(), 5)


async def test_the_socket_is_its_owner_s_alone_and_goes_afterwards(path):
    async with listening(path, lambda: None):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


def test_where_nobody_listens_the_poke_says_so(path):
    assert not poke(path)


async def test_a_socket_left_by_a_killed_process_is_no_obstacle(path):
    path.touch()
    assert not poke(path)
    async with listening(path, lambda: None):
        assert await asyncio.to_thread(poke, path)


async def test_a_path_too_long_for_a_socket_is_left_to_the_sweep(tmp_path):
    deep = tmp_path / ("a" * 120)
    deep.mkdir()
    async with listening(deep / "wake.sock", lambda: None):
        assert not poke(deep / "wake.sock")

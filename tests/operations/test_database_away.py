"""PostgreSQL goes away and comes back while posts go out."""

import asyncio
import shutil
import signal
import time
from collections import Counter
from contextlib import ExitStack

import pytest
from sqlalchemy import text
from tests.conftest import Cluster, NoPostgres

from perch import wiring
from perch.posts.drafting import Author, Draft, DraftSegment
from perch.posts.models import AuthorKind
from perch.posts.scheduling import accept, check

pytestmark = [pytest.mark.postgres, pytest.mark.xdist_group("postgres")]
POSTS = 200
PEOPLE = ("sandbox_ada", "sandbox_ben", "sandbox_cleo")


@pytest.fixture
def own_cluster():
    """A PostgreSQL that a test may stop, and the way to end it at once and start it again."""
    try:
        planned = Cluster.planned()
    except NoPostgres as reason:
        pytest.skip(str(reason))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, planned.folder, ignore_errors=True)
        running = [planned.start()]

        def stop():
            running[-1].send_signal(signal.SIGQUIT)
            running[-1].wait(30)

        def restart():
            stop()
            running.append(planned.start())

        stack.callback(stop)
        yield planned, stop, restart


async def write(house, person, said):
    perch = house.perch
    author = Author(AuthorKind.PERSON, "someone", "Someone")
    draft = Draft(person.workspace_id, person.account_id, author, (DraftSegment(said),))
    async with perch.db.write() as session:
        checked = await check(session, perch.clock, draft, perch.settings.x_plan)
        await accept(session, perch.clock, perch.engine, checked, perch.clock.now())


async def states(house):
    async with house.perch.db.read() as session:
        return Counter(await session.scalars(text("SELECT state FROM post")))


async def test_a_restart_of_the_server_costs_no_post_and_doubles_none(build_house, own_cluster):
    cluster, _, restart = own_cluster
    house = await build_house(pace=0.05, database_url=cluster.make("perch"))
    people = [await house.connect(name) for name in PEOPLE]
    for number in range(POSTS):
        await write(house, people[number % len(people)], f"Number {number}")
    await house.control("PUT", "/_sandbox/settings", {"rate_limits": False})
    await wiring.take_over(house.perch)
    worker = asyncio.create_task(house.perch.engine.run())
    while len(await house.ledger()) < POSTS // 5:
        await asyncio.sleep(0.02)
    await asyncio.to_thread(restart)
    begun, before = time.monotonic(), len(await house.ledger())
    while len(await house.ledger()) < min(POSTS, before + 10):
        assert time.monotonic() - begun < 30
        await asyncio.sleep(0.05)
    end = time.monotonic() + 90
    while (await states(house)).keys() != {"published"}:
        assert time.monotonic() < end, await states(house)
        assert not worker.done()
        await asyncio.sleep(0.1)
    house.perch.engine.stop()
    await asyncio.wait_for(worker, 20)
    assert sorted(entry["text"] for entry in await house.ledger()) == sorted(
        f"Number {number}" for number in range(POSTS)
    )


async def test_who_starts_before_the_server_waits_for_it(build_house, own_cluster):
    cluster, stop, restart = own_cluster
    house = await build_house(pace=0.05, database_url=cluster.make("perch"))
    await asyncio.to_thread(stop)
    waiting = asyncio.create_task(wiring.await_current(house.perch))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    await asyncio.to_thread(restart)
    await asyncio.wait_for(waiting, 20)

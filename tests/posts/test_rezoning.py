"""Another edition of the world's zones moves what is due by a wall clock, and nothing else."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from perch.db.instance import fact
from perch.posts.dues import AtWall
from perch.posts.models import Post
from perch.posts.rezoning import follow_rules
from perch.posts.scheduling import accept, check


async def scheduled(writer, when):
    perch = writer.house.perch
    async with perch.db.write() as session:
        checked = await check(session, perch.clock, writer.draft(f"Due {when}"), perch.settings.x_plan)
        return await accept(session, perch.clock, perch.engine, checked, when)


@pytest.mark.both_databases
async def test_new_rules_move_readings_and_leave_instants(ada):
    perch = ada.house.perch
    at = (perch.clock.now() + timedelta(days=40)).replace(microsecond=0)
    by_wall = await scheduled(ada, AtWall(at.replace(tzinfo=None), "Europe/Berlin"))
    by_instant = await scheduled(ada, at)
    async with perch.db.write() as session:
        # As if the rules of the day they were written had said something else.
        for post in (by_wall, by_instant):
            earlier = post.due_at - timedelta(hours=1)
            await session.execute(update(Post).where(Post.id == post.id).values(due_at=earlier))
    async with perch.db.write() as session:
        assert await follow_rules(session, perch.clock, "another edition") == 1
    async with perch.db.write() as session:
        assert await follow_rules(session, perch.clock, "another edition") == 0
        assert await fact(session, "zone_rules") == "another edition"
    moved = await ada.read(by_wall)
    assert (moved.post.due_at, moved.post.version) == (by_wall.due_at, 2)
    assert moved.lines[-1].sentence.startswith("the rules for Europe/Berlin changed")
    assert moved.is_whole
    assert (await ada.read(by_instant)).post.version == 1

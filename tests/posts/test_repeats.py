"""The same key is the same post, for as long as the key holds."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from perch.accounts.models import XAccount, XApp
from perch.people.models import Workspace
from perch.posts import repeats
from perch.posts.errors import KeyReused, RuleBroken, StillRunning
from perch.posts.models import Post
from perch.posts.repeats import Key

WEEK = timedelta(days=7)


def key(value="one", body="{}", owner="ada", lifetime=WEEK):
    return Key(owner, value, body, lifetime)


async def count(writer):
    async with writer.house.perch.db.read() as session:
        return await session.scalar(select(func.count()).select_from(Post))


@pytest.mark.both_databases
async def test_the_same_request_gets_the_same_post(ada):
    first = await ada.write("Once", due_in=60, key=key())
    again = await ada.write("Once", due_in=60, key=key())
    assert first.public_id == again.public_id
    assert await count(ada) == 1


async def test_the_same_key_with_another_body_is_refused(ada):
    await ada.write("Once", due_in=60, key=key())
    with pytest.raises(KeyReused) as refused:
        await ada.write("Else", due_in=60, key=key(body='{"text": "Else"}'))
    assert (refused.value.status, await count(ada)) == (422, 1)


async def test_a_key_belongs_to_its_owner(ada):
    first = await ada.write("Once", due_in=60, key=key(owner="ada"))
    other = await ada.write("Once", due_in=60, key=key(owner="ben"))
    assert first.public_id != other.public_id


@pytest.mark.both_databases
async def test_of_fifty_at_once_one_makes_the_post(ada):
    posts = await asyncio.gather(*(ada.write("Once", due_in=60, key=key()) for _ in range(50)))
    assert len({post.public_id for post in posts}) == 1
    assert await count(ada) == 1


async def test_a_refused_request_leaves_its_key_unused(ada):
    with pytest.raises(RuleBroken):
        await ada.write("", due_in=60, key=key())
    await ada.write("Mended", due_in=60, key=key())
    assert await count(ada) == 1


async def test_a_key_ends_after_its_lifetime(house, still_clock):
    made = []
    async with house.perch.db.write() as session:
        assert await repeats.earlier(session, still_clock, key()) is None
        made.append(await anyone(session, house))
        await repeats.remember(session, key(), made[0])
    still_clock.advance(days=6, hours=23)
    assert await look(house, still_clock) == made[0]
    still_clock.advance(hours=1)
    assert await look(house, still_clock) is None
    async with house.perch.db.write() as session:
        assert await repeats.earlier(session, still_clock, key(body="other")) is None


async def look(house, clock):
    async with house.perch.db.read() as session:
        return await repeats.known(session, clock, key())


async def anyone(session, house):
    """The inner id of some post."""
    person = await house_person(house, session)
    post = Post(
        workspace_id=person.workspace_id, account_id=person.id, author_kind="cli", author_id="cli",
        author_name="cli", state="draft", content_hash="", price_micros=0,
        created_at=house.perch.clock.now(), updated_at=house.perch.clock.now(),
    )  # fmt: skip
    session.add(post)
    await session.flush()
    return post.id


async def house_person(house, session):
    now = house.perch.clock.now()
    workspace = Workspace(name="A nest", created_at=now)
    session.add(workspace)
    await session.flush()
    app = await session.scalar(select(XApp))
    account = XAccount(
        app_id=app.id, workspace_id=workspace.id, x_user_id="1", username="a", name="A",
        zone="UTC", created_at=now,
    )  # fmt: skip
    session.add(account)
    await session.flush()
    return account


async def test_while_the_first_request_runs_the_second_is_told_so(house, still_clock):
    async with house.perch.db.write() as session:
        await repeats.earlier(session, still_clock, key())
        with pytest.raises(StillRunning) as refused:
            await repeats.earlier(session, still_clock, key())
    assert refused.value.status == 409


@pytest.mark.parametrize("value", ["", "\x00", "\ud800", "ключ", "a" * 10_000])
async def test_any_text_can_be_a_key(ada, value):
    first = await ada.write("Once", due_in=60, key=key(value, body=value))
    assert (await ada.write("Once", due_in=60, key=key(value, body=value))).public_id == first.public_id

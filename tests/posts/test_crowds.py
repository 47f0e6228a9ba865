"""Many posts of many accounts at once: each goes out once, in its account's order, whoever sends it."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import groupby

import pytest
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from perch import wiring
from perch.accounts import lanes
from perch.accounts.grants import seal_pair
from perch.accounts.models import Grant, XAccount, XApp
from perch.db import new_public_id
from perch.people.models import Workspace
from perch.posts import steps
from perch.posts.drafting import Author, Draft, DraftSegment
from perch.posts.models import Attempt, AttemptState, AuthorKind, Post, PostState, Segment
from perch.posts.recovering import Recovery
from perch.posts.scheduling import accept, check
from perch.x.oauth2 import TokenPair

AUTHOR = Author(AuthorKind.CLI, "crowd", "Crowd")
SCOPE = "tweet.read tweet.write users.read offline.access"


@pytest.fixture
async def unhurried(build_house):
    """At its real pace: leases are long enough for a busy machine."""
    return await build_house(pace=1.0)


async def crowd(house, count):
    """Accounts of as many people, signed in as a consent would have done it."""
    people = (await house.control("POST", "/_sandbox/crowd", {"count": count}))["people"]
    perch, now = house.perch, house.perch.clock.now()
    async with perch.db.write() as session:
        app = await session.scalar(select(XApp.id))
        workspace = Workspace(name="Crowd", created_at=now)
        session.add(workspace)
        await session.flush()
        for number, person in enumerate(people, start=1):
            names = {"public_id": new_public_id(), "username": person["username"], "name": person["username"]}
            row = {**names, "id": number, "app_id": app, "workspace_id": workspace.id, "zone": "UTC"}
            await session.execute(insert(XAccount).values(**row, x_user_id=person["id"], created_at=now))
            pair = TokenPair(person["access_token"], person["refresh_token"], 7200, tuple(SCOPE.split()))
            grant = new_public_id()
            sealed = seal_pair(perch.sealer, grant, names["public_id"], pair, now)
            kept = {**sealed, "public_id": grant, "account_id": number, "scope": SCOPE, "granted_at": now}
            await session.execute(insert(Grant).values(**kept))
    return workspace.id, [*range(1, count + 1)]


async def write(house, workspace, accounts, times, due_in=0.0):
    """``times`` posts for each account, the last one written due first."""
    perch, now = house.perch, house.perch.clock.now()
    async with perch.db.write() as session:
        for number in range(times):
            due_at = now + timedelta(seconds=due_in - number)
            for account in accounts:
                draft = Draft(workspace, account, AUTHOR, (DraftSegment(f"{account} says {number}"),))
                checked = await check(session, perch.clock, draft, perch.settings.x_plan)
                post = await accept(session, perch.clock, perch.engine, checked, perch.clock.now())
                await session.execute(update(Post).where(Post.id == post.id).values(due_at=due_at))


async def until_published(house, count):
    async with asyncio.timeout(90):
        while await published(house) < count:
            await asyncio.sleep(0.1)


async def published(house):
    async with house.perch.db.read() as session:
        return await session.scalar(select(func.count()).where(Post.state == PostState.PUBLISHED))


async def texts_by_account(house):
    """What arrived at X, account by account, in the order of its arrival."""
    entries = sorted(await house.ledger(), key=lambda entry: entry["account"])
    return {
        name: [one["text"] for one in found] for name, found in groupby(entries, lambda one: one["account"])
    }


@pytest.mark.both_databases
async def test_three_hundred_posts_of_sixty_accounts_go_out_once_each_in_order(unhurried):
    house = unhurried
    workspace, accounts = await crowd(house, 60)
    await write(house, workspace, accounts, 5)
    worker = asyncio.create_task(house.perch.engine.run())
    await until_published(house, 300)
    house.perch.engine.stop()
    await asyncio.wait_for(worker, 30)
    arrived = await texts_by_account(house)
    assert len(arrived) == 60
    for name, texts in arrived.items():
        account = name.removeprefix("crowd_")
        assert texts == [f"{account} says {number}" for number in reversed(range(5))]
    async with house.perch.db.read() as session:
        assert await session.scalar(select(func.count()).select_from(Attempt)) == 300
        assert set(await session.scalars(select(XAccount.lane_until))) == {None}


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
@pytest.mark.postgres
@pytest.mark.xdist_group("postgres")
async def test_two_workers_that_want_the_same_lanes_send_each_post_once(unhurried):
    house = unhurried
    workspace, accounts = await crowd(house, 40)
    await write(house, workspace, accounts, 4)
    async with wiring.assemble(house.perch.settings, house.perch.clock) as other:
        publishers = (house.perch.publisher, other.publisher)
        drains = [publisher.drain(str(account)) for account in accounts for publisher in publishers]
        await asyncio.wait_for(asyncio.gather(*drains), 90)
    # Whoever came to a lane that was held has gone away again, as a hint does; a sweep brings it back.
    await asyncio.gather(*(house.perch.publisher.drain(str(account)) for account in accounts))
    sent = Counter(entry["text"] for entry in await house.ledger())
    assert sent == {f"{account} says {number}": 1 for account in accounts for number in range(4)}
    assert await published(house) == 160
    async with house.perch.db.read() as session:
        assert await session.scalar(select(func.count()).where(Attempt.state != AttemptState.OK)) == 0


@pytest.mark.both_databases
async def test_one_row_that_the_database_refuses_does_not_stop_the_lanes_beside_it(unhurried):
    perch = unhurried.perch
    workspace, accounts = await crowd(unhurried, 8)
    await write(unhurried, workspace, accounts, 1)
    turns = [await turn_of(perch, account) for account in accounts]
    armings = [arming(turn, perch.clock.now(), b"{}") for turn in turns[:-1]]
    poison = arming(turns[-1], perch.clock.now(), None)
    armings.insert(3, poison)
    armed = await asyncio.gather(
        *(perch.committer.commit(steps.arm, one) for one in armings), return_exceptions=True
    )
    assert isinstance(armed.pop(3), IntegrityError)
    assert all(isinstance(attempt_id, int) for attempt_id in armed)
    async with perch.db.read() as session:
        assert await session.scalar(select(func.count()).select_from(Attempt)) == 7


async def turn_of(perch, account):
    now = perch.clock.now()
    taking = lanes.Taking(account, "one", now, now + timedelta(minutes=1))
    return await perch.committer.commit(steps.seek, steps.Seek(taking, now))


def arming(turn, now, payload):
    return steps.Arming(
        held=turn.held, segment_id=turn.post.cards[0].id, worker="one", payload=payload, payload_sha256="0",
        media_ids=(), since_id="1", at=now, deadline_at=now, detail={},
    )  # fmt: skip


@pytest.mark.both_databases
async def test_lanes_of_a_dead_worker_are_taken_when_their_lease_is_over(unhurried):
    house, perch = unhurried, unhurried.perch
    workspace, accounts = await crowd(house, 10)
    await write(house, workspace, accounts, 1)
    now = perch.clock.now()
    async with perch.db.write() as session:
        dead = [lanes.Taking(account, "dead", now, now + timedelta(minutes=1)) for account in accounts]
        assert all(await steps.take(session, dead))
    await asyncio.gather(*(perch.publisher.drain(str(account)) for account in accounts))
    assert await house.ledger() == []
    async with perch.db.write() as session:
        await session.execute(update(XAccount).values(lane_until=now - timedelta(seconds=1)))
    await asyncio.gather(*(perch.publisher.drain(str(account)) for account in accounts))
    assert len(await house.ledger()) == 10
    async with perch.db.read() as session:
        assert set(await session.scalars(select(XAccount.fence))) == {2}


@pytest.mark.both_databases
async def test_nothing_is_sent_beside_an_attempt_that_a_dead_worker_left(ada):
    perch = ada.house.perch
    left, after = await ada.write("Left behind"), await ada.write("After it")
    turn = await turn_of(perch, left.account_id)
    assert await perch.committer.commit(steps.arm, arming(turn, perch.clock.now(), b"{}"))
    async with perch.db.write() as session:
        await lanes.void_lanes(session)
    await perch.publisher.drain(str(left.account_id))
    assert await ada.house.ledger() == []
    await Recovery(perch.db, perch.clock, perch.pace, perch.committer).sweep()
    await perch.publisher.drain(str(left.account_id))
    assert [entry["text"] for entry in await ada.house.ledger()] == ["Left behind", "After it"]
    assert (await ada.read(after)).post.state == PostState.PUBLISHED


@pytest.mark.both_databases
async def test_a_lane_is_not_taken_for_nothing(unhurried):
    perch = unhurried.perch
    workspace, accounts = await crowd(unhurried, 2)
    await write(unhurried, workspace, accounts[:1], 1)
    await write(unhurried, workspace, accounts[1:], 1, due_in=3600)
    now = perch.clock.now()
    async with perch.db.write() as session:
        takings = [lanes.Taking(account, "one", now, now + timedelta(minutes=1)) for account in accounts]
        held, idle = await steps.take(session, takings)
    assert held is not None
    assert idle is None


@pytest.mark.both_databases
async def test_a_card_is_not_armed_before_the_one_above_it_is_out(ada):
    perch, post = ada.house.perch, await ada.write("One", "Two")
    turn = await turn_of(perch, post.account_id)
    first, second = turn.post.cards
    early = replace(arming(turn, perch.clock.now(), b"{}"), segment_id=second.id)
    assert await perch.committer.commit(steps.arm, early) is None
    async with perch.db.write() as session:
        await session.execute(
            update(Segment).where(Segment.id == first.id).values(state="published", x_post_id="17")
        )
    assert await perch.committer.commit(steps.arm, early) is not None

"""A post on its way out: claimed, prepared, armed, sent, recorded, each in its order."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from perch import wiring
from perch.accounts.models import XApp
from perch.posts import receipts
from perch.posts.drafting import Author, Draft, DraftSegment
from perch.posts.models import AuthorKind, Post, PostState
from perch.posts.receipts import Receipt
from perch.posts.scheduling import accept, check

AUTHOR = Author(AuthorKind.PERSON, "someone", "Someone")


async def write(house, person, *texts, due_in=0.0):
    draft = Draft(person.workspace_id, person.account_id, AUTHOR, tuple(DraftSegment(text) for text in texts))
    async with house.perch.db.write() as session:
        checked = await check(session, house.perch.clock, draft, house.perch.settings.x_plan)
        due_at = house.perch.clock.now() + timedelta(seconds=due_in)
        return await accept(session, house.perch.clock, house.perch.engine, checked, due_at)


async def read(house, person, post) -> Receipt:
    async with house.perch.db.read() as session:
        return await receipts.read(session, person.workspace_id, post.public_id)


async def settled(
    house, person, post, *, until=lambda post: post.state not in {"scheduled", "publishing"}
) -> Receipt:
    for _ in range(400):
        receipt = await read(house, person, post)
        if until(receipt.post):
            return receipt
        await asyncio.sleep(0.02)
    raise AssertionError(f"still {receipt.post.state}: {[line.sentence for line in receipt.lines]}")


def kinds(receipt):
    return [line.kind for line in receipt.lines]


@pytest.mark.both_databases
async def test_a_post_goes_out_in_order_and_its_receipt_tells_so(working):
    ada = await working.connect()
    receipt = await settled(working, ada, await write(working, ada, "Good morning"))
    assert receipt.post.state == PostState.PUBLISHED
    assert kinds(receipt) == ["queued", "armed", "sent", "answered", "recorded"]
    assert receipt.is_whole
    assert receipt.spent.micros == 15_000
    [entry] = await working.ledger()
    assert entry["text"] == "Good morning"
    assert receipt.url(receipt.cards[0]) == f"{working.x.url}/sandbox_ada/status/{entry['id']}"


@pytest.mark.both_databases
async def test_a_thread_is_a_chain_of_replies(working):
    ada = await working.connect()
    receipt = await settled(working, ada, await write(working, ada, "One", "Two", "Three"))
    assert receipt.post.state == PostState.PUBLISHED
    first, second, third = await working.ledger()
    assert [first["text"], second["text"], third["text"]] == ["One", "Two", "Three"]
    assert (second["reply_to"], third["reply_to"]) == (first["id"], second["id"])


@pytest.mark.both_databases
async def test_a_refused_post_says_what_x_said(working):
    ada = await working.connect()
    await settled(working, ada, await write(working, ada, "Twice"))
    receipt = await settled(working, ada, await write(working, ada, "Twice"))
    assert receipt.post.state == PostState.REFUSED
    assert "duplicate content" in (receipt.post.why or "")
    assert receipt.post.fix
    assert len(await working.ledger()) == 1


async def test_a_full_rate_window_is_waited_out(working):
    ada = await working.connect()
    headers = {
        "x-rate-limit-limit": "1",
        "x-rate-limit-remaining": "0",
        "x-rate-limit-reset": str(int(time.time()) + 1),
    }
    await working.fault(
        match={"method": "POST", "path": "/2/tweets"}, action="status", status=429, headers=headers, times=1
    )
    receipt = await settled(working, ada, await write(working, ada, "Patience"))
    assert receipt.post.state == PostState.PUBLISHED
    assert "waiting" in kinds(receipt)
    assert len(await working.ledger()) == 1


async def test_while_x_is_down_the_post_stays_queued_and_says_so(working):
    ada = await working.connect()
    await move_x(working, "http://127.0.0.1:9")
    receipt = await settled(
        working, ada, await write(working, ada, "Patience"), until=lambda post: post.tries
    )
    assert receipt.post.state == PostState.SCHEDULED
    assert (receipt.post.why or "").startswith("X cannot be reached")
    assert "Nothing was sent" in (receipt.post.fix or "")
    await move_x(working, working.x.url)
    receipt = await settled(working, ada, receipt.post)
    assert receipt.post.state == PostState.PUBLISHED
    assert receipt.post.why is None
    assert len(await working.ledger()) == 1


async def move_x(house, url):
    async with house.perch.db.write() as session:
        await session.execute(update(XApp).values(api_url=url))


@pytest.mark.both_databases
async def test_an_answer_that_is_lost_is_never_sent_again_by_itself(working):
    ada = await working.connect()
    await working.fault(match={"method": "POST", "path": "/2/tweets"}, action="commit_then_drop", times=1)
    receipt = await settled(working, ada, await write(working, ada, "Once"))
    assert receipt.post.state == PostState.PUBLISHED
    assert "found" in kinds(receipt)
    await asyncio.sleep(0.5)
    assert len(await working.ledger()) == 1


async def test_a_server_error_is_not_taken_for_a_no(working):
    ada = await working.connect()
    await working.fault(
        match={"method": "POST", "path": "/2/tweets"}, action="commit_then_status", status=503, times=1
    )
    receipt = await settled(working, ada, await write(working, ada, "Once"))
    assert receipt.post.state == PostState.PUBLISHED
    assert "unknown" in kinds(receipt)
    assert len(await working.ledger()) == 1


async def test_a_future_post_waits_for_its_second(working):
    ada = await working.connect()
    post = await write(working, ada, "Later", due_in=0.7)
    await asyncio.sleep(0.3)
    assert await working.ledger() == []
    receipt = await settled(working, ada, post)
    assert receipt.lines[1].at >= post.due_at


async def test_an_expired_login_is_renewed_once_and_the_post_goes_out(working):
    ada = await working.connect()
    await working.fault(match={"method": "POST", "path": "/2/tweets"}, action="status", status=401, times=1)
    receipt = await settled(working, ada, await write(working, ada, "Renewed"))
    assert receipt.post.state == PostState.PUBLISHED
    assert "login_refused" in kinds(receipt)


@pytest.fixture
async def unhurried(build_house):
    """A house whose worker runs at its real pace: leases are long enough for a busy machine."""
    house = await build_house(pace=1.0)
    worker = asyncio.create_task(house.perch.engine.run())
    yield house
    house.perch.engine.stop()
    await asyncio.wait_for(worker, 20)


@pytest.mark.both_databases
async def test_one_hundred_posts_of_twenty_people_go_out_once_each_with_their_own_account(unhurried):
    house = unhurried
    for number in range(20):
        await house.control(
            "POST", "/_sandbox/people", {"username": f"person{number}", "name": f"Person {number}"}
        )
    people = [await house.connect(f"person{number}") for number in range(20)]
    await asyncio.gather(
        *(
            write(house, person, f"{person.username} says {number}")
            for person in people
            for number in range(5)
        )
    )
    async with asyncio.timeout(30):
        while await unfinished(house):
            await asyncio.sleep(0.1)
    ledger = await house.ledger()
    assert len(ledger) == 100
    assert len({entry["text"] for entry in ledger}) == 100
    assert all(entry["text"].startswith(entry["account"] + " ") for entry in ledger)


async def unfinished(house):
    async with house.perch.db.read() as session:
        return await session.scalar(select(func.count()).where(Post.state != PostState.PUBLISHED))


async def test_an_account_whose_x_app_was_taken_away_stays_silent_until_it_is_back(build_house):
    house = await build_house()
    ada = await house.connect()
    live_only = house.perch.settings.model_copy(update={"sandbox": "off"})
    async with wiring.assemble(live_only) as without:
        post = await write(replace(house, perch=without), ada, "Not now")
        await without.publisher.drain(str(ada.account_id))
    waiting = await read(house, ada, post)
    assert (waiting.post.state, waiting.post.paused_reason) == (PostState.SCHEDULED, "app")
    assert "the sandbox, which does not run" in str(waiting.post.why)
    assert await house.ledger() == []
    await wiring.prepare_apps(house.perch)
    await house.perch.publisher.drain(str(ada.account_id))
    assert (await read(house, ada, post)).post.state == PostState.PUBLISHED
    assert len(await house.ledger()) == 1

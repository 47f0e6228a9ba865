"""A thread that broke in the middle, and its three ways out."""

import asyncio

import pytest
from sqlalchemy import update

from perch.accounts.models import XAccount
from perch.posts import continuing, deleting
from perch.posts.errors import RuleBroken, TooLate
from perch.posts.models import PostState, SegmentState

CREATE = {"method": "POST", "path": "/2/tweets"}
DELETE = {"method": "DELETE", "path": "/2/tweets/*"}
REFUSAL = {"match": CREATE, "action": "status", "status": 403, "times": 1}


async def press(writer, post, how, name="Olga"):
    """One of the three ways, as somebody who presses its button."""
    perch = writer.house.perch
    engine = () if how is continuing.leave else (perch.engine,)
    async with perch.db.write() as session:
        await how(session, perch.clock, *engine, await session.get_one(type(post), post.id), name)


async def broken(writer, *cards):
    """A thread whose first card is out, and whose second X refused."""
    await writer.house.fault(match=CREATE, action="delay", seconds=0, times=1)
    await writer.house.fault(**REFUSAL)
    receipt = await writer.settled(await writer.write(*(cards or ("One", "Two", "Three"))))
    assert receipt.post.state == PostState.PARTLY_PUBLISHED
    return receipt.post


def states(receipt):
    return [card.segment.state for card in receipt.cards]


def said(receipt):
    return [line.sentence for line in receipt.lines]


async def deleted(writer, post):
    """The receipt once nothing of it waits to be deleted any more."""
    for _ in range(1000):
        receipt = await writer.read(post)
        if not any(card.segment.delete_at for card in receipt.cards):
            return await writer.read(post)  # the post's row may have been read a moment before its cards
        await asyncio.sleep(0.02)
    raise AssertionError(said(receipt))


@pytest.mark.both_databases
async def test_a_broken_thread_goes_on_at_its_first_unsent_card(working, ada):
    post = await broken(ada)
    await press(ada, post, continuing.go_on)
    receipt = await ada.settled(post)
    assert receipt.post.state == PostState.PUBLISHED
    first, second, third = await working.ledger()
    assert [second["reply_to"], third["reply_to"]] == [first["id"], second["id"]]
    assert "continued by Olga, from card 2 on" in said(receipt)
    assert receipt.is_whole


async def test_what_the_account_may_no_longer_write_is_found_before_it_goes_on(working, ada):
    await set_subscription(ada, "Premium")
    post = await broken(ada, "One", "Two " + "x" * 300)
    await set_subscription(ada, None)
    with pytest.raises(RuleBroken):
        await press(ada, post, continuing.go_on)
    assert (await ada.read(post)).post.state == PostState.PARTLY_PUBLISHED


async def set_subscription(writer, kind):
    async with writer.house.perch.db.write() as session:
        await session.execute(
            update(XAccount).where(XAccount.id == writer.person.account_id).values(subscription_type=kind)
        )


@pytest.mark.both_databases
async def test_a_broken_thread_can_be_left_as_it_is(working, ada):
    post = await broken(ada)
    await press(ada, post, continuing.leave)
    receipt = await ada.read(post)
    assert receipt.post.state == PostState.PUBLISHED
    assert states(receipt) == [SegmentState.PUBLISHED, SegmentState.DROPPED, SegmentState.DROPPED]
    assert said(receipt)[-1] == "left as it is by Olga, 2 cards not sent"
    assert len(await working.ledger()) == 1


@pytest.mark.both_databases
async def test_what_is_live_of_a_broken_thread_can_be_deleted(working, ada):
    post = await broken(ada)
    await press(ada, post, deleting.ask)
    receipt = await deleted(ada, post)
    assert receipt.post.state == PostState.CANCELLED
    assert [entry["deleted"] for entry in await working.ledger()] == [True]
    assert "Olga asked to delete 1 card on X" in said(receipt)
    assert said(receipt)[-1] == "card 1: deleted on X, $0.010 spent"
    assert receipt.spent.micros == 15_000 + 10_000
    assert receipt.is_whole


@pytest.mark.both_databases
async def test_a_published_thread_is_deleted_from_its_end_and_stays_published(working, ada):
    post = (await ada.settled(await ada.write("One", "Two", "Three"))).post
    await press(ada, post, deleting.ask)
    receipt = await deleted(ada, post)
    assert receipt.post.state == PostState.PUBLISHED
    assert all(card.segment.deleted_at for card in receipt.cards)
    order = [line.sentence[:6] for line in receipt.lines if line.kind == "deleted"]
    assert order == ["card 3", "card 2", "card 1"]
    with pytest.raises(TooLate):
        await press(ada, post, deleting.ask)


async def test_what_is_gone_already_counts_as_deleted_and_costs_nothing(working, ada):
    post = (await ada.settled(await ada.write("Gone"))).post
    await working.fault(match=DELETE, action="commit_then_drop", times=1)
    await press(ada, post, deleting.ask)
    receipt = await deleted(ada, post)
    assert receipt.cards[0].segment.deleted_at
    assert "to be deleted, and no longer on X" in said(receipt)
    assert receipt.spent.micros == 15_000


async def test_a_deletion_waits_while_x_does_not_answer(working, ada):
    post = (await ada.settled(await ada.write("Soon gone"))).post
    await working.fault(match=DELETE, action="status", status=503, times=1)
    await press(ada, post, deleting.ask)
    receipt = await deleted(ada, post)
    kinds = [line.kind for line in receipt.lines]
    assert kinds[-3:] == ["delete_asked", "delete_waits", "deleted"]
    assert receipt.post.why is None


async def test_an_access_token_that_ran_out_is_renewed_for_a_deletion(working, ada):
    post = (await ada.settled(await ada.write("Soon gone"))).post
    await working.fault(match=DELETE, action="status", status=401, times=1)
    await press(ada, post, deleting.ask)
    assert (await deleted(ada, post)).cards[0].segment.deleted_at


async def test_what_x_refuses_to_delete_stays_and_can_be_asked_for_again(working, ada):
    post = await broken(ada)
    await working.fault(match=DELETE, action="status", status=403, times=1)
    await press(ada, post, deleting.ask)
    receipt = await deleted(ada, post)
    assert receipt.post.state == PostState.PARTLY_PUBLISHED
    assert receipt.lines[-1].kind == "delete_refused"
    assert receipt.post.why
    await press(ada, post, deleting.ask)
    assert (await deleted(ada, post)).post.state == PostState.CANCELLED


@pytest.mark.both_databases
async def test_of_three_people_with_three_wishes_one_wins(working, ada):
    for number in range(3):
        post = await broken(ada, f"One {number}", f"Two {number}")
        wishes = [press(ada, post, how) for how in (continuing.go_on, continuing.leave, deleting.ask)]
        outcomes = await asyncio.gather(*wishes, return_exceptions=True)
        # Left as it is, it is a published post: whoever asks then to delete it may.
        assert [type(one) for one in outcomes if one] in (
            [TooLate, TooLate],
            [TooLate],
        )
        await deleted(ada, (await ada.settled(post, until=lambda one: one.state != "publishing")).post)


@pytest.mark.parametrize("how", [continuing.go_on, continuing.leave, deleting.ask])
async def test_a_post_that_waits_has_none_of_the_three_ways(working, ada, how):
    post = await ada.write("Later", due_in=60)
    with pytest.raises(TooLate):
        await press(ada, post, how)
    assert (await ada.read(post)).post.state == PostState.SCHEDULED


async def test_a_thread_that_is_being_deleted_neither_goes_on_nor_stays(house, ada):
    worker = asyncio.create_task(house.perch.engine.run())
    post = await broken(ada)
    house.perch.engine.stop()
    await worker
    await press(ada, post, deleting.ask)
    for how in (continuing.go_on, continuing.leave, deleting.ask):
        with pytest.raises(TooLate):
            await press(ada, post, how)

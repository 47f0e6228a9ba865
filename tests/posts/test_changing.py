"""What a person may do to an accepted post, and what two people may do to it at the same moment."""

import asyncio
from datetime import timedelta

import pytest

from perch.posts import changing, resuming, settling
from perch.posts.errors import NotTheirs, PostNotFound, TooLate
from perch.posts.models import AttemptState, PostState
from perch.posts.retrying import PauseReason
from perch.x.xpost import snowflake_at

LOST = {"match": {"method": "POST", "path": "/2/tweets"}, "action": "commit_then_drop", "times": 1}
READ = {"method": "GET", "path": "/2/users/*/tweets"}
NEVER = {**LOST, "action": "drop"}


async def fresh(session, post):
    return await session.get_one(type(post), post.id)


async def change(writer, post, how, *more):
    """Runs one of the changes with the arguments it takes."""
    perch = writer.house.perch
    engine = () if how in (changing.cancel, settling.drop) else (perch.engine,)
    async with perch.db.write() as session:
        await how(session, perch.clock, *engine, await fresh(session, post), *more, "Olga")


def later_id(writer):
    return snowflake_at(writer.house.perch.clock.now())


async def test_a_post_that_waits_can_be_cancelled_and_stays_so(working, ada):
    post = await ada.write("Later", due_in=0.4)
    await change(ada, post, changing.cancel)
    await asyncio.sleep(0.8)
    receipt = await ada.read(post)
    assert receipt.post.state == PostState.CANCELLED
    assert receipt.lines[-1].sentence == "cancelled by Olga"
    assert await working.ledger() == []
    with pytest.raises(TooLate):
        await change(ada, post, changing.cancel)


async def test_a_draft_can_be_cancelled(ada):
    post = await ada.write("Maybe", due_in=None)
    await change(ada, post, changing.cancel)
    assert (await ada.read(post)).post.state == PostState.CANCELLED


async def test_a_published_post_cannot_be_cancelled(working, ada):
    post = await ada.write("Out")
    await ada.settled(post)
    with pytest.raises(TooLate) as refused:
        await change(ada, post, changing.cancel)
    assert "delete it on X" in (refused.value.fix or "")
    assert (await ada.read(post)).post.state == PostState.PUBLISHED


@pytest.mark.both_databases
async def test_a_post_on_its_way_cannot_be_cancelled(working, ada):
    await working.fault(match=LOST["match"], action="delay", seconds=10, times=1)  # 0.2 s at this pace
    post = await ada.write("On its way")
    await ada.settled(post, until=lambda one: one.state == "publishing")
    while not await ada.attempts(post):
        await asyncio.sleep(0.005)
    with pytest.raises(TooLate):
        await change(ada, post, changing.cancel)
    await ada.settled(post)
    assert len(await working.ledger()) == 1


@pytest.mark.both_databases
async def test_cancel_and_claim_race_for_one_row_and_the_ledger_agrees_with_the_winner(working, ada):
    posts = [await ada.write(f"Race {number}") for number in range(12)]
    outcomes = await asyncio.gather(
        *(change(ada, post, changing.cancel) for post in reversed(posts)), return_exceptions=True
    )
    assert all(one is None or isinstance(one, TooLate) for one in outcomes)
    ended = [(await ada.settled(post)).post.state for post in posts]
    assert set(ended) <= {PostState.PUBLISHED, PostState.CANCELLED}
    assert ended.count(PostState.CANCELLED) == outcomes.count(None)
    sent = {entry["text"] for entry in await working.ledger()}
    assert sent == {f"Race {n}" for n, state in enumerate(ended) if state == PostState.PUBLISHED}


async def test_a_paused_post_goes_on_when_somebody_resumes_it(working, ada):
    await working.fault(match=LOST["match"], action="status", status=402, times=1)
    post = await ada.write("When there is money")
    paused = await ada.settled(post, until=lambda one: one.paused_reason)
    assert (paused.post.state, paused.post.paused_reason) == (PostState.SCHEDULED, PauseReason.CREDITS)
    await change(ada, post, resuming.resume)
    receipt = await ada.settled(post)
    assert receipt.post.state == PostState.PUBLISHED
    assert "resumed by Olga" in [line.sentence for line in receipt.lines]


async def test_an_account_s_posts_go_on_when_its_cause_is_mended(working, ada):
    await working.fault(match=LOST["match"], action="status", status=402, times=1)
    met = await ada.write("When there is money")
    await ada.settled(met, until=lambda one: one.paused_reason)
    behind = await ada.write("After it")
    perch = working.perch

    async def mend(reason):
        async with perch.db.write() as session:
            return await resuming.resume_account(
                session, perch.clock, perch.engine, ada.person.account_id, [reason], "Olga"
            )

    assert (await mend(PauseReason.LOGIN), await mend(PauseReason.CREDITS)) == (0, 1)
    for post in (met, behind):
        assert (await ada.settled(post)).post.state == PostState.PUBLISHED
    assert "resumed by Olga" in [line.sentence for line in (await ada.read(met)).lines]


async def test_only_a_post_that_waits_can_be_resumed(working, ada):
    post = await ada.write("Out")
    await ada.settled(post)
    with pytest.raises(TooLate):
        await change(ada, post, resuming.resume)


async def in_question(writer, *cards, fault=LOST):
    """A post whose answer got lost, while X does not let Perch look for it."""
    await writer.house.fault(match=READ, action="status", status=402, times=1)
    await writer.house.fault(**fault)
    post = await writer.write(*cards)
    receipt = await writer.settled(post)
    assert receipt.post.state == PostState.NEEDS_YOU
    return receipt.post


@pytest.mark.both_databases
async def test_it_is_there_settles_the_post_with_the_id_that_was_pasted(working, ada):
    post = await in_question(ada, "Lost and found")
    [entry] = await working.ledger()
    await change(ada, post, settling.found, f"https://x.com/sandbox_ada/status/{entry['id']}?s=20")
    receipt = await ada.read(post)
    assert receipt.post.state == PostState.PUBLISHED
    assert receipt.cards[0].segment.x_post_id == entry["id"]
    assert receipt.post.why is None
    assert [one.state for one in await ada.attempts(post)] == [AttemptState.FOUND]
    assert receipt.is_whole
    assert len(await working.ledger()) == 1


async def test_what_was_found_was_also_paid_for(working, ada):
    post = await in_question(ada, "Lost and found")
    [entry] = await working.ledger()
    await change(ada, post, settling.found, entry["id"])
    assert (await ada.read(post)).spent.micros == post.price_micros


async def test_a_thread_goes_on_below_the_card_that_was_found(working, ada):
    post = await in_question(ada, "One", "Two")
    [entry] = await working.ledger()
    await change(ada, post, settling.found, entry["id"])
    receipt = await ada.settled(post)
    assert receipt.post.state == PostState.PUBLISHED
    first, second = await working.ledger()
    assert second["reply_to"] == first["id"]


@pytest.mark.both_databases
async def test_send_again_makes_one_more_attempt(working, ada):
    post = await in_question(ada, "Never arrived", fault=NEVER)
    await change(ada, post, settling.send_again)
    receipt = await ada.settled(post)
    assert receipt.post.state == PostState.PUBLISHED
    # A machine so busy that an attempt grew too old before its first byte adds one that was not sent.
    sent = [one for one in await ada.attempts(post) if one.state != AttemptState.NOT_SENT]
    assert [one.state for one in sent] == [AttemptState.ABSENT, AttemptState.OK]
    assert sent[0].payload == sent[1].payload
    assert len(await working.ledger()) == 1


async def test_drop_ends_it_and_nothing_is_sent(working, ada):
    post = await in_question(ada, "Never mind", fault=NEVER)
    await change(ada, post, settling.drop)
    await asyncio.sleep(0.3)
    receipt = await ada.read(post)
    assert receipt.post.state == PostState.CANCELLED
    assert receipt.lines[-1].sentence == "Olga gave it up"
    assert await working.ledger() == []


@pytest.mark.parametrize(
    "address", ["", "hello", "https://x.com/sandbox_ada", "12a", "1" * 20, "-5", "\u0661\u0662"]
)
async def test_what_is_not_the_address_of_a_post_is_refused(working, ada, address):
    post = await in_question(ada, "Where")
    with pytest.raises(NotTheirs):
        await change(ada, post, settling.found, address)
    assert (await ada.read(post)).post.state == PostState.NEEDS_YOU


async def test_a_post_older_than_the_attempt_is_another_one(working, ada):
    post = await in_question(ada, "Where")
    older = snowflake_at(working.perch.clock.now() - timedelta(minutes=10))
    with pytest.raises(NotTheirs, match="older"):
        await change(ada, post, settling.found, older)


async def test_a_post_from_the_future_is_a_slip_of_the_hand(working, ada):
    post = await in_question(ada, "Where")
    coming = snowflake_at(working.perch.clock.now() + timedelta(hours=1))
    for address in (coming, "9" * 19):
        with pytest.raises(NotTheirs):
            await change(ada, post, settling.found, address)


async def test_an_address_of_somebody_else_s_post_is_refused(working, ada):
    post = await in_question(ada, "Where")
    with pytest.raises(NotTheirs, match="sandbox_ben"):
        await change(ada, post, settling.found, f"https://x.com/sandbox_ben/status/{later_id(ada)}")
    await change(ada, post, settling.found, f"https://x.com/i/web/status/{later_id(ada)}")


async def test_an_id_that_is_taken_is_refused_whoever_has_it(working, ada, ben):
    post = await in_question(ada, "Where")
    mine, theirs = await ada.write("Mine"), await ben.write("Theirs")
    for receipt in (await ada.settled(mine), await ben.settled(theirs)):
        taken = receipt.cards[0].segment.x_post_id
        with pytest.raises(NotTheirs):
            await change(ada, post, settling.found, taken)
    assert (await ada.read(post)).post.state == PostState.NEEDS_YOU


@pytest.mark.parametrize("how", [settling.found, settling.send_again, settling.drop])
async def test_a_post_that_is_not_in_question_has_no_three_buttons(working, ada, how):
    post = await ada.write("Later", due_in=60)
    more = (later_id(ada),) if how is settling.found else ()
    with pytest.raises((TooLate, PostNotFound)):
        await change(ada, post, how, *more)
    assert (await ada.read(post)).post.state == PostState.SCHEDULED


@pytest.mark.both_databases
async def test_of_two_people_who_press_two_buttons_at_once_one_wins(working, ada):
    for number in range(4):
        post = await in_question(ada, f"Two of us {number}")
        [entry] = [one for one in await working.ledger() if one["text"] == f"Two of us {number}"]
        buttons = [
            change(ada, post, settling.found, entry["id"]),
            change(ada, post, settling.send_again),
            change(ada, post, settling.drop),
        ]
        outcomes = await asyncio.gather(*buttons, return_exceptions=True)
        assert outcomes.count(None) == 1
        assert all(one is None or isinstance(one, TooLate) for one in outcomes)
        receipt = await ada.settled(post)
        settled = [line.kind for line in receipt.lines].count("settled")
        assert (settled, receipt.is_whole) == (1, True)

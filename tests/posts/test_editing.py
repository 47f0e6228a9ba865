"""A post is changed until its bytes are armed; what was read meanwhile is told apart by its version."""

import asyncio
from datetime import timedelta

import pytest

from perch.accounts.models import XAccount
from perch.posts import changing, editing
from perch.posts.dues import AtWall
from perch.posts.editing import Change
from perch.posts.errors import RuleBroken, StaleVersion, TooLate, WrongTime
from perch.posts.models import Post, PostState
from perch.posts.scheduling import check


async def edit(writer, post, *cards, version=None, **change):
    perch = writer.house.perch
    async with perch.db.write() as session:
        if cards:
            change["checked"] = await check(session, perch.clock, writer.draft(*cards), perch.settings.x_plan)
        fresh = await session.get_one(Post, post.id)
        await editing.edit(
            session, perch.clock, perch.engine, fresh, Change(**change), "Olga", version=version
        )


def in_an_hour(writer):
    return writer.house.perch.clock.now() + timedelta(hours=1)


@pytest.mark.both_databases
async def test_words_and_price_are_those_of_the_newest_version(ada):
    post = await ada.write("Helo", due_in=3600)
    await edit(ada, post, "Hello https://example.com", version=1)
    receipt = await ada.read(post)
    assert [card.segment.text for card in receipt.cards] == ["Hello https://example.com"]
    assert (receipt.post.version, receipt.post.price_micros, receipt.post.state) == (2, 200_000, "scheduled")
    assert receipt.post.content_hash != post.content_hash
    assert receipt.post.due_at == post.due_at
    assert receipt.lines[-1].sentence == "changed by Olga, $0.200 now"
    assert receipt.is_whole


async def test_a_thread_grows_and_shrinks(ada):
    post = await ada.write("One", "Two", due_in=3600)
    for cards in (["One", "2", "Three"], ["Only"]):
        await edit(ada, post, *cards)
        receipt = await ada.read(post)
        assert [card.segment.text for card in receipt.cards] == cards
        assert [card.segment.position for card in receipt.cards] == list(range(len(cards)))


async def test_who_read_an_older_version_is_told_the_present_one(ada):
    post = await ada.write("Hello", due_in=3600)
    await edit(ada, post, "Hello there", version=1)
    with pytest.raises(StaleVersion) as refused:
        await edit(ada, post, "Hello you", version=1)
    assert (refused.value.version, refused.value.status) == (2, 409)
    assert (await ada.read(post)).cards[0].segment.text == "Hello there"


@pytest.mark.both_databases
async def test_of_many_who_change_one_version_one_wins(ada):
    post = await ada.write("Hello", due_in=3600)
    outcomes = await asyncio.gather(
        *(edit(ada, post, f"Hello {n}", version=1) for n in range(6)), return_exceptions=True
    )
    assert outcomes.count(None) == 1
    assert all(one is None or isinstance(one, StaleVersion) for one in outcomes)
    receipt = await ada.read(post)
    assert receipt.cards[0].segment.text == f"Hello {outcomes.index(None)}"
    assert (receipt.post.version, receipt.is_whole) == (2, True)


async def test_what_breaks_a_rule_changes_nothing(ada):
    post = await ada.write("Fine", due_in=3600)
    with pytest.raises(RuleBroken):
        await edit(ada, post, "$A $B")
    with pytest.raises(WrongTime):
        await edit(ada, post, when=in_an_hour(ada) - timedelta(days=1))
    receipt = await ada.read(post)
    assert (receipt.post.version, receipt.cards[0].segment.text) == (1, "Fine")


async def test_a_post_is_moved_to_another_time_and_back_into_the_drawer(ada):
    post = await ada.write("Later", due_in=3600)
    when = AtWall((in_an_hour(ada) + timedelta(days=30)).replace(tzinfo=None, microsecond=0), "Asia/Tokyo")
    await edit(ada, post, when=when)
    moved = (await ada.read(post)).post
    assert (moved.local_time, moved.zone) == (when.local.isoformat(), "Asia/Tokyo")
    await edit(ada, post, when=None)
    kept = await ada.read(post)
    assert (kept.post.state, kept.post.due_at) == (PostState.DRAFT, None)
    assert kept.lines[-1].sentence == "made a draft by Olga"


async def test_a_post_moved_to_now_goes_out_now(working, ada):
    post = await ada.write("Why wait", due_in=3600)
    await edit(ada, post, when=working.perch.clock.now())
    assert (await ada.settled(post)).post.state == PostState.PUBLISHED


async def test_a_post_moves_to_another_account_with_its_cards(working, ada, ben):
    post = await ada.write("From whom", "And then", due_in=3600)
    perch = working.perch
    async with perch.db.write() as session:
        account = await session.get_one(XAccount, ben.person.account_id)
        account.workspace_id = ada.person.workspace_id
    async with perch.db.write() as session:
        draft = ada.draft("From Ben", "And then")
        theirs = type(draft)(draft.workspace_id, ben.person.account_id, draft.author, draft.segments)
        checked = await check(session, perch.clock, theirs, perch.settings.x_plan)
        fresh = await session.get_one(Post, post.id)
        change = Change(checked, when=perch.clock.now())
        await editing.edit(session, perch.clock, perch.engine, fresh, change, "Olga")
    assert (await ada.settled(post)).post.state == PostState.PUBLISHED
    assert {entry["account"] for entry in await working.ledger()} == {"sandbox_ben"}


@pytest.mark.both_databases
async def test_edit_and_send_race_and_the_bytes_of_an_older_version_are_never_sent(working, ada):
    posts = [await ada.write(f"Old {number}") for number in range(12)]
    outcomes = await asyncio.gather(
        *(edit(ada, post, f"New {n}", version=1) for n, post in reversed(list(enumerate(posts)))),
        return_exceptions=True,
    )
    outcomes.reverse()
    assert all(one is None or isinstance(one, TooLate) for one in outcomes)
    for post in posts:
        assert (await ada.settled(post)).post.state == PostState.PUBLISHED
    sent = sorted(entry["text"] for entry in await working.ledger())
    assert sent == sorted(f"{'Old' if outcome else 'New'} {n}" for n, outcome in enumerate(outcomes))


@pytest.mark.both_databases
async def test_edit_cancel_and_send_race_and_nothing_is_sent_after_a_cancel(working, ada):
    async def cancel(post):
        perch = working.perch
        async with perch.db.write() as session:
            await changing.cancel(session, perch.clock, await session.get_one(Post, post.id), "Olga")

    posts = [await ada.write(f"Old {number}") for number in range(8)]
    edits = [edit(ada, post, f"New {n}") for n, post in enumerate(posts)]
    cancels = [cancel(post) for post in reversed(posts)]
    outcomes = await asyncio.gather(*edits, *cancels, return_exceptions=True)
    assert all(one is None or isinstance(one, TooLate) for one in outcomes)
    cancelled = list(reversed(outcomes[8:]))
    states = [(await ada.settled(post)).post.state for post in posts]
    assert [state == PostState.CANCELLED for state in states] == [one is None for one in cancelled]
    assert len(await working.ledger()) == states.count(PostState.PUBLISHED)


async def test_a_post_that_is_out_cannot_be_changed(working, ada):
    post = await ada.write("Out")
    await ada.settled(post)
    with pytest.raises(TooLate) as refused:
        await edit(ada, post, "Better")
    assert "delete it on X" in (refused.value.fix or "")


async def test_a_post_whose_answer_got_lost_cannot_be_changed(working, ada):
    await working.fault(match={"method": "POST", "path": "/2/tweets"}, action="drop", times=1)
    post = await ada.write("Lost")
    while not await ada.attempts(post):
        await asyncio.sleep(0.005)
    with pytest.raises(TooLate):
        await edit(ada, post, "Other words")


async def test_a_post_that_waits_for_another_try_goes_out_with_its_new_words(working, ada):
    await working.fault(match={"method": "POST", "path": "/2/tweets"}, action="status", status=503, times=1)
    post = await ada.write("First words")
    await ada.settled(post, until=lambda one: one.try_at or one.state == "published")
    if (await ada.read(post)).post.state == PostState.SCHEDULED:
        await edit(ada, post, "Second words")
        assert len(await ada.attempts(post)) == 1
    assert (await ada.settled(post)).post.state == PostState.PUBLISHED

"""Every story is looked at: what somebody does to it afterwards shows, and so does a row that disagrees."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, text, update

from perch.posts import chain, deleting, verifying
from perch.posts.models import Attempt, AttemptState, Post, PostEvent, Segment

LOST = {"match": {"method": "POST", "path": "/2/tweets"}, "action": "status", "status": 403, "times": 1}


async def verified(house, public_id=None):
    found = [batch async for batch in verifying.verify(house.perch.db, public_id)]
    return verifying.Verified(
        sum(one.posts for one in found),
        sum(one.lines for one in found),
        tuple(broken for one in found for broken in one.breaks),
    )


async def published(writer, *cards):
    return (await writer.settled(await writer.write(*cards or ("Out",)))).post


async def do(house, *statements):
    async with house.perch.db.write() as session:
        for statement in statements:
            await session.execute(statement)


def sentences(found):
    return [one.sentence for one in found.breaks]


@pytest.mark.both_databases
async def test_what_perch_wrote_itself_is_whole(working, ada, ben):
    post = await published(ada, "One", "Two")
    await published(ben)
    await working.fault(**LOST)
    await ada.settled(await ada.write("Refused"))
    await ada.write("Later", due_in=3600)
    await ada.write("A draft", due_in=None)
    async with working.perch.db.write() as session:
        fresh = await session.get_one(Post, post.id)
        await deleting.ask(session, working.perch.clock, working.perch.engine, fresh, "Olga")
    while any(card.segment.delete_at for card in (await ada.read(post)).cards):
        await working.perch.clock.sleep(0.01)
    found = await verified(working)
    assert (found.posts, found.breaks) == (5, ())
    assert found.lines >= 20


async def test_one_post_can_be_looked_at_alone(working, ada):
    await published(ada, "One")
    post = await published(ada, "Two")
    found = await verified(working, post.public_id)
    assert (found.posts, found.breaks) == (1, ())


TAMPERED = [
    (update(PostEvent).where(PostEvent.seq == 2).values(detail="{}"), "line 2 was altered"),
    (update(PostEvent).where(PostEvent.kind == "sent").values(kind="armed"), "was altered"),
    (delete(PostEvent).where(PostEvent.seq == 2), "line 2 is missing"),
    (delete(PostEvent).where(PostEvent.seq >= 4), "everything after line 3 is missing"),
    (update(Post).values(story_hash="0" * 64), "not the end that the post knows"),
]


@pytest.mark.parametrize(("change", "sentence"), TAMPERED)
async def test_a_line_that_somebody_touched_shows(working, ada, change, sentence):
    post = await published(ada)
    await do(working, change)
    found = await verified(working)
    assert sentence in sentences(found)[0]
    assert {one.post for one in found.breaks} == {post.public_id}


DISAGREEING = [
    (
        text(
            "INSERT INTO attempt (segment_id, n, state, fence, worker, payload, payload_sha256, media_ids,"
            " since_id, armed_at, deadline_at, looks, absences)"
            " SELECT segment_id, 2, 'absent', fence, worker,"
            " payload, payload_sha256, media_ids, since_id, armed_at, deadline_at, 0, 0 FROM attempt"
        ),
        "card 1 has 2 attempts, and the story tells of 1",
    ),
    (delete(Attempt), "card 1 has 0 attempts, and the story tells of 1"),
    (update(Segment).values(state="refused"), "card 1 has an id on X and is not called published"),
    (
        update(Segment).values(deleted_at=datetime(2026, 11, 20, tzinfo=UTC)),
        "card 1 and the story disagree on whether it was deleted on X",
    ),
]


@pytest.mark.parametrize(("change", "sentence"), DISAGREEING)
async def test_a_row_that_disagrees_with_its_story_shows(working, ada, change, sentence):
    await published(ada)
    await do(working, change)
    assert sentence in sentences(await verified(working))


@pytest.mark.parametrize("nonsense", ["at = 'nonsense'", "detail = x'fffe00'", "hash = 5"])
async def test_a_line_that_is_none_at_all_breaks_its_own_post_only(working, ada, nonsense):
    await published(ada, "One")
    post = await published(ada, "Two")
    await published(ada, "Three")
    await do(working, text(f"UPDATE post_event SET {nonsense} WHERE post_id = {post.id} AND seq = 2"))
    found = await verified(working)
    assert found.posts == 3
    assert {one.post for one in found.breaks} == {post.public_id}
    assert (await verified(working, post.public_id)).breaks


async def test_a_card_that_somebody_called_published_shows(house, ada):
    await ada.write("Later", due_in=3600)
    await do(house, update(Segment).values(state="published", x_post_id="1990000000000000001"))
    assert sentences(await verified(house)) == [
        "no line says that X gave card 1 the id 1990000000000000001",
        "no line says that card 1 is out",
    ]


async def test_a_story_that_names_an_id_nobody_has_shows(house, ada):
    post = await ada.write("Later", due_in=3600)
    async with house.perch.db.write() as session:
        told = chain.Happening(post.id, house.perch.clock.now(), "answered", {"x_post_id": "17", "card": 1})
        await chain.append(session, [told])
    assert sentences(await verified(house)) == ["the story names 17 on X, and no card has this id"]


def test_each_state_of_an_attempt_has_lines_that_tell_of_it():
    assert verifying.SAID_OF.keys() == set(AttemptState)

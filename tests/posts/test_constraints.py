"""What must never be is refused by the database itself, whatever the code above it does."""

import itertools

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError

from perch.posts.models import Attempt, AttemptState, Post, Segment

pytestmark = pytest.mark.both_databases
LIVE = (AttemptState.ARMED, AttemptState.SENDING, AttemptState.UNKNOWN)


async def segment_of(writer, post):
    async with writer.house.perch.db.read() as session:
        return await session.scalar(select(Segment).where(Segment.post_id == post.id))


async def attempt(writer, segment, n, state):
    now = writer.house.perch.clock.now()
    made = Attempt(
        segment_id=segment.id, n=n, state=state, fence=1, worker="w", payload=b"{}", payload_sha256="",
        media_ids="[]", since_id="1", armed_at=now, deadline_at=now,
    )  # fmt: skip
    async with writer.house.perch.db.write() as session:
        session.add(made)


async def test_a_segment_has_one_live_attempt_at_most(ada):
    for number, (first, second) in enumerate(itertools.product(LIVE, LIVE)):
        segment = await segment_of(ada, await ada.write(f"One {number}", due_in=60))
        await attempt(ada, segment, 1, first)
        with pytest.raises(IntegrityError):
            await attempt(ada, segment, 2, second)


async def test_after_a_settled_attempt_there_may_be_another(ada):
    segment = await segment_of(ada, await ada.write("Again", due_in=60))
    settled = [state for state in AttemptState if state not in LIVE]
    for n, state in enumerate(settled, start=1):
        await attempt(ada, segment, n, state)
    await attempt(ada, segment, len(settled) + 1, AttemptState.ARMED)


async def test_two_attempts_never_carry_the_same_number(ada):
    segment = await segment_of(ada, await ada.write("Once", due_in=60))
    await attempt(ada, segment, 1, AttemptState.OK)
    with pytest.raises(IntegrityError):
        await attempt(ada, segment, 1, AttemptState.REJECTED)


async def test_two_cards_of_an_account_never_claim_the_same_post_on_x(ada):
    for number in range(2):
        await ada.write(f"Card {number}", due_in=60)
    async with ada.house.perch.db.write() as session:
        with pytest.raises(IntegrityError):
            await session.execute(update(Segment).values(x_post_id="17"))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE post SET state = 'sent'",
        "UPDATE post SET author_kind = 'robot'",
        "UPDATE segment SET state = 'gone'",
        "UPDATE attempt SET state = 'perhaps'",
        "UPDATE post SET account_id = 999999",
        "UPDATE segment SET post_id = 999999",
        "UPDATE x_account SET app_id = 999999",
        "UPDATE x_app SET kind = 'other'",
        "UPDATE x_grant SET refresh_state = 'busy'",
        "UPDATE post SET state = NULL",
    ],
)
async def test_a_state_that_does_not_exist_cannot_be_written(ada, statement):
    segment = await segment_of(ada, await ada.write("Row", due_in=60))
    await attempt(ada, segment, 1, AttemptState.OK)
    async with ada.house.perch.db.write() as session:
        with pytest.raises(IntegrityError):
            await session.execute(text(statement))


async def test_what_belongs_to_a_post_goes_with_it(ada):
    segment = await segment_of(ada, await ada.write("Gone", due_in=60))
    await attempt(ada, segment, 1, AttemptState.OK)
    async with ada.house.perch.db.write() as session:
        await session.delete(await session.get_one(Post, segment.post_id))
    async with ada.house.perch.db.read() as session:
        assert await session.scalar(select(Attempt)) is None

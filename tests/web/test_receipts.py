"""The receipt as people use it: what it shows, and who may press which of its buttons."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from perch.people.models import Role
from perch.posts.models import Post, Segment

FORMS = ("cancel", "resume", "send-now", "move", "found", "again", "drop", "continue", "leave", "delete")


async def in_state(site, post, state, *cards, **more):
    """As if all that leads there had happened."""
    async with site.perch.db.write() as session:
        await session.execute(update(Post).where(Post.id == post.id).values(state=state, **more))
        for position, values in enumerate(cards):
            where = (Segment.post_id == post.id, Segment.position == position)
            await session.execute(update(Segment).where(*where).values(**values))


OUT = {"state": "published", "x_post_id": "1990000000000000001"}


@pytest.fixture
async def olga(site):
    return await site.person()


@pytest.fixture
async def post(site, olga):
    return await site.post(olga, await site.account(olga), "One fine day")


async def offered(browser, post):
    page = await browser.get(f"/posts/{post.public_id}")
    assert page.status == 200, page.text
    return {form for form in FORMS if f'action="/posts/{post.public_id}/{form}"' in page.text}


STATES = [
    ("published", (OUT,), {}, {"delete"}),
    ("published", ({**OUT, "deleted_at": datetime(2026, 1, 1, tzinfo=UTC)},), {}, set()),
    ("published", ({**OUT, "delete_at": datetime(2026, 1, 1, tzinfo=UTC)},), {}, set()),
    ("needs_you", ({"state": "needs_you"},), {}, {"found", "again", "drop"}),
    ("missed", (), {}, {"send-now", "move", "cancel"}),
    ("scheduled", (), {"due_at": datetime(2030, 1, 1, tzinfo=UTC)}, {"send-now", "move", "cancel"}),
    ("scheduled", (), {"paused_reason": "credits", "why": "No credits."}, {"resume", "cancel"}),
    ("refused", (), {}, set()),
    ("cancelled", (), {}, set()),
]


@pytest.mark.parametrize(("state", "cards", "more", "forms"), STATES)
async def test_each_state_offers_what_can_be_done(site, olga, post, state, cards, more, forms):
    await in_state(site, post, state, *cards, **more)
    assert await offered(olga, post) == forms
    viewer = await site.person("Vera Viewer", Role.VIEWER, beside=olga)
    assert await offered(viewer, post) == set()


@pytest.mark.parametrize("form", FORMS)
async def test_who_may_not_publish_presses_nothing(site, olga, post, form):
    address = f"/posts/{post.public_id}/{form}"
    for role in (Role.WRITER, Role.VIEWER):
        teammate = await site.person(f"The {role}", role, beside=olga)
        assert (await teammate.post(address, {"at": "2030-01-01T09:00"})).status == 403
    other = await site.person("Otto Other")
    assert (await other.post(address, {"at": "2030-01-01T09:00"})).status == 404
    assert (await olga.post(address, {"csrf_token": "forged"})).status == 403


async def test_a_post_is_moved_by_the_wall_clock_of_its_account(site, olga, post):
    due = datetime(2030, 1, 1, 9, tzinfo=UTC)
    await in_state(site, post, "scheduled", due_at=due)
    moved = await olga.post(f"/posts/{post.public_id}/move", {"at": "2027-07-01T09:30"})
    assert (moved.status, moved.location) == (303, f"/posts/{post.public_id}"), moved.text
    page = await olga.get(f"/posts/{post.public_id}")
    assert "at 09:30" in page.text
    for nonsense in ("", "tomorrow", "2020-01-01T09:00", "9999-12-31T23:59"):
        assert (await olga.post(f"/posts/{post.public_id}/move", {"at": nonsense})).status == 422, nonsense


async def test_a_missed_post_is_sent_now(site, olga, post):
    await in_state(site, post, "missed", due_at=site.perch.clock.now() - timedelta(days=1))
    assert (await olga.post(f"/posts/{post.public_id}/send-now")).status == 303
    assert ">waiting<" in (await olga.get(f"/posts/{post.public_id}")).text


async def test_a_button_that_comes_too_late_says_so(site, olga, post):
    await in_state(site, post, "refused")
    for form in ("cancel", "resume", "send-now", "again", "drop", "continue", "leave", "delete"):
        pressed = await olga.post(f"/posts/{post.public_id}/{form}")
        assert (pressed.status, "Look at its receipt" in pressed.text) == (409, True), form


async def test_a_post_that_was_deleted_on_x_says_so_and_has_no_link(site, olga, post):
    gone = {**OUT, "deleted_at": datetime(2026, 1, 1, tzinfo=UTC)}
    await in_state(site, post, "published", gone)
    page = await olga.get(f"/posts/{post.public_id}")
    assert "deleted on X" in page.text
    assert "1990000000000000001" not in page.text
    assert "deleted on X" in (await olga.get("/")).text

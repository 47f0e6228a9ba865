"""Times on the pages: a post for later, the next free slot, another time, an account's slots."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from perch.accounts.models import XAccount
from perch.people.models import Role
from perch.posts import slots
from perch.posts.models import Post, PostState


@pytest.fixture
async def olga(site: Any) -> Any:
    browser = await site.person()
    await site.account(browser)
    return browser


def in_days(days: int) -> str:
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT09:30}"


async def the_post(site: Any) -> Post:
    async with site.perch.db.read() as session:
        found: Post | None = await session.scalar(select(Post).order_by(Post.id.desc()))
        assert found is not None
        return found


async def the_account(site: Any) -> XAccount:
    async with site.perch.db.read() as session:
        found: XAccount | None = await session.scalar(select(XAccount))
        assert found is not None
        return found


def sheet(text: str, **more: str) -> dict[str, str]:
    return {"text": text, "do": "post", "compose_key": text, **more}


async def test_a_post_for_later_is_kept_by_the_account_s_wall(site: Any, olga: Any) -> None:
    async with site.perch.db.write() as session:
        await session.execute(update(XAccount).values(zone="Asia/Tokyo"))
    page = await olga.get("/compose")
    assert "times in Asia/Tokyo" in page.text
    at = in_days(9)
    sent = await olga.post("/compose", sheet("Later", at=at))
    assert sent.status == 303, sent.text
    post = await the_post(site)
    assert (post.state, post.local_time, post.zone) == (PostState.SCHEDULED, f"{at}:00", "Asia/Tokyo")
    assert post.due_at == datetime.fromisoformat(f"{at}+09:00")


async def test_the_button_says_what_it_does(olga: Any) -> None:
    assert "Post now to @sandbox_ada" in (await olga.get("/compose")).text
    checked = await olga.post("/compose/check", {"text": "Later", "at": "2027-03-01T09:00"})
    assert "Schedule for Mon 1 Mar 09:00 from @sandbox_ada" in checked.text


@pytest.mark.parametrize("at", ["soon", "2020-01-01T09:00", "9999-12-31T23:59", "2026-02-30T09:00"])
async def test_a_time_that_is_none_brings_the_sheet_back_with_everything_on_it(
    site: Any, olga: Any, at: str
) -> None:
    back = await olga.post("/compose", sheet("Keep my words", at=at))
    assert back.status == 422
    assert ">Keep my words</textarea>" in back.text
    assert f'value="{at}"' in back.text


async def test_enter_in_the_field_for_the_time_sends_nothing(site: Any, olga: Any) -> None:
    page = (await olga.get("/compose")).text
    form = page[page.index('id="composer"') :]
    assert form.index('value="look"') < form.index('name="remove"')
    back = await olga.post("/compose", {**sheet("Not yet", at=in_days(2)), "do": "look"})
    assert back.status == 200
    assert ">Not yet</textarea>" in back.text


async def test_the_next_free_slot_is_offered_where_there_are_slots(site: Any, olga: Any) -> None:
    assert 'value="slot"' not in (await olga.get("/compose")).text
    none = await olga.post("/compose", {**sheet("In a slot"), "do": "slot"})
    assert (none.status, "has no slots" in none.text) == (409, True)
    account = await the_account(site)
    times = {"slots": "mon-fri 09:00", "zone": "Europe/Berlin", "late": "ask"}
    assert (await olga.post(f"/accounts/{account.public_id}/times", times)).status == 303
    assert 'value="slot"' in (await olga.get("/compose")).text
    assert (await olga.post("/compose", {**sheet("In a slot"), "do": "slot"})).status == 303
    assert (await the_post(site)).local_time[11:] == "09:00:00"  # type: ignore[index]


async def test_an_account_s_times_are_shown_and_kept(site: Any, olga: Any) -> None:
    account = await the_account(site)
    path = f"/accounts/{account.public_id}/times"
    times = {"slots": "sat 10:00; mon-fri 09:00", "zone": "Europe/Berlin", "late": "ask"}
    assert (await olga.post(path, times)).status == 303
    page = (await olga.get("/accounts")).text
    for shown in ("mon-fri 09:00; sat 10:00", "Europe/Berlin", "wait for you"):
        assert shown in page
    for wrong in ({**times, "slots": "often"}, {**times, "zone": "Mars"}):
        assert (await olga.post(path, wrong)).status == 422
    kept = await the_account(site)
    assert (kept.zone, kept.missed_policy) == ("Europe/Berlin", "ask")
    async with site.perch.db.read() as session:
        assert len(await slots.of_account(session, kept.id)) == 6


async def test_teammates_and_strangers_set_times_as_far_as_their_roles_reach(site: Any, olga: Any) -> None:
    account = await the_account(site)
    path, times = f"/accounts/{account.public_id}/times", {"slots": "", "zone": "UTC", "late": "send"}
    people = {
        "editor": await site.person("Ed", Role.EDITOR, beside=olga),
        "writer": await site.person("Wanda", Role.WRITER, beside=olga),
        "stranger": await site.person("Sam"),
    }
    found = {name: (await browser.post(path, times)).status for name, browser in people.items()}
    assert found == {"editor": 303, "writer": 403, "stranger": 404}


async def test_the_queue_begins_with_what_comes_first_and_ends_with_what_was_first(
    site: Any, olga: Any
) -> None:
    for text, days in (("Far ahead", 9), ("Taken back", 5), ("Soon", 2)):
        await olga.post("/compose", sheet(text, at=in_days(days)))
    async with site.perch.db.write() as session:
        (taken,) = await session.scalars(select(Post).order_by(Post.id).offset(1).limit(1))
        taken.state = PostState.CANCELLED
    page = (await olga.get("/")).text
    places = [page.index(words) for words in ("To come", "Soon", "Far ahead", "So far", "Taken back")]
    assert places == sorted(places)

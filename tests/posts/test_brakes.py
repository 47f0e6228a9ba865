"""What one answer of X means for every post of its account or its app: rests, pauses, probes, one notice."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from perch.accounts.models import XAccount, XApp
from perch.notices import queries as notices
from perch.posts import resuming
from perch.posts.models import Post, PostState

POST = {"method": "POST", "path": "/2/tweets"}


async def account_of(writer):
    async with writer.house.perch.db.read() as session:
        return await session.get_one(XAccount, writer.person.account_id)


async def app_of(house):
    async with house.perch.db.read() as session:
        return (await session.scalars(select(XApp))).one()


async def told(writer):
    async with writer.house.perch.db.read() as session:
        return [one.cause.split(":")[0] for one in await notices.open_in(session, writer.person.workspace_id)]


async def until(look, patience=20):
    """What ``look`` finds once it finds something."""
    for _ in range(int(patience / 0.02)):
        if found := await look():
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come")


async def requests(house, status=None):
    answer = await house.control("GET", "/_sandbox/requests")
    sent = [one for one in answer["requests"] if one["method"] == "POST" and one["path"] == "/2/tweets"]
    return [one for one in sent if status in (None, one["status"])]


async def paused_app(house):
    app = await app_of(house)
    return app if app.paused_reason else None


async def is_quiet(house):
    """Whether no post is under way: an answer that comes after a resume would pause its app again."""
    async with house.perch.db.read() as session:
        return await session.scalar(select(Post.id).where(Post.state == PostState.PUBLISHING)) is None


async def published(writer, posts):
    return [(await writer.settled(post)).post.state for post in posts] == [PostState.PUBLISHED] * len(posts)


async def probe_now(house):
    """As when the hour until the next probe has passed."""
    async with house.perch.db.write() as session:
        await session.execute(update(XApp).values(paused_until=house.perch.clock.now()))
    house.perch.engine.ask_for_sweep()


@pytest.mark.both_databases
async def test_perch_sleeps_on_the_window_of_an_account_and_provokes_no_refusal(working, ada):
    await working.control("PUT", "/_sandbox/settings", {"limits": {"POST /2/tweets": {"user": [2, 2]}}})
    posts = [await ada.write(f"Post {number}") for number in range(5)]
    assert await published(ada, posts)
    assert await requests(working, status=429) == []
    assert (await account_of(ada)).rests_until is not None
    assert (await app_of(working)).rests_until is None


@pytest.mark.both_databases
async def test_perch_sleeps_on_the_day_of_the_app_with_all_its_accounts(working, ada, ben):
    day = {"POST /2/tweets": {"user": [100, 900], "app": [3, 86400]}}
    await working.control("PUT", "/_sandbox/settings", {"limits": day})
    for number in range(3):
        await ada.settled(await ada.write(f"Before {number}"))
    app = await until(lambda: rested(working))
    assert app.rests_until > working.perch.clock.now() + timedelta(hours=20)
    waiting = [await who.write("Tomorrow") for who in (ada, ben)]
    await asyncio.sleep(0.5)
    assert len(await requests(working)) == 3
    await working.control("PUT", "/_sandbox/settings", {"limits": {}})
    async with working.perch.db.write() as session:
        await session.execute(update(XApp).values(rests_until=working.perch.clock.now()))
    assert await published(ada, waiting[:1])
    assert await published(ben, waiting[1:])


async def rested(house):
    app = await app_of(house)
    return app if app.rests_until else None


async def test_a_thread_rests_between_two_cards_and_goes_on_below(working, ada):
    await working.control("PUT", "/_sandbox/settings", {"limits": {"POST /2/tweets": {"user": [1, 1]}}})
    assert await published(ada, [await ada.write("One", "Two", "Three")])
    assert await requests(working, status=429) == []
    first, second, third = await working.ledger()
    assert (second["reply_to"], third["reply_to"]) == (first["id"], second["id"])


@pytest.mark.both_databases
async def test_no_credits_stop_the_whole_app_with_one_notice_and_one_request(working, ada, ben):
    await working.control("PUT", "/_sandbox/settings", {"credits": 0})
    met = await ada.write("First")
    await ada.settled(met, until=lambda one: one.paused_reason)
    await until(lambda: paused_app(working))
    behind = [await ada.write("Second"), await ben.write("Third")]
    await asyncio.sleep(0.6)
    assert len(await requests(working)) == 1
    assert (await told(ada), await told(ben)) == (["credits"], ["credits"])
    assert [
        (await who.read(post)).standing.paused_reason for who, post in zip((ada, ben), behind, strict=True)
    ] == [
        "credits",
        "credits",
    ]


@pytest.mark.both_databases
async def test_a_probe_is_one_post_and_its_success_lets_all_go(working, ada, ben):
    await working.control("PUT", "/_sandbox/settings", {"credits": 0})
    posts = [(who, await who.write(f"Post {number}")) for who in (ada, ben) for number in range(3)]
    await until(lambda: paused_app(working))
    await asyncio.sleep(0.3)
    before = len(await requests(working))
    await probe_now(working)
    await until(lambda: more_than(working, before))
    await asyncio.sleep(0.4)
    assert len(await requests(working)) == before + 1
    assert await told(ada) == ["credits"]
    await working.control("PUT", "/_sandbox/settings", {"credits": 1000})
    await probe_now(working)
    for who, post in posts:
        assert await published(who, [post])
    assert (await app_of(working)).paused_reason is None
    assert await told(ada) == []


async def more_than(house, count):
    return len(await requests(house)) > count


async def test_a_person_resumes_what_one_notice_told_of(working, ada, ben):
    await working.control("PUT", "/_sandbox/settings", {"credits": 0})
    posts = [await ada.write("Mine"), await ben.write("Theirs")]
    await until(lambda: paused_app(working))
    await until(lambda: is_quiet(working))
    await working.control("PUT", "/_sandbox/settings", {"credits": 1000})
    perch = working.perch
    async with perch.db.write() as session:
        [notice] = await notices.open_in(session, ada.person.workspace_id)
        await resuming.resume_notice(
            session, perch.clock, perch.engine, ada.person.workspace_id, notice, "Olga"
        )
    assert await published(ada, posts[:1])
    assert await published(ben, posts[1:])
    assert await told(ben) == []


async def test_a_login_that_is_gone_stops_its_account_only_until_it_signs_in_again(working, ada, ben):
    await working.fault(match=POST, action="status", status=401, times=1)
    gone = {"error": "invalid_request", "error_description": "Value passed for the token was invalid."}
    await working.fault(match={"path": "/2/oauth2/token"}, action="status", status=400, body=gone, times=1)
    met = await ada.write("After the reconnect")
    await ada.settled(met, until=lambda one: one.paused_reason)
    behind = await ada.write("Behind it")
    assert await published(ben, [await ben.write("Unconcerned")])
    assert (await ada.read(behind)).standing.paused_reason == "login"
    assert (await told(ada), await told(ben)) == (["login"], [])
    await working.connect("sandbox_ada")
    perch = working.perch
    async with perch.db.write() as session:
        await resuming.resume_account(
            session, perch.clock, perch.engine, ada.person.account_id, resuming.CAUSES, "the new sign-in"
        )
    assert await published(ada, [met, behind])
    assert "resumed by the new sign-in" in [line.sentence for line in (await ada.read(met)).lines]
    assert await told(ada) == []

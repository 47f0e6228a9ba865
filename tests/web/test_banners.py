"""Notices above every page: who sees them, who may say that the cause is mended."""

import pytest
from sqlalchemy import select, update

from perch.accounts.models import XAccount, XApp
from perch.notices.models import Notice
from perch.notices.telling import News, tell
from perch.people.models import Role
from perch.posts.models import Post


@pytest.fixture
async def owner(site):
    return await site.person()


@pytest.fixture
async def account(site, owner):
    return await site.account(owner)


async def app_pauses(site):
    async with site.perch.db.write() as session:
        app = (await session.scalars(select(XApp))).one()
        app.paused_reason, app.paused_until = "credits", site.perch.clock.now()
        news = News(f"credits:app:{app.public_id}", "credits", "The X app has no credits left.", "Top up.")
        await tell(session, [news], site.perch.clock.now())


async def notice_id(site):
    async with site.perch.db.read() as session:
        return await session.scalar(select(Notice.public_id).where(Notice.ended_at.is_(None)))


async def test_a_notice_stands_above_every_page_with_what_waits(site, owner, account):
    await site.post(owner, account, "One")
    await site.post(owner, account, "Two")
    await app_pauses(site)
    for path in ("/", "/accounts", "/compose", "/help"):
        shown = (await owner.get(path)).text
        assert "The X app has no credits left." in shown
        assert "2 posts wait." in shown
        assert "Resume" in shown


async def test_who_may_publish_resumes_what_is_paused_and_nobody_else(site, owner, account):
    await site.post(owner, account, "One")
    await app_pauses(site)
    path = f"/notices/{await notice_id(site)}/resume"
    writer = await site.person("Wim Writer", Role.WRITER, beside=owner)
    assert "Resume" not in (await writer.get("/")).text
    assert (await writer.post(path)).status == 403
    assert (await site.stranger().post(path)).status in (303, 401)
    assert await notice_id(site)
    assert (await owner.post(path)).location == "/"
    assert await notice_id(site) is None
    async with site.perch.db.read() as session:
        assert (await session.scalars(select(XApp.paused_reason))).one() is None


async def test_a_stranger_is_told_nothing(site, owner, account):
    await app_pauses(site)
    assert "no credits" not in (await site.stranger().get("/")).text


async def test_a_login_notice_names_who_waits_and_leads_to_the_accounts(site, owner, account):
    await site.post(owner, account, "One")
    async with site.perch.db.write() as session:
        await session.execute(update(XAccount).values(paused_reason="login"))
        cause = f"login:account:{account.public_id}"
        news = News(cause, "login", "Gone.", "Connect it.", owner.workspace_id, "/accounts")
        await tell(session, [news], site.perch.clock.now())
    shown = (await owner.get("/")).text
    assert "1 post waits for @sandbox_ada." in shown
    assert 'href="/accounts">Look at it' in shown
    assert "Resume" not in shown
    other = await site.person("Olaf Other")
    assert "Gone." not in (await other.get("/")).text
    assert (await other.post(f"/notices/{await notice_id(site)}/resume")).status == 404


async def test_a_post_that_waits_for_x_says_until_when(site, owner, account):
    post = await site.post(owner, account, "One")
    async with site.perch.db.write() as session:
        until = site.perch.clock.now().replace(year=2090)
        await session.execute(update(XAccount).values(rests_until=until))
        await session.execute(update(Post).where(Post.id == post.id).values(due_at=post.created_at))
    assert "X’s rate limit: waits until" in (await owner.get("/")).text
    assert "X’s rate limit: waits until" in (await owner.get("/accounts")).text


async def test_a_post_that_waits_for_x_offers_no_try_that_would_do_nothing(site, owner, account):
    post = await site.post(owner, account, "One")
    now = site.perch.clock.now()
    async with site.perch.db.write() as session:
        await session.execute(update(Post).where(Post.id == post.id).values(due_at=now, try_at=now))
    assert "Try now" in (await owner.get(f"/posts/{post.public_id}")).text
    async with site.perch.db.write() as session:
        await session.execute(update(XAccount).values(rests_until=now.replace(year=2090)))
    assert "Try now" not in (await owner.get(f"/posts/{post.public_id}")).text

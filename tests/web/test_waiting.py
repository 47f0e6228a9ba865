"""How many posts wait for an account is counted, not read off a page of a list."""

from typing import Any

from sqlalchemy import update

from perch.accounts.models import Grant, RefreshState


async def test_every_post_that_waits_for_an_account_is_counted(site: Any) -> None:
    olga = await site.person()
    account = await site.account(olga)
    for number in range(52):
        await site.post(olga, account, f"Number {number}")
    asked = await olga.get(f"/accounts/{account.public_id}/disconnect")
    assert "52 posts wait to be sent from it" in asked.text
    async with site.perch.db.write() as session:
        await session.execute(update(Grant).values(refresh_state=RefreshState.DEAD))
    assert "needs a new sign-in: 52 posts wait for it" in (await olga.get("/")).text


async def test_posts_of_another_workspace_do_not_count(site: Any) -> None:
    olga, ben = await site.person(), await site.person("Ben")
    mine, theirs = await site.account(olga), await site.account(ben, "sandbox_ben")
    await site.post(ben, theirs, "Not of your counting")
    asked = await olga.get(f"/accounts/{mine.public_id}/disconnect")
    assert "No post is waiting to be sent from it" in asked.text

"""Many people at once."""

import asyncio
import re
from contextlib import AsyncExitStack

FORM = {"Sec-Fetch-Site": "same-origin"}
_HIDDEN = re.compile(r'<input type="hidden" name="([\w_]+)" value="([^"]*)"')


async def test_one_hundred_times_post_now_from_twenty_people_makes_one_hundred_posts(site):
    async with AsyncExitStack() as stack:
        names = [f"person{number}" for number in range(20)]
        browsers = [await stack.enter_async_context(site.browser()) for _ in names]
        for browser, name in zip(browsers, names, strict=True):
            async with browser.post(
                f"{site.x_url}/_sandbox/people", json={"username": name, "name": name.title()}
            ) as answer:
                assert answer.status < 300, await answer.text()
            await site.sign_in(browser, name)
        await asyncio.gather(
            *(
                post_now(site, browser, f"{name} says {number}")
                for browser, name in zip(browsers, names, strict=True)
                for number in range(5)
            )
        )
        async with asyncio.timeout(60):
            while len(ledger := await read_ledger(site, browsers[0])) < 100:
                await asyncio.sleep(0.2)
        await asyncio.sleep(1)
        ledger = await read_ledger(site, browsers[0])
    assert len(ledger) == 100
    assert len({entry["text"] for entry in ledger}) == 100
    assert all(entry["text"].startswith(entry["account"] + " ") for entry in ledger)


async def post_now(site, browser, text):
    async with browser.get(f"{site.url}/compose") as answer:
        fields = dict(_HIDDEN.findall(await answer.text()))
    async with browser.post(
        f"{site.url}/compose",
        data={**fields, "text": text, "do": "post"},
        headers=FORM,
        allow_redirects=False,
    ) as answer:
        assert answer.status == 303, await answer.text()
        assert answer.headers["Location"].startswith("/posts/")


async def read_ledger(site, browser):
    async with browser.get(f"{site.x_url}/_sandbox/ledger") as answer:
        return (await answer.json())["posts"]

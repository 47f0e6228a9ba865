"""The composer: what is checked, what is kept, and that one press is one post."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select, update

from perch.posts import queries
from perch.posts.models import Post, PostState

HOSTILE = "<img src=x onerror=alert(1)>"


async def key_of(browser: Any) -> str:
    page = await browser.get("/compose")
    return str(page.text.partition('name="compose_key" value="')[2].partition('"')[0])


async def count(site: Any) -> int:
    async with site.perch.db.read() as session:
        return int(await session.scalar(select(func.count()).select_from(Post)) or 0)


@pytest.fixture
async def olga(site: Any) -> Any:
    person = await site.person()
    await site.account(person)
    return person


async def test_a_post_is_written_priced_and_taken(site: Any, olga: Any) -> None:
    checked = await olga.post("/compose/check", {"text": "Read https://example.com today"})
    assert checked.status == 200
    assert '<span class="count figures">34<' in checked.text
    assert "$0.200" in checked.text
    sent = await olga.post("/compose", {"text": "Hello", "do": "post", "compose_key": await key_of(olga)})
    assert sent.status == 303
    receipt = await olga.get(sent.location)
    assert "queued by Olga Owner, $0.015" in receipt.text


async def test_pressing_twice_is_one_post(site: Any, olga: Any) -> None:
    form = {"text": "Hello", "do": "post", "compose_key": await key_of(olga)}
    answers = await asyncio.gather(*(olga.post("/compose", form) for _ in range(5)))
    assert {answer.status for answer in answers} == {303}
    assert len({answer.location for answer in answers}) == 1
    assert await count(site) == 1


async def test_another_text_under_a_spent_key_is_asked_about_and_then_taken(site: Any, olga: Any) -> None:
    key = await key_of(olga)
    await olga.post("/compose", {"text": "One", "do": "post", "compose_key": key})
    asked = await olga.post("/compose", {"text": "Two", "do": "post", "compose_key": key})
    assert asked.status == 422
    assert "already sent another post" in asked.text
    fresh = asked.text.partition('name="compose_key" value="')[2].partition('"')[0]
    taken = await olga.post("/compose", {"text": "Two", "do": "post", "compose_key": fresh})
    assert taken.status == 303
    assert await count(site) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "There is nothing to post"),
        ("x" * 281, "over X&#39;s limit"),
        ("$ACME and $INIT", "one cashtag"),
        ("a\x00b", "no post can hold"),
    ],
)
async def test_what_x_would_refuse_comes_back_with_the_reason_and_the_text(
    site: Any, olga: Any, text: str, said: str
) -> None:
    back = await olga.post("/compose", {"text": text, "do": "post", "compose_key": await key_of(olga)})
    assert back.status == 422
    assert said in back.text
    assert text in back.text
    assert await count(site) == 0


async def test_a_text_that_looks_like_markup_stays_text_everywhere(site: Any, olga: Any) -> None:
    sent = await olga.post("/compose", {"text": HOSTILE, "do": "post", "compose_key": HOSTILE})
    pages = [
        await olga.get(sent.location),
        await olga.get("/"),
        await olga.post("/compose/check", {"text": HOSTILE, "compose_key": HOSTILE, "alt_0": HOSTILE}),
        await olga.post(
            "/compose", {"text": HOSTILE * 20, "do": "post", "compose_key": HOSTILE, "account": HOSTILE}
        ),
    ]
    for page in pages:
        assert "<img src=x" not in page.text
        assert "&lt;img src=x" in page.text


async def test_a_dropped_file_is_kept_and_shown_to_its_own_workspace(
    site: Any, olga: Any, png: bytes
) -> None:
    answer = await olga.post_files("/media", {"file": png})
    assert answer.status == 201
    form = {"text": "Look", "do": "post", "compose_key": "k", "asset_0": _id(answer), "alt_0": "A calm lake"}
    sent = await olga.post("/compose", form)
    receipt = await olga.get(sent.location)
    assert 'alt="A calm lake"' in receipt.text
    preview = await olga.get(f"/media/{_id(answer)}/preview")
    assert preview.headers["Content-Type"] == "image/webp"
    original = await olga.get(f"/media/{_id(answer)}/original")
    assert original.headers["Content-Disposition"].startswith("attachment")
    for file in (preview, original):
        assert file.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert file.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "lie", [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<script>alert(1)</script>", b""]
)
async def test_a_file_that_is_no_picture_is_refused_with_a_sentence(site: Any, olga: Any, lie: bytes) -> None:
    answer = await olga.post_files("/media", {"file": lie})
    assert 400 <= answer.status < 500
    assert '"detail":"' in answer.text


async def test_the_plain_form_takes_files_too_and_keeps_them_when_something_is_wrong(
    site: Any, olga: Any, png: bytes
) -> None:
    back = await olga.post_files(
        "/compose", {"file_0": png}, text="x" * 281, do="post", compose_key="k", alt_0="A calm lake"
    )
    assert back.status == 422
    asset = back.text.partition('name="asset_0" value="')[2].partition('"')[0]
    assert asset
    assert "A calm lake" in back.text
    form = {"text": "Short", "do": "post", "compose_key": "k", "asset_0": asset, "alt_0": "A calm lake"}
    assert (await olga.post("/compose", form)).status == 303


async def test_a_picture_is_taken_off_the_sheet_without_sending(site: Any, olga: Any, png: bytes) -> None:
    asset = _id(await olga.post_files("/media", {"file": png}))
    back = await olga.post("/compose", {"text": "Look", "remove": "0", "asset_0": asset})
    assert back.status == 200
    assert asset not in back.text
    assert await count(site) == 0


async def test_the_picture_and_the_account_of_somebody_else_cannot_be_used(site: Any, olga: Any) -> None:
    sam = await site.person("Sam Stranger")
    theirs, account = await site.asset(sam), await site.account(sam, "sandbox_ben")
    stolen = {"text": "Mine", "do": "post", "compose_key": "k", "asset_0": theirs.public_id}
    assert (await olga.post("/compose", stolen)).status == 404
    misused = {"text": "Mine", "do": "post", "compose_key": "k", "account": account.public_id}
    assert (await olga.post("/compose", misused)).status == 404
    assert await count(site) == 0


async def test_a_receipt_that_has_not_moved_sends_nothing_again(site: Any, olga: Any) -> None:
    account = await site.account(olga)
    post = await site.post(olga, account, "Hello")
    page = await olga.get(f"/posts/{post.public_id}")
    refresh = page.text.partition('hx-get="')[2].partition('"')[0]
    assert (await olga.get(refresh)).status == 204
    assert (await olga.post(f"/posts/{post.public_id}/cancel")).status == 303
    moved = await olga.get(refresh)
    assert moved.status == 200
    assert "cancelled by Olga Owner" in moved.text
    assert "hx-get" not in moved.text
    assert (await olga.post(f"/posts/{post.public_id}/cancel")).status == 409


async def test_without_an_account_the_composer_says_what_to_do(site: Any) -> None:
    nobody = await site.person()
    page = await nobody.get("/compose")
    assert page.status == 200
    assert "Connect an account" in page.text


async def test_the_queue_goes_on_page_by_page(site: Any, olga: Any) -> None:
    account = await site.account(olga)
    for number in range(51):
        await site.post(olga, account, f"Post number {number}")
    async with site.perch.db.write() as session:
        await session.execute(update(Post).values(state=PostState.PUBLISHED))
    first = await olga.get("/")
    assert "Post number 50<" in first.text
    assert "Post number 0<" not in first.text
    older = first.text.partition('href="/?before=')[2].partition('"')[0]
    assert "Post number 0<" in (await olga.get(f"/?before={older}")).text


async def test_a_thread_and_its_unknown_card_offer_three_ways(site: Any, olga: Any) -> None:
    account = await site.account(olga)
    post = await site.post(olga, account, "Hello")
    async with site.perch.db.write() as session:
        stored = await queries.post_by_id(session, post.id)
        assert stored is not None
        stored.state, stored.why = "needs_you", "X did not answer."
        (card,) = await queries.cards(session, post.id)
        card.segment.state = "needs_you"
    page = await olga.get(f"/posts/{post.public_id}")
    for way in ("found", "again", "drop"):
        assert f'action="/posts/{post.public_id}/{way}"' in page.text
    assert "hx-get" not in page.text


async def test_a_cancelled_post_is_taken_up_again_with_its_words_and_pictures(site: Any, olga: Any) -> None:
    account, asset = await site.account(olga), await site.asset(olga)
    post = await site.post(olga, account, "Say it better", asset)
    await olga.post(f"/posts/{post.public_id}/cancel")
    receipt = await olga.get(f"/posts/{post.public_id}")
    assert f"/compose?again={post.public_id}" in receipt.text
    page = await olga.get(f"/compose?again={post.public_id}")
    assert ">Say it better</textarea>" in page.text
    assert asset.public_id in page.text
    assert "A calm lake" in page.text
    sam = await site.person("Sam Stranger")
    assert (await sam.get(f"/compose?again={post.public_id}")).status == 404


def _id(answer: Any) -> str:
    return str(answer.text.partition('"id":"')[2].partition('"')[0])

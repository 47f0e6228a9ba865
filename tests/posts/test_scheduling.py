"""A draft is checked, priced and accepted, or refused with a sentence; never half of it."""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import func, select, update

from perch.accounts.models import XAccount
from perch.media import adding
from perch.media.models import Asset
from perch.posts.drafting import DraftMedia, DraftSegment
from perch.posts.errors import PostNotFound, RuleBroken
from perch.posts.models import Post, PostEvent, PostState, Segment
from perch.posts.scheduling import check


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new("RGB", (8, 8), "teal").save(tmp_path / "lake.png")
    return tmp_path / "lake.png"


async def asset_of(writer, picture):
    perch = writer.house.perch
    with perch.store.scratch() as folder:
        path = Path(shutil.copy(picture, folder))
        return await adding.add(
            perch.db.write, perch.clock, perch.store, writer.person.workspace_id, path, "lake.png"
        )


async def checked(writer, *cards, **more):
    perch = writer.house.perch
    async with perch.db.read() as session:
        return await check(session, perch.clock, writer.draft(*cards), more.get("plan", "pay-per-use"))


async def rows(writer, table):
    async with writer.house.perch.db.read() as session:
        return await session.scalar(select(func.count()).select_from(table))


async def test_a_post_of_text_costs_what_the_price_list_says(ada):
    assert (await checked(ada, "Good morning")).price_micros == 15_000


async def test_links_and_descriptions_cost_and_every_card_counts(ada, picture):
    asset = await asset_of(ada, picture)
    described = DraftSegment("A lake", (DraftMedia(asset.public_id, "A calm lake"),))
    plain = DraftSegment("A lake", (DraftMedia(asset.public_id),))
    found = await checked(ada, "See https://example.com", described, plain)
    assert [quote.total.micros for quote in found.quotes] == [200_000, 20_000, 15_000]
    assert found.price_micros == 235_000


async def test_an_enterprise_plan_pays_nothing_by_the_post(ada):
    assert (await checked(ada, "See https://example.com", plan="enterprise")).price_micros == 0


async def test_a_draft_is_kept_and_not_sent(working, ada):
    post = await ada.write("Not yet", due_in=None)
    receipt = await ada.read(post)
    assert (receipt.post.state, receipt.post.due_at) == (PostState.DRAFT, None)
    assert [line.sentence for line in receipt.lines] == ["kept as a draft by Someone"]


async def test_what_breaks_a_rule_leaves_no_row(ada):
    with pytest.raises(RuleBroken) as refused:
        await ada.write("Fine", "a" * 281, "$A $B")
    assert [finding.rule for finding in refused.value.findings] == ["X006", "X001"]
    assert (refused.value.status, refused.value.rule) == (422, "X006")
    assert [await rows(ada, table) for table in (Post, Segment, PostEvent)] == [0, 0, 0]


async def test_another_workspace_s_account_does_not_exist(ada, ben):
    foreign = ben.draft("Hello")
    stolen = replace(foreign, workspace_id=ada.person.workspace_id)
    perch = ada.house.perch
    async with perch.db.read() as session:
        assert await check(session, perch.clock, foreign, "pay-per-use")
        with pytest.raises(PostNotFound):
            await check(session, perch.clock, stolen, "pay-per-use")


async def test_another_workspace_s_picture_does_not_exist(ada, ben, picture):
    theirs = await asset_of(ben, picture)
    with pytest.raises(PostNotFound, match="not in the library"):
        await ada.write(DraftSegment("Look", (DraftMedia(theirs.public_id),)))
    assert await rows(ada, Post) == 0


async def test_a_disconnected_account_takes_no_posts(ada):
    perch = ada.house.perch
    async with perch.db.write() as session:
        await session.execute(update(XAccount).values(disconnected_at=perch.clock.now()))
    with pytest.raises(PostNotFound, match="not connected"):
        await ada.write("Hello")


@pytest.mark.parametrize("state", ["Premium", "PremiumPlus", "Basic"])
async def test_a_paying_account_may_write_long(ada, state):
    async with ada.house.perch.db.write() as session:
        await session.execute(update(XAccount).values(subscription_type=state))
    assert (await checked(ada, "a" * 1000)).findings == ()


NASTY = {
    "a lone surrogate": "half \ud800",
    "a noncharacter": "no \uffff",
    "NUL": "a\x00b",
}
STRANGE = {
    "control characters": "a\x01\x1b[31m\x7f b",
    "a bidirectional override": "safe \u202e txt.exe",
    "markup": "<img src=x onerror=alert(1)>",
    "a family": "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466" * 140,
    "decomposed letters at the limit": "e\u0301" * 280,
    "line ends of every kind": "a\r\nb\rc\u2028d",
}


@pytest.mark.both_databases
@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
async def test_a_text_that_x_cannot_take_is_refused_with_its_rule(ada, text):
    with pytest.raises(RuleBroken) as refused:
        await ada.write(text)
    assert refused.value.rule == "X008"


@pytest.mark.both_databases
@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE)
async def test_a_strange_text_is_refused_or_sent_as_it_was_kept(working, ada, text):
    try:
        post = await ada.write(text)
    except RuleBroken:
        assert await rows(ada, Post) == 0
        return
    receipt = await ada.settled(post)
    assert receipt.post.state == PostState.PUBLISHED
    [entry] = await working.ledger()
    assert entry["text"] == receipt.cards[0].segment.text


@pytest.mark.parametrize("alt", ["half \ud800", "a\x00b"])
async def test_a_description_that_cannot_be_kept_is_refused(ada, picture, alt):
    asset = await asset_of(ada, picture)
    with pytest.raises(RuleBroken) as refused:
        await ada.write(DraftSegment("Look", (DraftMedia(asset.public_id, alt),)), due_in=60)
    assert refused.value.rule == "X008"
    assert await rows(ada, Post) == 0


@pytest.mark.both_databases
async def test_a_strange_description_is_kept_as_it_is(ada, picture):
    asset = await asset_of(ada, picture)
    strange = "a\x1b[31m\x07 \u202e lake"
    post = await ada.write(DraftSegment("Look", (DraftMedia(asset.public_id, strange),)), due_in=60)
    [card] = (await ada.read(post)).cards
    assert card.media[0][0].alt_text == strange


async def test_a_post_remembers_its_account_s_zone_and_its_instant(ada):
    async with ada.house.perch.db.write() as session:
        await session.execute(update(XAccount).values(zone="Europe/Berlin"))
    post = await ada.write("Later", due_in=3600)
    kept = (await ada.read(post)).post
    assert kept.zone == "Europe/Berlin"
    assert kept.due_at is not None
    assert kept.due_at - kept.created_at >= timedelta(minutes=59)


async def test_a_long_video_is_doubted_for_accounts_without_premium_and_still_accepted(ada, picture):
    asset = await asset_of(ada, picture)
    async with ada.house.perch.db.write() as session:
        long = {"kind": "video", "media_type": "video/mp4", "duration_ms": 141_000}
        await session.execute(update(Asset).where(Asset.id == asset.id).values(**long))
    card = DraftSegment("", (DraftMedia(asset.public_id),))
    assert [(one.rule, one.severity) for one in (await checked(ada, card)).findings] == [("M008", "warning")]
    assert (await ada.write(card)).state == PostState.SCHEDULED
    async with ada.house.perch.db.write() as session:
        await session.execute(update(XAccount).values(subscription_type="Premium"))
    assert (await checked(ada, card)).findings == ()

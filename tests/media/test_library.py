import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from perch.db import Database
from perch.fetch import FetchFailed, FetchRefused
from perch.media import queries
from perch.media.adding import LONGEST_NAME, add, clean_name
from perch.media.describing import describe
from perch.media.errors import AltTextTooLong, MediaRefused, MediaTypeRefused, MediaUnknown
from perch.media.importing import from_url
from perch.media.models import Asset
from perch.media.storing import MediaStore, digest


def _files(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "media").rglob("*") if path.is_file()]


async def test_a_picture_is_added_with_its_preview(
    database: Database, clock: Any, store: MediaStore, rows: Any, picture: Any
) -> None:
    path = picture("JPEG", comment=b"secret")

    asset = await add(database.write, clock, store, rows.workspace_id, path, "harbour.jpg")

    assert (asset.kind, asset.media_type, asset.width, asset.height) == ("image", "image/jpeg", 64, 40)
    assert (asset.name, asset.alt_text, asset.created_at) == ("harbour.jpg", "", clock.now())
    kept = store.local_path(store.key(asset.sha256))
    assert digest(kept) == asset.sha256
    assert kept.stat().st_size == asset.size
    assert store.local_path(store.preview_key(asset.sha256)).read_bytes()[8:12] == b"WEBP"
    assert b"secret" in path.read_bytes()
    async with database.read() as session:
        found = await queries.asset_by_public_id(session, rows.workspace_id, asset.public_id)
        assert found is not None
        assert found.id == asset.id


async def test_the_same_picture_twice_is_one_asset(
    database: Database, clock: Any, store: MediaStore, rows: Any, picture: Any, gps_exif: Any, tmp_path: Path
) -> None:
    async def added(path: Path) -> Asset:
        return await add(database.write, clock, store, rows.workspace_id, path, "a")

    plain, placed = picture("JPEG"), picture("JPEG", name="placed", exif=gps_exif(1))
    one, two, three = await asyncio.gather(added(plain), added(plain), added(placed))

    assert one.id == two.id == three.id
    assert len(_files(tmp_path)) == 2


async def test_each_workspace_has_its_own_library(
    database: Database, clock: Any, store: MediaStore, rows: Any, picture: Any
) -> None:
    ours = await add(database.write, clock, store, rows.workspace_id, picture(), "a")
    theirs = await add(database.write, clock, store, rows.other_workspace_id, picture(), "b")

    assert ours.id != theirs.id
    async with database.read() as session:
        assert await queries.asset_by_public_id(session, rows.workspace_id, theirs.public_id) is None
        assert await queries.assets_by_public_ids(
            session, rows.workspace_id, [theirs.public_id, ours.public_id]
        ) == [await session.get(Asset, ours.id)]
        assert set(await queries.assets_by_ids(session, rows.workspace_id, [ours.id, theirs.id])) == {ours.id}
        assert [asset.id for asset in await queries.recent_assets(session, rows.workspace_id)] == [ours.id]
    async with database.write() as session:
        with pytest.raises(MediaUnknown):
            await describe(session, rows.workspace_id, theirs.public_id, "mine")


async def test_the_library_is_paged_newest_first(
    database: Database, clock: Any, store: MediaStore, rows: Any, picture: Any
) -> None:
    made = [
        await add(database.write, clock, store, rows.workspace_id, picture(size=(20 + n, 20)), "a")
        for n in range(3)
    ]

    async with database.read() as session:
        first = await queries.recent_assets(session, rows.workspace_id, limit=2)
        rest = await queries.recent_assets(session, rows.workspace_id, limit=2, before_id=first[-1].id)

    assert [asset.id for asset in first + rest] == [asset.id for asset in reversed(made)]


async def test_a_refused_file_leaves_nothing_behind(
    database: Database, clock: Any, store: MediaStore, rows: Any, tmp_path: Path
) -> None:
    path = tmp_path / "page.png"
    path.write_text("<html>")

    with pytest.raises(MediaRefused):
        await add(database.write, clock, store, rows.workspace_id, path, "page.png")

    assert _files(tmp_path) == []
    assert list((tmp_path / "media" / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("..%2f..%2fetc/passwd", "passwd"),
        ("../../etc/passwd", "passwd"),
        ("..%2F..%2fetc%2fpasswd", "passwd"),
        ("C:\\photos\\a.jpg", "a.jpg"),
        ("a\x00b\x1b[31m\u202egpj.exe", "ab[31mgpj.exe"),
        ("", "untitled"),
        ("/", "untitled"),
        ("Grüße 👋.png", "Grüße 👋.png"),
    ],
)
async def test_a_name_is_for_showing_only(name: str, shown: str) -> None:
    assert clean_name(name) == shown


@given(st.text())
def test_no_name_keeps_a_path_or_grows_long(name: str) -> None:
    shown = clean_name(name)

    assert not set(shown) & set("/\\\x00\r\n")
    assert 0 < len(shown) <= LONGEST_NAME


async def test_a_description_is_kept_up_to_a_thousand_characters(
    database: Database, clock: Any, store: MediaStore, rows: Any, picture: Any
) -> None:
    asset = await add(database.write, clock, store, rows.workspace_id, picture(), "a")

    async with database.write() as session:
        await describe(session, rows.workspace_id, asset.public_id, "  " + "é" * 1000 + "\n")
    async with database.write() as session:
        with pytest.raises(AltTextTooLong, match="1001 characters"):
            await describe(session, rows.workspace_id, asset.public_id, "é" * 1001)

    async with database.read() as session:
        found = await queries.asset_by_public_id(session, rows.workspace_id, asset.public_id)
        assert found is not None
        assert found.alt_text == "é" * 1000


@pytest.fixture
async def site() -> Any:
    """A server on loopback that gives ``body`` at every path."""

    class Site:
        body = b""
        port = 0

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=Site.body, content_type="image/gif")

    application = web.Application()
    application.router.add_get("/{rest:.*}", answer)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    Site.port = runner.addresses[0][1]
    yield Site
    await runner.cleanup()


async def test_a_picture_comes_in_by_its_address(
    database: Database, clock: Any, store: MediaStore, rows: Any, picture: Any, site: Any, tmp_path: Path
) -> None:
    site.body = picture("PNG").read_bytes()
    url = f"http://127.0.0.1:{site.port}/photos/hafen%20blau.jpg?size=1"

    asset = await from_url(database.write, clock, store, rows.workspace_id, url, (f"127.0.0.1:{site.port}",))

    assert (asset.media_type, asset.name, asset.source_url) == ("image/png", "hafen blau.jpg", url)
    assert list((tmp_path / "media" / "incoming").iterdir()) == []


async def test_what_only_claims_to_be_a_picture_is_not_imported(
    database: Database, clock: Any, store: MediaStore, rows: Any, site: Any, tmp_path: Path
) -> None:
    site.body = b"<script>alert(1)</script>"

    with pytest.raises(MediaTypeRefused):
        await from_url(
            database.write,
            clock,
            store,
            rows.workspace_id,
            f"http://127.0.0.1:{site.port}/a.gif",
            ("127.0.0.1",),
        )

    assert _files(tmp_path) == []


async def test_an_address_of_ours_is_not_fetched(
    database: Database, clock: Any, store: MediaStore, rows: Any, site: Any
) -> None:
    with pytest.raises(FetchRefused):
        await from_url(database.write, clock, store, rows.workspace_id, f"http://127.0.0.1:{site.port}/", ())
    with pytest.raises(FetchFailed):
        await from_url(database.write, clock, store, rows.workspace_id, "http://127.0.0.1:1/", ("127.0.0.1",))

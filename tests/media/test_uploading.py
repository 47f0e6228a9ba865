from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from perch.db import Database
from perch.media.adding import add
from perch.media.errors import MediaRefused
from perch.media.models import Asset, MediaUpload
from perch.media.storing import MediaStore
from perch.media.uploading import Ensured, ensure
from perch.sandbox import tokens
from perch.sandbox.app import Sandbox
from perch.sandbox.config import SandboxConfig
from perch.sandbox.models import Media
from perch.sandbox.serving import running
from perch.x.client import XClient, open_session
from perch.x.errors import Unauthorized
from perch.x.wire import Bearer


@dataclass(frozen=True, slots=True)
class LocalX:
    """A sandbox in this process, whose clock is the test's."""

    app: Sandbox
    client: XClient
    auth: Bearer

    def bend(self, **settings: Any) -> None:
        self.app.world.settings = self.app.world.settings.merged(settings)

    def calls(self) -> list[tuple[str, str]]:
        return [(seen.method, seen.path) for seen in self.app.world.requests if seen.path.startswith("/2/")]

    def media(self, media_id: str) -> Media:
        return self.app.world.media[media_id]


@pytest.fixture
async def x(clock: Any) -> AsyncIterator[LocalX]:
    config = SandboxConfig(clock=lambda: clock.now().timestamp())
    async with running(config) as sandbox, open_session() as session:
        world = sandbox.app.world
        person = world.person_named("sandbox_ada")
        assert person is not None
        minted = tokens.mint(
            world, world.apps[config.client_id], person, "tweet.write media.write users.read", 1e6
        )
        yield LocalX(sandbox.app, XClient(session, sandbox.url), Bearer(minted["access_token"]))


AddFile = Callable[[Path], Awaitable[Asset]]
Send = Callable[..., Awaitable[Ensured]]


@pytest.fixture
def library(database: Database, clock: Any, store: MediaStore, rows: Any) -> AddFile:
    async def put(path: Path) -> Asset:
        return await add(database.write, clock, store, rows.workspace_id, path, "file")

    return put


@pytest.fixture
def send(database: Database, clock: Any, store: MediaStore, rows: Any, x: LocalX) -> Send:
    async def ensured(
        asset: Asset, alt_text: str = "", *, account_id: int = 0, auth: Bearer = x.auth
    ) -> Ensured:
        return await ensure(
            database.write, clock, x.client, auth, store, account_id or rows.account_id, asset, alt_text
        )

    return ensured


async def test_a_picture_goes_up_whole_and_described(
    x: LocalX, library: AddFile, send: Send, picture: Any, clock: Any
) -> None:
    asset = await library(picture("PNG"))

    ensured = await send(asset, "a red corner")

    held = x.media(ensured.x_media_id)
    assert (held.category, held.media_type, held.received) == ("tweet_image", "image/png", asset.size)
    assert held.alt_text == "a red corner"
    assert x.calls() == [("POST", "/2/media/upload"), ("POST", "/2/media/metadata")]
    assert ensured.expires_at == clock.now() + timedelta(hours=20)


async def test_a_picture_without_a_description_costs_no_second_call(
    x: LocalX, library: AddFile, send: Send, picture: Any
) -> None:
    await send(await library(picture("PNG")))

    assert x.calls() == [("POST", "/2/media/upload")]


async def test_a_gif_goes_up_in_segments_and_is_waited_for(
    x: LocalX, library: AddFile, send: Send, animation: Any, clock: Any
) -> None:
    x.bend(processing_s=40)
    asset = await library(animation(frames=3))

    ensured = await send(asset)

    held = x.media(ensured.x_media_id)
    assert (held.category, held.received) == ("tweet_gif", asset.size)
    assert [path.rpartition("/")[2] for _, path in x.calls()[:3]] == ["initialize", "append", "finalize"]
    assert sum(clock.slept) >= 40
    assert all(wait == 10 for wait in clock.slept)


async def test_a_video_goes_up_in_pieces_of_a_mebibyte(
    x: LocalX, library: AddFile, send: Send, film: Any
) -> None:
    path = film(1.0, container="mov", options={"fflags": "+bitexact"})
    data = path.read_bytes()
    padding = (2_500_000).to_bytes(4) + b"free" + bytes(2_500_000 - 8)
    path.write_bytes(data + padding)
    asset = await library(path)
    assert asset.size > 2_500_000

    ensured = await send(asset, "a film")

    held = x.media(ensured.x_media_id)
    assert (held.category, held.media_type, held.received) == ("tweet_video", "video/quicktime", asset.size)
    assert held.segments == (0, 1, 2)
    assert held.alt_text == "a film"


async def test_what_x_holds_is_used_again(x: LocalX, library: AddFile, send: Send, picture: Any) -> None:
    asset = await library(picture())
    first = await send(asset, "seen")
    before = len(x.calls())

    assert await send(asset, "seen") == first
    assert len(x.calls()) == before


async def test_another_description_or_account_is_another_upload(
    x: LocalX, library: AddFile, send: Send, picture: Any, rows: Any
) -> None:
    asset = await library(picture())
    ids = {
        (await send(asset, "one")).x_media_id,
        (await send(asset, "two")).x_media_id,
        (await send(asset, "one", account_id=rows.other_account_id)).x_media_id,
    }

    assert len(ids) == 3


@pytest.mark.parametrize(
    ("left", "again"), [(timedelta(minutes=10), False), (timedelta(minutes=9, seconds=59), True)]
)
async def test_an_id_that_is_about_to_expire_is_not_used(
    library: AddFile, send: Send, picture: Any, clock: Any, left: timedelta, again: bool
) -> None:
    asset = await library(picture())
    first = await send(asset)

    clock.at = first.expires_at - left

    assert ((await send(asset)).x_media_id != first.x_media_id) is again


async def test_a_shorter_life_at_x_is_believed(
    x: LocalX, library: AddFile, send: Send, picture: Any, clock: Any
) -> None:
    x.bend(media_ttl_s=3600)

    assert (await send(await library(picture()))).expires_at == clock.now() + timedelta(hours=1)


async def test_uploads_that_x_forgot_are_forgotten(
    library: AddFile, send: Send, picture: Any, clock: Any, database: Database
) -> None:
    asset = await library(picture())
    await send(asset)
    clock.gone += timedelta(days=2).total_seconds()

    kept = await send(asset)

    async with database.read() as session:
        held = list(await session.scalars(select(MediaUpload)))
    assert [row.x_media_id for row in held] == [kept.x_media_id]


async def test_what_x_cannot_process_is_refused_in_its_words(
    x: LocalX, library: AddFile, send: Send, film: Any, database: Database
) -> None:
    x.bend(processing_error="UnsupportedMedia")

    with pytest.raises(MediaRefused, match="X said: UnsupportedMedia"):
        await send(await library(film()))

    async with database.read() as session:
        assert list(await session.scalars(select(MediaUpload))) == []


async def test_processing_without_end_is_given_up_after_twenty_minutes(
    x: LocalX, library: AddFile, send: Send, film: Any, clock: Any
) -> None:
    x.bend(processing_s=1e6)

    with pytest.raises(MediaRefused, match="twenty minutes"):
        await send(await library(film()))

    assert 1200 <= sum(clock.slept) <= 1230
    assert max(clock.slept) <= 30


async def test_errors_of_x_pass_unchanged(library: AddFile, send: Send, picture: Any) -> None:
    asset = await library(picture())

    with pytest.raises(Unauthorized):
        await send(asset, auth=Bearer("worthless"))

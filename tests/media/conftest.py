import io
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import pytest
from PIL import Image

import perch.accounts.models
import perch.media.models  # noqa: F401 - its tables belong to the schema below
from perch.accounts.models import XAccount, XApp
from perch.db import Base, Database
from perch.media.storing import MediaStore
from perch.people.models import Workspace


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass(slots=True)
class StillClock:
    """Time that only tests move."""

    at: datetime = datetime(2026, 11, 20, 12, tzinfo=UTC)
    gone: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.at + timedelta(seconds=self.gone)

    def elapsed(self) -> float:
        return self.gone

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.gone += seconds


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def store(tmp_path: Path) -> MediaStore:
    return MediaStore(tmp_path / "media")


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that assets hang on."""

    workspace_id: int
    other_workspace_id: int
    account_id: int
    other_account_id: int


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'perch.db'}")
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield database
    await database.close()


@pytest.fixture
async def rows(database: Database, clock: StillClock) -> Rows:
    async with database.write() as session:
        workspaces = [Workspace(name=name, created_at=clock.now()) for name in ("ours", "theirs")]
        app = XApp(
            kind="sandbox", api_url="http://x", authorize_url="http://x", client_id="c", plan="pay-per-use",
            created_at=clock.now(),
        )  # fmt: skip
        session.add_all([*workspaces, app])
        await session.flush()
        accounts = [
            XAccount(
                app_id=app.id, workspace_id=workspaces[0].id, x_user_id=str(number), username=f"u{number}",
                name="U", zone="UTC", created_at=clock.now(),
            )
            for number in (1, 2)
        ]  # fmt: skip
        session.add_all(accounts)
        await session.flush()
        return Rows(workspaces[0].id, workspaces[1].id, accounts[0].id, accounts[1].id)


MakePicture = Callable[..., Path]


@pytest.fixture
def picture(tmp_path: Path) -> MakePicture:
    """Writes a picture whose left upper corner is red, the rest blue; ``name`` picks nothing."""

    def make(
        kind: str = "JPEG", name: str = "picture", size: tuple[int, int] = (64, 40), **options: object
    ) -> Path:
        image = Image.new("RGB", size, (0, 0, 255))
        image.paste((255, 0, 0), (0, 0, size[0] // 2, size[1] // 2))
        path = tmp_path / name
        image.save(path, kind, **options)
        return path

    return make


@pytest.fixture
def animation(tmp_path: Path) -> MakePicture:
    """Writes an animated GIF (or WebP) of differing frames."""

    def make(frames: int = 5, kind: str = "GIF", size: tuple[int, int] = (32, 24), **options: object) -> Path:
        images = [Image.new("L", size, number * 7 % 256) for number in range(frames)]
        path = tmp_path / "animation"
        images[0].save(
            path,
            kind,
            save_all=True,
            append_images=images[1:],
            duration=100,
            loop=0,
            **options,
        )
        return path

    return make


@pytest.fixture
def film(tmp_path: Path) -> MakePicture:
    """Writes a video of synthetic pictures, with a tone when ``sound``; each second is ``rate`` frames."""

    def make(
        seconds: float = 1.0, *, name: str = "film", container: str = "mp4", size: tuple[int, int] = (64, 48),
        rate: int = 10, codec: str = "libx264", sound: bool = False, metadata: dict[str, str] | None = None,
        options: dict[str, str] | None = None,
    ) -> Path:  # fmt: skip
        path = tmp_path / name
        with av.open(str(path), "w", format=container, container_options=options or {}) as video:
            video.metadata.update(metadata or {})
            pictures = video.add_stream(codec, rate=rate)
            pictures.width, pictures.height, pictures.pix_fmt = *size, "yuv420p"  # type: ignore[union-attr]
            voice = video.add_stream("aac", rate=44100) if sound else None
            for number in range(int(seconds * rate)):
                frame = av.VideoFrame.from_image(Image.new("RGB", size, (number * 20 % 256, 60, 60)))
                video.mux(pictures.encode(frame))  # type: ignore[union-attr]
            video.mux(pictures.encode(None))  # type: ignore[union-attr]
            if voice is not None:
                for start in range(0, int(seconds * 44100), 1024):
                    tone = av.AudioFrame("fltp", "mono", 1024)
                    tone.planes[0].update(bytes(4096))
                    tone.sample_rate, tone.pts = 44100, start
                    video.mux(voice.encode(tone))
                video.mux(voice.encode(None))
        return path

    return make


def _gps_exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    return exif.tobytes()


@pytest.fixture
def gps_exif() -> Callable[[int], bytes]:
    """EXIF that tells a camera, a place and how the picture lies."""
    return _gps_exif


@pytest.fixture
def png_bomb(tmp_path: Path) -> Path:
    """13300² pixels in 0.7 MB or less; written row by row, for it would not fit well in memory either."""
    import zlib

    side = 13300
    path = tmp_path / "bomb.png"
    packer = zlib.compressobj(9)
    row = bytes(1 + side * 3)
    packed = b"".join([*(packer.compress(row) for _ in range(side)), packer.flush()])

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    with path.open("wb") as file:
        file.write(
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
        )
    return path


@pytest.fixture
def noise() -> Callable[[tuple[int, int]], bytes]:
    """A PNG that does not compress."""

    def make(size: tuple[int, int]) -> bytes:
        written = io.BytesIO()
        Image.effect_noise(size, 90).save(written, "PNG")
        return written.getvalue()

    return make

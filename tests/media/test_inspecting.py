import asyncio
import gc
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import av
import psutil
import pytest
from PIL import Image

from perch.media import inspecting
from perch.media.errors import MediaRefused, MediaTooLarge, MediaTypeRefused
from perch.media.limits import Inspected
from perch.media.probe.stripping import STRIPPERS

Inspect = Callable[[Path], Awaitable[Inspected]]
SECRETS = re.compile(rb"SecretCamera|Exif\x00|eXIf|<x:xmpmeta|secret comment|GPS|\+52\.52")
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">here</x:xmpmeta>'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def look(folder: Path) -> Inspect:
    async def look(path: Path) -> Inspected:
        return await inspecting.inspect(path, folder)

    return look


def _rule(caught: pytest.ExceptionInfo[MediaRefused]) -> str | None:
    return caught.value.rule


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp"), ("GIF", "image/gif")],
)
async def test_each_picture_format_goes_round(
    look: Inspect, picture: Any, folder: Path, kind: str, media_type: str
) -> None:
    path = picture(kind, name="lies.svg")

    found = await look(path)

    assert found == Inspected("image", media_type, 64, 40, None, None, (folder / "clean").stat().st_size)
    with Image.open(folder / "clean", formats=[kind]) as clean, Image.open(path) as source:
        assert clean.convert("RGB").tobytes() == source.convert("RGB").tobytes()
    with Image.open(folder / "preview.webp") as preview:
        assert (preview.format, preview.size) == ("WEBP", (64, 40))


async def test_an_animated_gif_is_told_from_a_still_one(look: Inspect, animation: Any, folder: Path) -> None:
    found = await look(animation(frames=7, comment=b"secret comment"))

    assert (found.kind, found.frames, found.duration_ms) == ("gif", 7, 700)
    clean = (folder / "clean").read_bytes()
    assert b"NETSCAPE2.0" in clean
    assert not SECRETS.search(clean)
    with Image.open(folder / "clean") as image:
        assert getattr(image, "n_frames", 1) == 7


async def test_the_longest_gif_is_decoded_in_time_that_grows_with_its_frames(
    look: Inspect, tmp_path: Path
) -> None:
    frames = [Image.new("P", (640, 480), number % 256) for number in range(350)]
    path = tmp_path / "long.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], optimize=False)

    before = os.times()
    found = await look(path)
    after = os.times()

    assert found.frames == 350
    assert after.children_user - before.children_user < 10


async def test_a_video_is_measured(look: Inspect, film: Any, folder: Path) -> None:
    found = await look(film(1.5, sound=True))

    assert (found.kind, found.media_type, found.width, found.height) == ("video", "video/mp4", 64, 48)
    assert found.duration_ms == 1500
    with Image.open(folder / "preview.webp") as preview:
        assert preview.size == (64, 48)


async def test_a_mov_stays_a_mov_and_a_video_that_tells_nothing_stays_as_it_is(
    look: Inspect, film: Any, folder: Path
) -> None:
    path = film(container="mov", options={"fflags": "+bitexact"})

    found = await look(path)

    assert found.media_type == "video/quicktime"
    assert (folder / "clean").read_bytes() == path.read_bytes()


async def test_a_video_loses_its_place_and_keeps_pictures_and_sound(
    look: Inspect, film: Any, folder: Path
) -> None:
    path = film(sound=True, metadata={"location": "+52.5200+013.4050/", "title": "SecretCamera"})
    assert SECRETS.search(path.read_bytes())

    await look(path)

    assert not SECRETS.search((folder / "clean").read_bytes())
    with av.open(str(folder / "clean")) as clean, av.open(str(path)) as source:
        assert dict(clean.metadata).keys() <= {"major_brand", "minor_version", "compatible_brands"}
        assert [bytes(packet) for packet in clean.demux() if packet.size] == [
            bytes(packet) for packet in source.demux() if packet.size
        ]


async def test_cleaning_a_clean_video_changes_nothing(
    look: Inspect, film: Any, folder: Path, tmp_path: Path
) -> None:
    await look(film(metadata={"title": "SecretCamera"}))
    again = tmp_path / "again"
    again.mkdir()

    await inspecting.inspect(folder / "clean", again)

    assert (again / "clean").read_bytes() == (folder / "clean").read_bytes()


async def test_a_video_taken_upright_is_shown_upright(look: Inspect, film: Any, folder: Path) -> None:
    path = film(size=(96, 48), metadata={"title": "SecretCamera"})
    plain = bytes.fromhex("000100000000000000000000000000000001000000000000000000000000000040000000")
    turned = bytes.fromhex("000000000001000000000000ffff00000000000000000000000000000000000040000000")
    data = path.read_bytes()
    at = data.index(plain, data.index(b"tkhd"))
    path.write_bytes(data[:at] + turned + data[at + 36 :])

    found = await look(path)

    assert (found.width, found.height) == (48, 96)
    with av.open(str(folder / "clean")) as clean:
        frame = next(clean.decode(video=0))
        assert abs(frame.rotation) == 90


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
async def test_a_picture_loses_its_place_and_stands_upright(
    look: Inspect, picture: Any, folder: Path, gps_exif: Any, kind: str, orientation: int
) -> None:
    more = {
        "JPEG": {"comment": b"secret comment", "quality": 95},
        "PNG": {},
        "WEBP": {"lossless": True, "xmp": XMP},
    }
    path = picture(kind, exif=gps_exif(orientation), **more[kind])
    assert SECRETS.search(path.read_bytes())

    found = await look(path)

    clean = (folder / "clean").read_bytes()
    assert not SECRETS.search(clean)
    with Image.open(path) as source, Image.open(folder / "clean") as image:
        assert image.format == kind
        assert (found.width, found.height) == image.size
        assert image.size == ((64, 40) if orientation < 5 else (40, 64))
        red = [
            (x < image.width / 2, y < image.height / 2)
            for x in (3, image.width - 4)
            for y in (3, image.height - 4)
            if image.convert("RGB").getpixel((x, y))[0] > 128  # type: ignore[index]
        ]
        assert red == [_red_corner(orientation)]
        if orientation == 1:
            assert image.convert("RGB").tobytes() == source.convert("RGB").tobytes()


def _red_corner(orientation: int) -> tuple[bool, bool]:
    """Where the corner that is stored left and up shows: EXIF names row 0's and column 0's sides."""
    top = {1: True, 2: True, 3: False, 4: False, 5: True, 6: True, 7: False, 8: False}[orientation]
    left = {1: True, 2: False, 3: False, 4: True, 5: True, 6: False, 7: False, 8: True}[orientation]
    return left, top


@pytest.mark.parametrize(
    "broken", [b"Exif\x00\x00MX garbage", b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x05\x01"]
)
async def test_broken_metadata_is_no_reason_to_refuse_a_picture(
    look: Inspect, picture: Any, folder: Path, broken: bytes
) -> None:
    plain = picture("JPEG").read_bytes()
    path = picture("JPEG", exif=broken)
    assert b"Exif" in path.read_bytes()

    await look(path)

    assert (folder / "clean").read_bytes() == plain


async def test_a_colour_profile_survives(look: Inspect, picture: Any, folder: Path, gps_exif: Any) -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    await look(picture("JPEG", icc_profile=profile, exif=gps_exif(6)))

    with Image.open(folder / "clean") as clean:
        assert clean.info["icc_profile"] == profile


async def test_what_hides_behind_the_end_is_cut(
    look: Inspect, picture: Any, folder: Path, gps_exif: Any
) -> None:
    path = picture("JPEG")
    plain = path.read_bytes()
    hidden = picture("JPEG", name="hidden", exif=gps_exif(1)).read_bytes()
    path.write_bytes(plain + hidden)

    await look(path)

    assert (folder / "clean").read_bytes() == plain


async def test_sixteen_bits_are_shown_in_proportion(look: Inspect, tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "deep.png"
    Image.new("I;16", (16, 16), 0x8000).save(path)

    await look(path)

    with Image.open(folder / "preview.webp") as preview:
        assert preview.convert("L").getpixel((8, 8)) in range(120, 136)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("picture.png", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
        ("picture.gif", b"<!doctype html><script>alert(1)</script>"),
        ("film.mp4", b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"),
        ("film.mp4", b"ffconcat version 1.0\nfile '/etc/passwd'\n"),
        ("picture.bmp", b"BM" + bytes(100)),
        ("picture.tiff", b"II*\x00" + bytes(100)),
        ("page.pdf", b"%PDF-1.7\n"),
        ("picture.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n"),
    ],
)
async def test_what_is_neither_picture_nor_video_is_refused_whatever_its_name(
    look: Inspect, tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(MediaTypeRefused) as caught:
        await look(path)

    assert (_rule(caught), caught.value.status) == ("M004", 415)


async def test_a_playlist_that_begins_like_a_video_opens_no_other_file(look: Inspect, tmp_path: Path) -> None:
    bait = tmp_path / "bait.ts"
    os.mkfifo(bait)  # whoever opened it would hang
    path = tmp_path / "film.mp4"
    path.write_bytes(b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00\n#EXTM3U\n#EXTINF:1,\nfile://" + bytes(bait))

    with pytest.raises(MediaRefused) as caught:
        await look(path)

    assert _rule(caught) == "M005"


async def test_a_small_file_with_a_huge_picture_is_refused_before_it_is_decoded(
    look: Inspect, png_bomb: Path
) -> None:
    assert png_bomb.stat().st_size < 1_000_000

    with pytest.raises(MediaRefused) as caught:
        await look(png_bomb)

    assert _rule(caught) == "M006"


@pytest.mark.parametrize(
    ("frames", "size"),
    [(10_000, (1, 1)), (351, (4, 4)), (2, (1281, 10)), (2, (10, 1081)), (218, (1280, 1080))],
)
async def test_a_gif_beyond_what_x_takes_is_refused(
    look: Inspect, tmp_path: Path, frames: int, size: tuple[int, int]
) -> None:
    import struct

    # One frame of this code table says "clear, end": a decoder fills the rest. Nobody shall get that far.
    screen = b"GIF89a" + struct.pack("<HHBBB", *size, 0x80, 0, 0) + bytes(6)
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, *size, 0) + b"\x02\x02\x4c\x01\x00"
    path = tmp_path / "long.gif"
    path.write_bytes(screen + frame * frames + b";")

    with pytest.raises(MediaRefused) as caught:
        await look(path)

    assert _rule(caught) == "M002"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.97])
async def test_a_truncated_picture_is_refused(look: Inspect, tmp_path: Path, kind: str, share: float) -> None:
    path = tmp_path / "cut"
    Image.effect_noise((120, 90), 90).save(path, kind)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])

    with pytest.raises(MediaRefused) as caught:
        await look(path)

    assert _rule(caught) in {"M005", "M004"}


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
async def test_a_truncated_video_is_refused(look: Inspect, film: Any, share: float) -> None:
    path = film(1.0)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])

    with pytest.raises(MediaRefused) as caught:
        await look(path)

    assert _rule(caught) == "M005"


async def test_an_empty_file_is_refused(look: Inspect, tmp_path: Path) -> None:
    path = tmp_path / "nothing"
    path.touch()

    with pytest.raises(MediaRefused) as caught:
        await look(path)

    assert _rule(caught) == "M005"


async def test_a_picture_over_five_megabytes_is_refused(look: Inspect, tmp_path: Path, noise: Any) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(noise((2600, 2400)))
    assert path.stat().st_size > 5 << 20

    with pytest.raises(MediaTooLarge) as caught:
        await look(path)

    assert (_rule(caught), caught.value.status) == ("M001", 413)
    assert "X takes 5 MB" in caught.value.sentence


async def test_metadata_does_not_count_towards_the_size(look: Inspect, picture: Any) -> None:
    path = picture("JPEG")
    path.write_bytes(path.read_bytes() + bytes(6 << 20))

    assert (await look(path)).size < 1 << 20


@pytest.mark.parametrize(
    "options",
    [
        {"seconds": 0.3},
        {"size": (1000, 200)},
        {"size": (30, 30)},
        {"rate": 120},
    ],
)
async def test_a_video_beyond_what_x_takes_is_refused(look: Inspect, film: Any, options: Any) -> None:
    with pytest.raises(MediaRefused) as caught:
        await look(film(**options))

    assert _rule(caught) == "M003"


async def test_a_video_in_another_codec_is_refused(look: Inspect, film: Any) -> None:
    with pytest.raises(MediaTypeRefused, match=r"not H\.264"):
        await look(film(codec="mpeg4"))


async def test_an_animated_webp_is_refused(look: Inspect, animation: Any) -> None:
    with pytest.raises(MediaTypeRefused, match="animated"):
        await look(animation(kind="WEBP"))


def decoders() -> list[psutil.Process]:
    """The decoders this process has started; the tests beside this one have children of their own."""
    return [one for one in psutil.Process().children() if "perch.media.probe" in " ".join(_words(one))]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


async def test_a_decoder_that_takes_too_long_is_ended(
    look: Inspect, film: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspecting, "WALL_SECONDS", 0.001)

    with pytest.raises(MediaRefused) as caught:
        await look(film())

    assert _rule(caught) == "M006"

    assert not decoders()


async def test_a_cancelled_inspection_leaves_no_process(look: Inspect, film: Any) -> None:
    task = asyncio.ensure_future(look(film()))
    while not decoders():
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not decoders()


async def test_two_are_decoded_at_once_and_no_more(
    picture: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = most = 0
    run = inspecting._run

    async def counted(source: Path, folder: Path) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            return await run(source, folder)
        finally:
            running -= 1

    monkeypatch.setattr(inspecting, "_run", counted)
    path = picture("PNG")
    folders = [tmp_path / f"out{number}" for number in range(5)]
    for folder in folders:
        folder.mkdir()

    await asyncio.gather(*(inspecting.inspect(path, folder) for folder in folders))

    assert most == 2


async def test_bombs_cost_the_asking_process_no_memory(look: Inspect, png_bomb: Path, folder: Path) -> None:
    gc.collect()
    before = psutil.Process().memory_info().rss

    for _ in range(2):
        with pytest.raises(MediaRefused):
            await look(png_bomb)
        for leftover in folder.iterdir():
            leftover.unlink()

    assert psutil.Process().memory_info().rss - before < 16 << 20


async def test_the_decoding_process_inherits_no_secrets(
    look: Inspect, picture: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PERCH_SECRET_KEY", "canary")
    spawn = asyncio.create_subprocess_exec
    environments = []

    async def noting(*command: Any, **options: Any) -> Any:
        process = await spawn(*command, **options)
        environments.append(Path(f"/proc/{process.pid}/environ").read_bytes())
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noting)
    await look(picture("PNG"))

    assert len(environments) == 1
    assert b"canary" not in environments[0]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_stripping_a_stripped_picture_changes_nothing(picture: Any, kind: str) -> None:
    once = STRIPPERS[kind](picture(kind).read_bytes()).data

    assert STRIPPERS[kind](once).data == once

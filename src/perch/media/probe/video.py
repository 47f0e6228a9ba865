"""Videos: opened as MP4 or MOV and nothing else, their first picture decoded, metadata left behind."""

import shutil
from dataclasses import replace
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream
from PIL import Image

from perch.media import limits
from perch.media.limits import Inspected
from perch.media.probe import boxes, verdict
from perch.media.probe.image import make_preview

# A playlist dressed as a video could make FFmpeg open other files or addresses: one format, one protocol, and
# no references to other files (which MOV knows). The codecs are those that X documents.
_ONLY = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2",
    "codec_whitelist": "h264,aac",
    "enable_drefs": "0",
    "max_streams": "16",
}


def look(source: Path, folder: Path) -> Inspected:
    """Clean and preview a video. Raises MediaRefused."""
    limits.check_size("video", source.stat().st_size)
    with source.open("rb") as file:
        is_mov = boxes.is_quicktime(file)
        tells_more = boxes.tells_more_than_pictures(file)
    clean = folder / verdict.CLEAN
    try:
        with _open(source) as video:
            found = _measured(video, is_mov, folder)
        if tells_more:
            _copy_pictures_and_sound(source, clean, "mov" if is_mov else "mp4")
        else:
            shutil.copyfile(source, clean)
    except FFmpegError as error:
        raise limits.damaged() from error
    found = replace(found, size=clean.stat().st_size)
    limits.check(found)
    return found


def _open(source: Path) -> InputContainer:
    return av.open(f"file:{source}", format="mov", container_options=_ONLY)


def _measured(video: InputContainer, is_mov: bool, folder: Path) -> Inspected:
    stream = _pictures(video)
    _check_sound(video)
    # Asked before decoding, and held to while decoding: stream and file may announce different sizes.
    limits.check_pixels(stream.width, stream.height, 1)
    stream.codec_context.options = {"max_pixels": str(limits.FRAME_PIXELS)}
    stream.codec_context.thread_count = 1
    frame = next(iter(video.decode(stream)), None)
    if frame is None:
        raise limits.damaged()
    picture: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
    upright = picture.rotate(frame.rotation, expand=True)
    found = Inspected(
        kind="video",
        media_type="video/quicktime" if is_mov else "video/mp4",
        width=upright.width,
        height=upright.height,
        duration_ms=_duration_ms(video, stream),
        frames=None,
        size=0,
    )
    limits.check(found)
    make_preview(upright, folder)
    return found


def _pictures(video: InputContainer) -> VideoStream:
    if not video.streams.video:
        raise limits.foreign("There are no pictures in this video.")
    stream = video.streams.video[0]
    # FFmpeg leaves a codec without a name when the white list holds it back.
    if stream.codec_context is None or stream.codec_context.name != "h264":
        raise limits.foreign("The pictures of this video are not H.264.")
    if stream.average_rate is not None and stream.average_rate > limits.VIDEO_FRAME_RATE:
        raise limits.too_fast(float(stream.average_rate))
    return stream


def _check_sound(video: InputContainer) -> None:
    for stream in video.streams.audio:
        if stream.codec_context is None or stream.codec_context.name != "aac":
            raise limits.foreign("The sound of this video is not AAC.")


def _duration_ms(video: InputContainer, stream: VideoStream) -> int:
    if stream.duration is not None and stream.time_base is not None:
        return round(stream.duration * stream.time_base * 1000)
    return round((video.duration or 0) / 1000)


def _copy_pictures_and_sound(source: Path, clean: Path, name: str) -> None:
    """A new container with the same packets; bit-exact, so that equal files stay equal."""
    with (
        _open(source) as video,
        av.open(str(clean), "w", format=name, container_options={"fflags": "+bitexact"}) as copied,
    ):
        wanted = [*video.streams.video[:1], *video.streams.audio[:1]]
        copies = {stream.index: copied.add_stream_from_template(stream) for stream in wanted}
        for packet in video.demux(wanted):
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                copied.mux(packet)

import base64
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

Mp4 = Callable[..., bytes]


async def chunked(
    x: Any, token: str, data: bytes, media_type: str, category: str, chunk: int = 1 << 20
) -> tuple[str, Any]:
    """Initialize, append, finalize; the id and the last answer."""
    body = {"media_type": media_type, "total_bytes": len(data), "media_category": category}
    begun = await x.ask("POST", "/2/media/upload/initialize", token, json=body)
    assert begun.status == 200, begun
    media = begun.body["data"]["id"]
    for index in range(0, len(data), chunk):
        got = await append(x, token, media, data[index : index + chunk], index // chunk)
        assert got.status == 200, got
    return media, await x.ask("POST", f"/2/media/upload/{media}/finalize", token)


async def append(x: Any, token: str, media: str, data: bytes, segment: int) -> Any:
    form = aiohttp.FormData()
    form.add_field("media", data, filename="blob", content_type="application/octet-stream")
    form.add_field("segment_index", str(segment))
    return await x.ask("POST", f"/2/media/upload/{media}/append", token, data=form)


async def status(x: Any, token: str, media: str) -> Any:
    return await x.ask("GET", f"/2/media/upload?command=STATUS&media_id={media}", token)


async def test_an_image_goes_up_in_one_shot(x: Any, ada: str, png: bytes) -> None:
    got = await x.upload(ada, png)
    data = got.body["data"]
    assert data == {
        "id": data["id"],
        "media_key": f"3_{data['id']}",
        "size": len(png),
        "expires_after_secs": 86_400,
        "image": {"image_type": "image/png", "w": 40, "h": 24},
    }


async def test_an_image_goes_up_as_base64_too(x: Any, ada: str, png: bytes) -> None:
    body = {"media": base64.b64encode(png).decode(), "media_category": "tweet_image"}
    got = await x.ask("POST", "/2/media/upload", ada, json=body)
    assert got.body["data"]["image"]["w"] == 40


async def test_an_image_in_chunks_is_whole_again(x: Any, ada: str, png: bytes) -> None:
    media, finished = await chunked(x, ada, png, "image/png", "tweet_image", chunk=50)
    assert finished.body["data"]["image"] == {"image_type": "image/png", "w": 40, "h": 24}
    assert "processing_info" not in finished.body["data"]
    async with x.http.get(f"{x.url}/media/3_{media}") as served:
        assert await served.read() == png


async def test_a_video_is_processed_in_steps(x: Any, ada: str, mp4: Mp4) -> None:
    await x.set(processing_s=8)
    media, finished = await chunked(x, ada, mp4(), "video/mp4", "tweet_video")
    assert finished.body["data"]["media_key"] == f"7_{media}"
    assert finished.body["data"]["processing_info"] == {"state": "pending", "check_after_secs": 2}
    x.clock.advance(4)
    info = (await status(x, ada, media)).body["data"]["processing_info"]
    assert info == {"state": "in_progress", "check_after_secs": 2, "progress_percent": 50}
    refused = await x.post(ada, "too soon", media={"media_ids": [media]})
    assert refused.status == 400
    x.clock.advance(4)
    info = (await status(x, ada, media)).body["data"]["processing_info"]
    assert info == {"state": "succeeded", "progress_percent": 100}
    assert (await x.post(ada, "now", media={"media_ids": [media]})).status == 201


async def test_processing_can_be_made_to_fail(x: Any, ada: str, gif: bytes) -> None:
    await x.set(processing_s=0, processing_error="InvalidMedia")
    media, finished = await chunked(x, ada, gif, "image/gif", "tweet_gif")
    assert finished.body["data"]["processing_info"]["state"] == "failed"
    assert finished.body["data"]["processing_info"]["error"]["name"] == "InvalidMedia"
    assert (await x.post(ada, "broken", media={"media_ids": [media]})).status == 400


async def test_what_is_no_video_fails_in_processing(x: Any, ada: str) -> None:
    await x.set(processing_s=0)
    _, finished = await chunked(x, ada, b"not a video at all", "video/mp4", "tweet_video")
    assert finished.body["data"]["processing_info"]["error"]["name"] == "InvalidMedia"


@pytest.mark.parametrize(
    "data", [b"not an image", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\x89PNG\r\n"]
)
async def test_what_is_no_image_is_refused(x: Any, ada: str, data: bytes) -> None:
    assert (await x.upload(ada, data)).status == 400


async def test_a_video_too_long_for_the_account_is_refused_at_the_post(x: Any, ada: str, mp4: Mp4) -> None:
    await x.set(processing_s=0)
    media, _ = await chunked(x, ada, mp4(seconds=150), "video/mp4", "tweet_video")
    got = await x.post(ada, "long", media={"media_ids": [media]})
    assert got.body["detail"] == "This user is not allowed to post a video longer than 2 minutes."
    await x.control("POST", "people", {"username": "sandbox_ada", "premium": True})
    assert (await x.post(ada, "long", media={"media_ids": [media]})).status == 201


async def test_segments_come_in_order_and_may_be_repeated(x: Any, ada: str, png: bytes) -> None:
    body = {"media_type": "image/png", "total_bytes": len(png), "media_category": "tweet_image"}
    media = (await x.ask("POST", "/2/media/upload/initialize", ada, json=body)).body["data"]["id"]
    assert (await append(x, ada, media, png[:30], 1)).status == 400
    assert (await append(x, ada, media, png[:30], 0)).status == 200
    assert (await append(x, ada, media, png[:30], 0)).status == 200
    early = await x.ask("POST", f"/2/media/upload/{media}/finalize", ada)
    assert early.status == 400
    assert (await append(x, ada, media, png[30:], 1)).status == 200
    assert (await x.ask("POST", f"/2/media/upload/{media}/finalize", ada)).status == 200
    assert (await x.ask("POST", f"/2/media/upload/{media}/finalize", ada)).status == 200


async def test_more_bytes_than_announced_are_refused(x: Any, ada: str) -> None:
    body = {"media_type": "image/png", "total_bytes": 5, "media_category": "tweet_image"}
    media = (await x.ask("POST", "/2/media/upload/initialize", ada, json=body)).body["data"]["id"]
    assert (await append(x, ada, media, b"123456", 0)).status == 400


async def test_a_chunk_over_five_mebibytes_ends_at_the_edge_with_an_empty_413(x: Any, ada: str) -> None:
    body = {"media_type": "video/mp4", "total_bytes": 9 << 20, "media_category": "tweet_video"}
    media = (await x.ask("POST", "/2/media/upload/initialize", ada, json=body)).body["data"]["id"]
    got = await append(x, ada, media, bytes((5 << 20) + 1), 0)
    assert (got.status, got.body) == (413, "")
    assert (await append(x, ada, media, bytes(5 << 20), 0)).status == 200


async def test_the_status_of_an_image_is_a_400(x: Any, ada: str) -> None:
    got = await status(x, ada, await x.picture(ada))
    assert (got.status, got.body["errors"][0]["message"]) == (400, "BadRequest: Not found")


async def test_an_upload_expires(x: Any, ada: str) -> None:
    await x.set(media_ttl_s=60)
    media = await x.picture(ada)
    x.clock.advance(60)
    got = await x.post(ada, "late", media={"media_ids": [media]})
    assert got.status == 400
    assert got.body["errors"] == [
        {"parameters": {"media.media_ids": [media]}, "message": "Your media IDs are invalid."}
    ]


async def test_nobody_uses_another_persons_upload(x: Any, ada: str, ben: str) -> None:
    media = await x.picture(ada)
    assert (await x.post(ben, "mine", media={"media_ids": [media]})).status == 400
    metadata = {"id": media, "metadata": {"alt_text": {"text": "x"}}}
    assert (await x.ask("POST", "/2/media/metadata", ben, json=metadata)).status == 403
    assert (await x.ask("POST", f"/2/media/upload/{media}/finalize", ben)).status == 403


async def test_four_pictures_or_one_moving_one(x: Any, ada: str, gif: bytes) -> None:
    await x.set(processing_s=0)
    moving = (await x.upload(ada, gif, "tweet_gif")).body["data"]["id"]
    pictures = [await x.picture(ada) for _ in range(4)]
    assert (await x.post(ada, media={"media_ids": pictures})).status == 201
    assert (await x.post(ada, media={"media_ids": [moving, pictures[0]]})).status == 400
    assert (await x.post(ada, media={"media_ids": [pictures[0], pictures[0]]})).status == 400
    assert (await x.post(ada, media={"media_ids": [moving]})).status == 201


async def test_attached_media_appends_one_link(x: Any, ada: str) -> None:
    pictures = [await x.picture(ada) for _ in range(2)]
    with_text = await x.post(ada, "look", media={"media_ids": pictures})
    assert with_text.body["data"]["text"].startswith("look https://t.co/")
    assert with_text.body["data"]["text"].count("https://t.co/") == 1
    alone = await x.post(ada, media={"media_ids": pictures})
    assert alone.body["data"]["text"].startswith("https://t.co/")


async def test_alt_text_is_kept_up_to_a_thousand_characters(x: Any, ada: str) -> None:
    media = await x.picture(ada)
    body = {"id": media, "metadata": {"alt_text": {"text": "a" * 1000}}}
    got = await x.ask("POST", "/2/media/metadata", ada, json=body)
    assert got.body["data"]["associated_metadata"]["alt_text"]["text"] == "a" * 1000
    body["metadata"] = {"alt_text": {"text": "a" * 1001}}
    assert (await x.ask("POST", "/2/media/metadata", ada, json=body)).status == 400


@pytest.mark.parametrize(
    "body",
    [
        {"media_type": "image/svg+xml", "total_bytes": 5, "media_category": "tweet_image"},
        {"media_type": "image/png", "total_bytes": 0, "media_category": "tweet_image"},
        {"media_type": "image/png", "total_bytes": "5", "media_category": "tweet_image"},
        {"media_type": "image/png", "total_bytes": 5, "media_category": "hologram"},
        {"media_type": "image/png", "total_bytes": 5, "media_category": ["tweet_image"]},
        {"media_type": ["image/png"], "total_bytes": 5, "media_category": "tweet_image"},
        {"media_type": "image/png", "total_bytes": 5, "media_category": "tweet_image", "colour": "red"},
    ],
)
async def test_an_unsound_initialize_is_refused(x: Any, ada: str, body: dict[str, Any]) -> None:
    assert (await x.ask("POST", "/2/media/upload/initialize", ada, json=body)).status == 400


async def test_the_retired_way_of_uploading_is_a_400(x: Any, ada: str) -> None:
    form = {"command": "INIT", "total_bytes": "5", "media_type": "image/png"}
    got = await x.ask("POST", "/2/media/upload", ada, data=form)
    assert (got.status, got.body["title"]) == (400, "Invalid Request")


async def test_stored_bytes_are_served_in_a_cage(x: Any, ada: str, png: bytes) -> None:
    media = await x.picture(ada)
    async with x.http.get(f"{x.url}/media/3_{media}") as served:
        assert served.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in served.headers["content-security-policy"]
        assert served.headers["content-type"] == "image/png"
    assert (await x.ask("GET", f"/media/7_{media}")).status == 404
    assert (await x.ask("GET", "/media/3_..%2f..%2fetc")).status == 404


async def test_processing_fails_for_a_share_of_uploads(x: Any, ada: str, gif: bytes) -> None:
    await x.set(processing_s=0, processing_error="InvalidMedia", processing_error_rate=0.5)
    states = set()
    for _ in range(12):
        _, finished = await chunked(x, ada, gif, "image/gif", "tweet_gif")
        states.add(finished.body["data"]["processing_info"]["state"])
    assert states == {"succeeded", "failed"}

"""What no browser of ours ever sends, and what must come of it: a refusal, and nothing broken."""

import html
import time
from typing import Any

import pytest
from sqlalchemy import Connection, event

PARTS = '--B\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'


@pytest.fixture
async def olga(site: Any) -> Any:
    person = await site.person()
    await site.account(person)
    return person


def multipart(fields: dict[str, str]) -> str:
    return "".join(PARTS.format(*field) for field in fields.items()) + "--B--\r\n"


@pytest.mark.parametrize("path", ["/compose", "/compose/check", "/media", "/theme"])
@pytest.mark.parametrize(
    "charset", ["undefined", "punycode", "unicode_escape", "raw_unicode_escape", "utf-16"]
)
async def test_a_form_in_another_encoding_is_refused(olga: Any, path: str, charset: str) -> None:
    half = "\\ud800"
    fields = {"csrf_token": olga.csrf, "text": half, "account": half, "compose_key": half, "next": f"/{half}"}
    answer = await olga.send(
        "POST",
        path,
        headers={
            "Sec-Fetch-Site": "same-origin",
            "Content-Type": f"multipart/form-data; boundary=B; charset={charset}",
        },
        data=multipart({**fields, "theme": half, "do": "post", "asset_0": half, "alt_0": half}),
    )
    assert answer.status == 422
    assert "UTF-8" in answer.text


async def test_a_form_that_says_it_is_utf_8_is_read(olga: Any) -> None:
    answer = await olga.send(
        "POST",
        "/compose/check",
        headers={
            "Sec-Fetch-Site": "same-origin",
            "Content-Type": "multipart/form-data; boundary=B; charset=UTF-8",
        },
        data=multipart({"csrf_token": olga.csrf, "text": "Grüße"}),
    )
    assert answer.status == 200
    assert "Grüße" in answer.text


@pytest.mark.parametrize("piece", ["http://a.com ", "t.co ", "a.", "@a ", "#a ", "$A ", "漢", "\u0301"])
async def test_a_text_of_any_length_is_answered_soon_and_kept(olga: Any, piece: str) -> None:
    text = (piece * 110_000)[:110_000]
    began = time.process_time()
    answer = await olga.post("/compose", {"text": text, "do": "post", "compose_key": "k"})
    # Processor time, which a busy machine does not stretch: a text that took quadratic work took minutes.
    assert time.process_time() - began < 4
    assert answer.status == 422
    kept = html.unescape(answer.text.partition("<textarea")[2].partition(">")[2].partition("</textarea>")[0])
    assert kept.strip() == text.strip()


async def test_a_full_disk_loses_no_text(site: Any, olga: Any) -> None:
    @event.listens_for(site.perch.db.engine.sync_engine, "begin")
    def _no_page_more(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # what is there may stay

    for number in range(50):
        text = f"Keep me {number} " + "x" * 250
        answer = await olga.post("/compose", {"text": text, "do": "post", "compose_key": f"key {number}"})
        if answer.status != 303:
            break
    assert answer.status == 503
    assert text in answer.text
    assert "nothing was done" in answer.text


@pytest.mark.parametrize(
    "address", ["/posts/%00", "/?next=%00", "/login/x?next=/%00", "/api/v1/posts?cursor=%00"]
)
async def test_an_address_with_a_nul_leads_nowhere_before_anything_is_looked_up(
    olga: Any, address: str
) -> None:
    answer = await olga.get(address)
    assert answer.status == 404
    assert "leads nowhere" in answer.text


async def test_ids_that_no_database_could_hold_are_none(olga: Any) -> None:
    form = {"text": "Kept", "account": "a\0b", "asset_0": "a\0b", "compose_key": "a\0b"}
    for do in ("check", "post"):
        answer = await olga.post("/compose", {**form, "do": do})
        assert answer.status < 500
        assert "\0" not in answer.text

import re
from html.parser import HTMLParser
from typing import Any

import pytest

EVIL = '<img src=x onerror=alert(1)> & "quotes"'


class Elements(HTMLParser):
    """The elements of a page, as a browser would see them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


async def test_what_people_write_never_becomes_markup(x: Any) -> None:
    await x.control("POST", "people", {"username": "eve", "name": EVIL, "description": EVIL})
    eve = await x.token("eve")
    picture = await x.picture(eve)
    metadata = {"id": picture, "metadata": {"alt_text": {"text": EVIL}}}
    await x.ask("POST", "/2/media/metadata", eve, json=metadata)
    post = await x.posted(eve, EVIL, media={"media_ids": [picture]})
    await x.posted(eve, "p", poll={"options": ["<script>", "b"], "duration_minutes": 5})
    for path in (
        "/",
        "/eve",
        f"/eve/status/{post}",
        "/<img%20onerror>",
        "/i/oauth2/authorize?client_id=<script>",
    ):
        page = (await x.ask("GET", path)).body
        elements = Elements(page)
        assert not elements.all("script")
        assert not [
            attributes for _, attributes in elements.found if any(n.startswith("on") for n in attributes)
        ]
    consent = await x.ask("GET", "/i/oauth2/authorize", params=x.authorize())
    assert not [a for a in Elements(consent.body).all("img") if a.get("src") == "x"]


@pytest.mark.parametrize("path", ["/", "/sandbox_ada", "/nobody", "/i/oauth2/authorize"])
async def test_every_page_has_a_strict_policy_a_title_landmarks_and_one_heading(x: Any, path: str) -> None:
    got = await x.ask("GET", path)
    policy = got.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    elements = Elements(got.body)
    assert len(elements.all("h1")) == 1
    assert len(elements.all("main")) == 1
    assert re.search(r"<title>[^<]+</title>", got.body)
    assert elements.all("html") == [{"lang": "en"}]
    assert "Nothing here reaches X" in got.body
    assert not [a for _, a in elements.found if "style" in a]


async def test_the_timeline_joins_threads_and_shows_the_newest_first(x: Any, ada: str, ben: str) -> None:
    first = await x.posted(ada, "Part one")
    await x.posted(ben, "In between")
    await x.reply(ada, "Part two", first)
    await x.posted(ada, "Latest")
    page = (await x.ask("GET", "/")).body
    places = [page.index(text) for text in ("Latest", "In between", "Part one", "Part two")]
    assert places == sorted(places)
    assert "Thread of 2 posts" in page


async def test_links_are_shown_short_and_lead_to_the_whole(x: Any, ada: str) -> None:
    await x.posted(ada, "see https://www.perch.com/a/very/long/path/that/goes/on, @sandbox_ben")
    page = (await x.ask("GET", "/")).body
    away = next(a for a in Elements(page).all("a") if "perch.com" in (a.get("href") or ""))
    assert away["href"] == "https://www.perch.com/a/very/long/path/that/goes/on"
    assert away["rel"] == "nofollow noopener noreferrer"
    assert ">perch.com/a/very/long/path…</a>, " in page
    assert '<a href="/sandbox_ben">@sandbox_ben</a>' in page
    assert "t.co" not in page


async def test_pictures_carry_their_alt_text_and_a_badge(x: Any, ada: str) -> None:
    described, bare = await x.picture(ada), await x.picture(ada)
    metadata = {"id": described, "metadata": {"alt_text": {"text": "A blue field"}}}
    await x.ask("POST", "/2/media/metadata", ada, json=metadata)
    await x.posted(ada, media={"media_ids": [described, bare]})
    page = (await x.ask("GET", "/")).body
    alts = [a["alt"] for a in Elements(page).all("img") if (a.get("src") or "").startswith("/media/")]
    assert alts == ["A blue field", "Picture without description"]
    assert page.count("ALT</summary>") == 1


async def test_a_permalink_shows_the_post_in_its_conversation(x: Any, ada: str) -> None:
    first = await x.posted(ada, "Root")
    second = (await x.reply(ada, "Middle", first)).body["data"]["id"]
    await x.reply(ada, "End", second)
    page = (await x.ask("GET", f"/sandbox_ada/status/{second}")).body
    assert page.index("Root") < page.index("Middle") < page.index("End")
    assert page.count(" focus") == 1


async def test_a_permalink_with_another_name_leads_to_the_right_one(x: Any, ada: str) -> None:
    post = await x.posted(ada, "Here")
    got = await x.ask("GET", f"/sandbox_ben/status/{post}")
    assert (got.status, got.headers["location"]) == (307, f"/sandbox_ada/status/{post}")
    assert "Here" in (await x.ask("GET", f"/i/status/{post}")).body


async def test_a_deleted_post_has_no_page(x: Any, ada: str) -> None:
    post = await x.posted(ada, "Gone")
    await x.ask("DELETE", f"/2/tweets/{post}", ada)
    assert (await x.ask("GET", f"/sandbox_ada/status/{post}")).status == 404
    assert "Gone" not in (await x.ask("GET", "/")).body


async def test_older_posts_are_a_page_away(x: Any, ada: str) -> None:
    await x.set(rate_limits=False)
    for n in range(55):
        await x.posted(ada, f"number {n:02d}")
    first = (await x.ask("GET", "/")).body
    assert "number 54" in first
    assert "number 04" not in first
    older = re.search(r'href="(/\?before=\d+)"', first)
    assert older is not None
    second = (await x.ask("GET", older[1])).body
    assert "number 04" in second
    assert "number 05" not in second


async def test_a_profile_shows_only_its_own_posts(x: Any, ada: str, ben: str) -> None:
    await x.posted(ada, "From Ada")
    await x.posted(ben, "From Ben")
    page = (await x.ask("GET", "/Sandbox_Ben")).body
    assert "From Ben" in page
    assert "From Ada" not in page


async def test_avatars_are_drawn_here_and_caged(x: Any) -> None:
    got = await x.ask("GET", "/static/avatar/1700000000000000001_normal.svg")
    assert got.headers["content-type"].startswith("image/svg+xml")
    assert "sandbox" in got.headers["content-security-policy"]
    assert ">A</text>" in got.body
    assert (await x.ask("GET", "/static/avatar/7_normal.svg")).status == 404

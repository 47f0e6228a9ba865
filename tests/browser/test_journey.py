"""From signing in to a live post with a picture, as people with a mouse, a keyboard, or no scripts do it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SignIn = Callable[..., None]
LIVE = re.compile("live")


def compose(page: Page) -> None:
    page.goto("/compose")
    page.get_by_role("heading", name="Compose").wait_for()


def follow(page: Page) -> Page:
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open on the sandbox").click()
    return opened.value


def test_a_post_with_a_picture_goes_live_and_is_seen_on_x(visit: Any, sign_in: SignIn, lake: Path) -> None:
    page = visit()
    sign_in(page)
    page.get_by_role("link", name="Compose").first.click()
    page.get_by_label("Text of the post").fill("A calm morning at https://example.com/lake #birds")
    expect(page.locator("#meter")).to_contain_text("48 of 280")
    expect(page.locator("#tally")).to_contain_text("$0.200")
    with page.expect_file_chooser() as choosing:
        page.get_by_role("button", name="Add a picture or video").click()
    choosing.value.set_files(lake)
    page.locator("#alt_0").fill("A lake without wind")
    expect(page.locator("#preview .pictures img")).to_have_attribute("alt", "A lake without wind")
    expect(page.locator("#tally")).to_contain_text("$0.205")
    page.get_by_role("button", name="Post now to @sandbox_ada").click()
    page.wait_for_url("**/posts/*")
    expect(page.locator("h1")).to_contain_text(LIVE, timeout=15_000)
    expect(page.locator("#receipt")).to_contain_text("$0.205 spent")
    expect(page.locator("#receipt")).to_contain_text("nothing missing")
    expect(page).to_have_title(re.compile("^Live: A calm morning"))
    on_x = follow(page)
    expect(on_x.locator("body")).to_contain_text("A calm morning")
    expect(on_x.get_by_alt_text("A lake without wind").first).to_be_visible()
    page.goto("/")
    expect(page.locator(".rows").first).to_contain_text("A calm morning")


def test_files_are_dropped_and_pasted(visit: Any, sign_in: SignIn) -> None:
    page = visit()
    sign_in(page, "Ben")
    compose(page)
    for kind, target in (("drop", "[data-drop]"), ("paste", "#text")):
        page.evaluate(
            """async ([kind, target]) => {
              const canvas = Object.assign(document.createElement("canvas"), {width: 40, height: 30});
              canvas.getContext("2d").fillRect(0, 0, kind === "drop" ? 20 : 10, 10);
              const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
              const data = new DataTransfer();
              data.items.add(new File([blob], `${kind}.png`, {type: "image/png"}));
              const made = kind === "drop"
                ? new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true})
                : new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true});
              document.querySelector(target).dispatchEvent(made);
            }""",
            [kind, target],
        )
    expect(page.locator("#preview .pictures img")).to_have_count(2)
    expect(page.locator("[data-note]").nth(1)).to_contain_text("paste.png")
    page.get_by_role("button", name="Remove picture 1").click()
    expect(page.locator("#preview .pictures img")).to_have_count(1)


def test_a_refused_post_keeps_what_was_written(visit: Any, sign_in: SignIn) -> None:
    page = visit()
    sign_in(page, "Ben")
    compose(page)
    page.get_by_label("Text of the post").fill("x" * 281)
    expect(page.locator("#verdict")).to_contain_text("X006")
    page.get_by_role("button", name="Post now").click()
    expect(page.get_by_role("alert")).to_contain_text("1 over X's limit")
    expect(page.get_by_label("Text of the post")).to_have_value("x" * 281)


def test_writing_outlives_an_ended_session(visit: Any, sign_in: SignIn) -> None:
    page = visit()
    sign_in(page, "Cleo")
    compose(page)
    page.get_by_label("Text of the post").fill("Half a thought that took an hour")
    page.context.clear_cookies()
    page.get_by_role("button", name="Post now").click()
    page.goto("/")
    sign_in(page, "Cleo")
    compose(page)
    expect(page.get_by_label("Text of the post")).to_have_value("Half a thought that took an hour")
    expect(page.locator("#meter")).to_contain_text("32 of 280")
    page.get_by_role("button", name="Post now").click()
    page.wait_for_url("**/posts/*")
    compose(page)
    expect(page.get_by_label("Text of the post")).to_have_value("")


def test_everything_is_done_with_the_keyboard(visit: Any, sign_in: SignIn) -> None:
    page = visit()
    sign_in(page, "Cleo")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.keyboard.press("n")
    page.wait_for_url("**/compose")
    page.get_by_label("Text of the post").focus()
    page.keyboard.type("Written without a mouse, q and n are only letters here")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/posts/*")
    expect(page.locator("h1")).to_contain_text(LIVE, timeout=15_000)
    page.keyboard.press("q")
    page.get_by_role("heading", name="Queue").wait_for()
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.row a')"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/posts/*")


def test_it_works_without_scripts(visit: Any, sign_in: SignIn, lake: Path) -> None:
    page = visit(java_script_enabled=False)
    sign_in(page, "Cleo")
    page.goto("/compose")
    page.get_by_label("Text of the post").fill("No scripts, one picture")
    page.get_by_label("Picture or video 1", exact=True).set_input_files(lake)
    page.locator("#alt_0").fill("A lake without wind")
    page.get_by_role("button", name="Post now").click()
    page.wait_for_url("**/posts/*")
    for _ in range(50):
        if LIVE.search(page.locator("h1").inner_text()):
            break
        page.wait_for_timeout(200)
        page.reload()
    expect(page.locator("h1")).to_contain_text(LIVE)
    expect(page.get_by_alt_text("A lake without wind")).to_be_visible()


def test_the_colours_are_chosen_and_kept(visit: Any, sign_in: SignIn) -> None:
    page = visit(color_scheme="light")
    sign_in(page, "Ben")
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    assert page.evaluate(paper) == "rgb(251, 250, 247)"
    page.get_by_role("button", name="Dark").first.click()
    page.wait_for_load_state()
    assert page.evaluate(paper) == "rgb(20, 23, 26)"
    page.goto("/help")
    assert page.evaluate(paper) == "rgb(20, 23, 26)"

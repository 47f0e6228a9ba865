"""Every page for everybody: assistive technology, dark and light, narrow screens."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SignIn = Callable[..., None]
PAGES = ("/", "/compose", "/accounts", "/help", "/nowhere")


def own_pages(page: Page) -> list[str]:
    """All pages of somebody who has an account and a post."""
    page.goto("/compose")
    page.get_by_label("Text of the post").fill(f"For all: https://example.com #birds {page.url[-5:]}")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/posts/*")
    receipt = page.url
    page.goto("/accounts")
    asking = page.get_by_role("link", name="Disconnect").first.get_attribute("href") or ""
    return [*PAGES, receipt, asking]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(visit: Any, sign_in: SignIn, axe: Any, scheme: str) -> None:
    page = visit(color_scheme=scheme)
    page.goto("/")
    assert axe(page) == []
    sign_in(page, "Ada" if scheme == "light" else "Ben")
    for path in own_pages(page):
        page.goto(path)
        assert axe(page) == [], path
    page.goto("/compose")
    page.get_by_label("Text of the post").fill("$ACME $INIT " + "x" * 280)
    expect(page.locator("#verdict")).to_contain_text("X001")
    assert axe(page) == []


@pytest.mark.parametrize("width", [320, 390, 768])
def test_no_page_scrolls_sideways(visit: Any, sign_in: SignIn, width: int) -> None:
    page = visit(viewport={"width": width, "height": 700})
    page.goto("/")
    assert _overflow(page) <= 0
    sign_in(page, "Cleo")
    for path in own_pages(page):
        page.goto(path)
        assert _overflow(page) <= 0, path


@pytest.mark.parametrize("width", [390, 1280])
def test_whatever_is_pressed_is_large_enough_for_a_finger(visit: Any, sign_in: SignIn, width: int) -> None:
    page = visit(viewport={"width": width, "height": 800})
    sign_in(page, "Cleo")
    for path in own_pages(page):
        page.goto(path)
        small = page.evaluate(
            """() => [...document.querySelectorAll(
              "button:not([aria-hidden]), summary, a.btn, a.rail-item, select, .theme-choice")]
              .filter((one) => one.checkVisibility())
              .map((one) => [one.innerText.trim(), one.getBoundingClientRect().height])
              .filter(([, height]) => height < 44)"""
        )
        assert small == [], path


def _overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))

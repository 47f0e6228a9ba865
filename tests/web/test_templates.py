"""Rules that hold for every template."""

import re

import pytest

from perch.web.templating import TEMPLATES

ALL = sorted(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.html"))
PAGES = [name for name in ALL if "/" not in name and name not in {"base.html", "checked.html"}]
FORBIDDEN = {
    "an inline script": re.compile(r"<script(?![^>]*\ssrc=)", re.IGNORECASE),
    "an inline style": re.compile(r"<style|\sstyle\s*=", re.IGNORECASE),
    "an event attribute": re.compile(r"\son[a-z]+\s*=|hx-on", re.IGNORECASE),
    "unescaped output": re.compile(r"\|\s*safe|autoescape\s+false|Markup"),
    "a foreign address": re.compile(r"(?:src|href|action)=\"(?:https?:)?//"),
    "a script address": re.compile(r"javascript:", re.IGNORECASE),
}


def read(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("what", FORBIDDEN)
@pytest.mark.parametrize("name", ALL)
def test_no_template_holds(name: str, what: str) -> None:
    found = FORBIDDEN[what].search(read(name))
    assert found is None, f"{name} holds {what}: {found[0]}"


@pytest.mark.parametrize("name", PAGES)
def test_every_page_has_a_title_of_its_own(name: str) -> None:
    assert re.search(r"{% block title %}.+{% endblock %}", read(name))


@pytest.mark.parametrize("name", ALL)
def test_every_form_that_posts_carries_the_token(name: str) -> None:
    forms = re.findall(r"<form\b[^>]*method=\"post\".*?</form>", read(name), re.DOTALL)
    assert all("csrf(frame)" in form for form in forms)


@pytest.mark.parametrize("name", ALL)
def test_a_link_to_elsewhere_tells_nothing_of_where_it_was_followed(name: str) -> None:
    for link in re.findall(r"<a\b[^>]*target=\"_blank\"[^>]*>", read(name)):
        assert "noopener" in link
        assert "noreferrer" in link

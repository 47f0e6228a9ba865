"""Links between the documents, and from them to files, lead somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_LINK = re.compile(r"(?<!`)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (?P<words>.+)$", re.MULTILINE)
_CODE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
MOST_BYTES = 200_000
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def links(document: Path) -> Iterator[str]:
    """Where a document leads to inside the project."""
    text = _CODE.sub("", document.read_text(encoding="utf-8"))
    for match in _LINK.finditer(text):
        if not re.match(r"[a-z]+:", match["target"]):
            yield match["target"]


def anchors(document: Path) -> set[str]:
    """The names that a reader's browser gives to the headings."""
    text = _CODE.sub("", document.read_text(encoding="utf-8"))
    return {_slug(match["words"]) for match in _HEADING.finditer(text)}


def _slug(words: str) -> str:
    return re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    broken = []
    for link in links(document):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        document = waiting.pop()
        reached.add(document)
        for link in links(document):
            target = (document.parent / link.partition("#")[0]).resolve()
            inside = target.glob("*.md") if target.is_dir() else [target]
            waiting += [one for one in inside if one.suffix == ".md" and one not in reached]
    assert [path for path in DOCUMENTS if path not in reached] == []


def test_pictures_are_light_and_all_of_them_are_shown() -> None:
    pictures = {path for path in (ROOT / "docs/images").iterdir() if path.is_file()}
    shown = {(document.parent / link).resolve() for document in DOCUMENTS for link in links(document)}
    assert pictures <= shown
    assert [path.name for path in pictures if path.stat().st_size > MOST_BYTES] == []

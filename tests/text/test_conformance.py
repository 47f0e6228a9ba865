"""X's own test cases for its text rules, every section that speaks of what Perch does."""

from collections.abc import Callable
from typing import Any

import pytest

from perch.text import (
    find_cashtags,
    find_hashtags,
    find_lists,
    find_mentions,
    find_reply,
    find_urls,
    utf16_indices,
    utf16_length,
    utf16_offset,
    weigh,
)

pytestmark = pytest.mark.conformance
Vectors = Callable[[str, str], list[dict[str, Any]]]


def weighed(text: str) -> dict[str, Any]:
    weight = weigh(text)
    start, end = weight.valid_range
    return {
        "weightedLength": weight.weighted_length,
        "valid": weight.valid,
        "permillage": weight.permillage,
        "displayRangeStart": 0,
        "displayRangeEnd": utf16_length(text) - 1,
        "validRangeStart": start,
        "validRangeEnd": utf16_offset(text, end) - 1,
    }


def mentions(text: str) -> list[dict[str, Any]]:
    return [
        {"screen_name": found.screen_name, "indices": list(utf16_indices(text, found))}
        for found in find_mentions(text)
    ]


def mentions_and_lists(text: str) -> list[dict[str, Any]]:
    found = sorted((*find_mentions(text), *find_lists(text)), key=lambda mention: mention.start)
    return [
        {
            "screen_name": mention.screen_name,
            "list_slug": mention.list_slug and f"/{mention.list_slug}",
            "indices": list(utf16_indices(text, mention)),
        }
        for mention in found
    ]


def urls(text: str) -> list[dict[str, Any]]:
    return [{"url": span.text, "indices": list(utf16_indices(text, span))} for span in find_urls(text)]


def hashtags(text: str) -> list[dict[str, Any]]:
    return [
        {"hashtag": span.text[1:], "indices": list(utf16_indices(text, span))} for span in find_hashtags(text)
    ]


def cashtags(text: str) -> list[dict[str, Any]]:
    return [
        {"cashtag": span.text[1:], "indices": list(utf16_indices(text, span))} for span in find_cashtags(text)
    ]


EXTRACTIONS: dict[str, tuple[int, Callable[[str], Any]]] = {
    "mentions": (23, lambda text: [found.screen_name for found in find_mentions(text)]),
    "mentions_with_indices": (3, mentions),
    "mentions_or_lists_with_indices": (5, mentions_and_lists),
    "replies": (13, find_reply),
    "urls": (91, lambda text: [span.text for span in find_urls(text)]),
    "urls_with_indices": (10, urls),
    "urls_with_directional_markers": (2, urls),
    "tco_urls_with_params": (5, lambda text: [span.text for span in find_urls(text)]),
    "hashtags": (65, lambda text: [span.text[1:] for span in find_hashtags(text)]),
    "hashtags_from_astral": (3, lambda text: [span.text[1:] for span in find_hashtags(text)]),
    "hashtags_with_indices": (8, hashtags),
    "cashtags": (8, lambda text: [span.text[1:] for span in find_cashtags(text)]),
    "cashtags_with_indices": (2, cashtags),
}

# Configuration 2 counted every code point of an emoji; X has moved on to 3, whose section has the same texts.
BEFORE_EMOJI_WERE_ONE = {
    "Count a mix of single byte single word, and double word unicode characters",
    "Count unicode emoji chars outside the basic multilingual plane with skin tone modifiers",
}


def disagreements(cases: list[dict[str, Any]], judge: Callable[[str], Any]) -> list[tuple[str, Any]]:
    answers = ((case, judge(case["text"])) for case in cases)
    return [(case["description"], answer) for case, answer in answers if answer != case["expected"]]


@pytest.mark.parametrize("section", EXTRACTIONS)
def test_everything_x_finds_is_found(vectors: Vectors, section: str) -> None:
    size, extract = EXTRACTIONS[section]
    cases = vectors("extract.yml", section)

    assert len(cases) == size
    assert disagreements(cases, extract) == []


@pytest.mark.parametrize(
    ("section", "size"),
    [("WeightedTweetsWithDiscountedEmojiCounterTest", 22), ("UnicodeDirectionalMarkerCounterTest", 2)],
)
def test_posts_weigh_what_x_says(vectors: Vectors, section: str, size: int) -> None:
    cases = vectors("validate.yml", section)

    assert len(cases) == size
    assert disagreements(cases, weighed) == []


def test_the_older_weights_agree_but_for_emoji_sequences(vectors: Vectors) -> None:
    cases = vectors("validate.yml", "WeightedTweetsCounterTest")

    assert len(cases) == 20
    assert {description for description, _ in disagreements(cases, weighed)} == BEFORE_EMOJI_WERE_ONE


@pytest.mark.parametrize(("section", "size"), [("country", 315), ("generic", 1259)])
def test_every_top_level_domain_x_knows_makes_a_link(vectors: Vectors, section: str, size: int) -> None:
    cases = vectors("tlds.yml", section)

    assert len(cases) == size
    assert disagreements(cases, lambda text: [span.text for span in find_urls(text)]) == []


def test_bare_links_of_the_validation_suite_are_links(vectors: Vectors) -> None:
    cases = vectors("validate.yml", "urls_without_protocol")

    assert disagreements(cases, lambda text: [span.text for span in find_urls(text)] == [text]) == []

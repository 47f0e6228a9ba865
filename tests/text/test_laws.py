import gc
import time
import types
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from perch.text import (
    find_cashtags,
    find_emoji,
    find_hashtags,
    find_mentions,
    find_reply,
    find_urls,
    weigh,
)

# Pieces that meet in every way a link, a name or an emoji can begin, end and go wrong.
WORDS = """
a b com co . - _ / http:// https:// t.co/ @ # $ foo.com example.co.jp あ 。 日本 é Í ( ) ? = & ! , 1 みんな
xn--a " : 8080 рф https://t.co/abc ~ www. * A ' % 한국 RT word 😷 ❤️ 👨‍👩‍👧 1️⃣
"""
PIECES = st.sampled_from([*WORDS.split(), " ", " ", "\n", "\u202a", "\ufeff"])
TEXTS = st.lists(PIECES, max_size=14).map("".join) | st.text()


@given(TEXTS)
def test_links_agree_with_twitter_text_parser(reference: types.ModuleType, text: str) -> None:
    theirs = [tuple(found["indices"]) for found in reference.extract_urls_with_indices(text)]

    assert [(span.start, span.end) for span in find_urls(text)] == theirs


@given(st.lists(PIECES, max_size=14).map("".join))
def test_weights_agree_with_twitter_text_parser(reference: types.ModuleType, text: str) -> None:
    # Where an international domain goes on behind an ASCII one, the parser counts from a shortened link.
    found = reference.extract_urls_with_indices(text)
    assume(all(len(url["url"]) == url["indices"][1] - url["indices"][0] for url in found))

    weight = weigh(text)
    theirs = reference.parse_tweet(text)

    assert (weight.weighted_length, weight.valid) == (theirs.weightedLength, theirs.valid)


@given(TEXTS, TEXTS)
@example("", "。foo.com")
def test_weight_adds_up_over_a_line_end(first: str, second: str) -> None:
    # Every part begins after a line end: at the very beginning X links what it links nowhere else.
    together = weigh(f"\n{first}\n{second}").weighted_length

    assert together == weigh(f"\n{first}").weighted_length + weigh(f"\n{second}").weighted_length


@given(TEXTS, st.integers(1, 60))
def test_the_valid_range_fits_and_no_longer_one_does(text: str, limit: int) -> None:
    weight = weigh(text, limit=limit)
    _, end = weight.valid_range

    assert 0 <= end <= len(text)
    assert (end == len(text)) == (weight.weighted_length <= limit and not weight.invalid_characters)


@given(st.text(alphabet="abc日é \n", min_size=1), st.integers(1, 20))
def test_a_text_of_letters_fits_exactly_to_its_limit(text: str, limit: int) -> None:
    _, end = weigh(text, limit=limit).valid_range

    assert weigh(text[:end], limit=limit).weighted_length <= limit
    assert end == len(text) or weigh(text[: end + 1], limit=limit).weighted_length > limit


@given(TEXTS)
def test_spans_are_in_order_and_quote_the_text(text: str) -> None:
    for find in (find_urls, find_hashtags, find_cashtags):
        spans = find(text)
        assert all(text[span.start : span.end] == span.text for span in spans)
        assert all(left.end <= right.start for left, right in pairwise(spans))


@given(TEXTS)
def test_no_mention_or_hashtag_begins_inside_a_link(text: str) -> None:
    inside = {index for span in find_urls(text) for index in range(span.start, span.end)}

    assert inside.isdisjoint(mention.start for mention in find_mentions(text))
    assert inside.isdisjoint(hashtag.start for hashtag in find_hashtags(text))


@given(st.text(alphabet=st.characters(categories=["Cs", "Cc", "Cf", "Co", "Cn", "Mn"])))
def test_no_text_is_too_strange_to_weigh(text: str) -> None:
    assert weigh(text).weighted_length >= 0


def everything(text: str) -> None:
    weigh(text, limit=len(text) // 4)
    find_mentions(text)
    find_hashtags(text)
    find_cashtags(text)
    find_reply(text)
    list(find_emoji(text))


def fastest(work: Callable[[str], None], text: str) -> float:
    times = []
    gc.disable()
    try:
        for _ in range(3):
            started = time.process_time()
            work(text)
            times.append(time.process_time() - started)
    finally:
        gc.enable()
    return min(times)


HOSTILE = {
    "one label": "a", "dots": ".", "short labels": "a.", "hyphens": "a-", "no spaces": "日",
    "ideographs": "日.", "underscores": "a_.com", "half underscores": "あ_a.com", "paths": "a.co/(",
    "trailing": "a.co/!", "queries": "a.co?!", "endings": "com.", "long labels": "日" * 60 + ".com ",
    "mentions": "@a", "hashes": "#", "numbers": "#1", "cashtags": "$A ", "families": "👨\u200d",
    "tags": "🏴\U000e0067", "tones": "👍🏽", "marks": "\u0301\u0327", "decomposed": "e\u0301",
    "schemes": "http://a", "punycode": ".xn--a", "resuming": "a.co/日", "nested": "a.co/((a)", "flags": "🇩",
}  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
def test_eight_times_the_text_takes_no_more_than_its_share(unit: str) -> None:
    text = (unit * 96_000)[:96_000]
    part, whole = fastest(everything, text[:12_000]), fastest(everything, text)

    # A quadratic step would make it 64 times; the rest is room for a busy machine and the grain of its clock.
    assert whole < 24 * part + 0.05

import unicodedata

import pytest

from perch.text import PREMIUM_MAX_WEIGHT, Weight, find_emoji, weigh

FAMILY = "👨‍👩‍👧‍👦"


def test_a_plain_post_weighs_its_letters() -> None:
    assert weigh("Good morning") == Weight(
        weighted_length=12,
        valid=True,
        permillage=42,
        valid_range=(0, 12),
        limit=280,
        invalid_characters=(),
    )


def test_an_empty_text_is_no_post() -> None:
    assert (weigh("").weighted_length, weigh("").valid, weigh("").valid_range) == (0, False, (0, 0))


def test_280_is_full_and_281_too_much() -> None:
    full, over = weigh("a" * 280), weigh("a" * 281)

    assert (full.valid, full.permillage) == (True, 1000)
    assert (over.valid, over.weighted_length, over.valid_range) == (False, 281, (0, 280))


def test_premium_accounts_have_more_room() -> None:
    text = "a" * 25_000

    assert weigh(text, limit=PREMIUM_MAX_WEIGHT).valid
    assert not weigh(text + "a", limit=PREMIUM_MAX_WEIGHT).valid
    assert weigh(text[:12_500], limit=PREMIUM_MAX_WEIGHT).permillage == 500


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("Hi http://test.co", 26),
        ("日本", 4),
        ("“quoted” – it’s …", 18),
        ("\u10ff\u1100", 3),
        ("\u2037\u2038", 3),
        ("x.com", 23),
        ("https://example.com/" + "a" * 200, 23),
        ("line\r\nline", 10),
    ],
)
def test_links_and_scripts_have_their_weight(text: str, weight: int) -> None:
    assert weigh(text).weighted_length == weight


@pytest.mark.parametrize(
    "emoji",
    ["😀", "☺", "☺️", "👍🏽", "🙋🏽‍♀️", FAMILY, "❤️‍🔥", "🇯🇵", "1️⃣", "#⃣", "©️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "👩🏾‍❤️‍💋‍👨🏻", "🫩"],
)
def test_an_emoji_weighs_2_however_it_is_made(emoji: str) -> None:
    assert weigh(emoji).weighted_length == 2
    assert list(find_emoji(emoji)) == [(0, len(emoji))]


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("©", 1),
        ("1", 1),
        ("☺\ufe0e", 4),  # asked to look like text
        ("😀😀", 4),
        ("👍‍", 3),  # a joiner that joins nothing
        ("\U0001f3fd", 2),  # a skin tone without skin
        ("🇯", 2),
        ("👨‍👨‍👨‍👨‍👨", 5),  # no emoji has five members
    ],
)
def test_what_only_resembles_an_emoji_weighs_its_code_points(text: str, weight: int) -> None:
    assert weigh(text).weighted_length == weight


def test_140_families_fill_a_post() -> None:
    assert weigh(FAMILY * 140).weighted_length == 280
    assert weigh(FAMILY * 140).valid
    assert weigh(FAMILY * 141).valid_range == (0, len(FAMILY) * 140)


def test_decomposed_letters_weigh_as_composed_ones() -> None:
    composed = "é" * 280
    decomposed = unicodedata.normalize("NFD", composed)

    assert weigh(decomposed).valid
    assert weigh(decomposed).weighted_length == weigh(composed).weighted_length == 280
    assert weigh(decomposed).valid_range == (0, 560)


def test_the_valid_range_of_a_decomposed_text_cuts_between_letters() -> None:
    text = unicodedata.normalize("NFD", "é" * 281)

    assert weigh(text).valid_range == (0, 560)


def test_a_decomposed_letter_behind_the_limit_does_not_move_it() -> None:
    assert weigh("a" * 280 + "e\u0301").valid_range == (0, 280)


def test_a_link_that_does_not_fit_is_left_out_whole() -> None:
    text = "a" * 260 + " example.com"

    assert weigh(text).weighted_length == 284
    assert weigh(text).valid_range == (0, 261)


@pytest.mark.parametrize("character", ["\ufffe", "\ufeff", "\uffff", "\ud800"])
def test_an_invalid_character_spoils_a_post(character: str) -> None:
    weight = weigh(f"ab{character}c{character}")

    assert not weight.valid
    assert weight.invalid_characters == (2, 4)
    assert weight.valid_range == (0, 2)


def test_invalid_characters_are_placed_in_the_text_as_given() -> None:
    assert weigh("e\u0301\ufeff").invalid_characters == (2,)


@pytest.mark.parametrize("text", ["\x00", "\x07", "\x1b", "\x7f", "\x85"])
def test_control_characters_are_allowed_and_weigh_1(text: str) -> None:
    assert (weigh(text).valid, weigh(text).weighted_length) == (True, 1)


@pytest.mark.parametrize(("text", "weight"), [("\u202e", 2), ("\u2066", 2), ("\u200f", 2), ("\u061c", 1)])
def test_bidirectional_marks_are_allowed_and_weigh_by_their_range(text: str, weight: int) -> None:
    assert (weigh(text).valid, weigh(text).weighted_length) == (True, weight)


def test_a_surrogate_in_a_domain_makes_no_link() -> None:
    assert weigh("http://a\ud800.com").weighted_length == 14

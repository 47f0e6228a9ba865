"""X's rules for a post: each with a card that passes and one that fails, just across the line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import perch.posts.rules
from perch.media.models import MediaKind
from perch.posts.findings import Severity
from perch.posts.rules import ALT_TEXT_LIMIT, LONGEST_THREAD, Card, check

IMAGE, GIF, VIDEO = MediaKind.IMAGE, MediaKind.GIF, MediaKind.VIDEO
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"

TABLE = {
    "X001": [
        ([Card("Buy $AAPL")], [Card("Buy $AAPL and $MSFT")]),
        ([Card("Costs $5 and $10 in $USD")], [Card("$A $B")]),
    ],
    "X006": [
        ([Card("a" * 280)], [Card("a" * 281)]),
        ([Card(FAMILY * 140)], [Card(FAMILY * 141)]),
        ([Card("e\u0301" * 280)], [Card("e\u0301" * 281)]),
        ([Card("猫" * 140)], [Card("猫" * 140 + "a")]),
        ([Card("a" * 256 + " https://example.com/" + "b" * 200)], [Card("a" * 257 + " https://example.com")]),
    ],
    "X007": [
        ([Card("", (IMAGE,) * 4)], [Card("", (IMAGE,) * 5)]),
        ([Card("", (GIF,))], [Card("", (GIF, IMAGE))]),
        ([Card("", (VIDEO,))], [Card("", (VIDEO, VIDEO))]),
        ([Card("", (IMAGE,))], [Card("", (IMAGE, VIDEO))]),
    ],
    "X008": [
        ([Card("fine \u202e too")], [Card("not \ufffe fine")]),
        ([Card("whole \U0001f600")], [Card("half \ud83d")]),
        ([Card("a bell \x07")], [Card("nothing \x00")]),
        ([Card("", (IMAGE,), ("a lake",))], [Card("", (IMAGE,), ("a \x00 lake",))]),
        ([Card("", (IMAGE,), ("\U0001f600",))], [Card("", (IMAGE,), ("\ud83d",))]),
    ],
    "X009": [
        ([Card("a")], [Card("")]),
        ([Card("", (IMAGE,))], [Card(" \n\t ")]),
        ([Card("a")], []),
        ([Card("a"), Card("b")], [Card("a"), Card("")]),
    ],
    "X010": [([Card("a")] * LONGEST_THREAD, [Card("a")] * (LONGEST_THREAD + 1))],
    "X011": [
        (
            [Card("", (IMAGE,), ("a" * ALT_TEXT_LIMIT,))],
            [Card("", (IMAGE,), ("a" * (ALT_TEXT_LIMIT + 1),))],
        )
    ],
}  # fmt: skip


def broken(cards, **kwargs):
    return [finding.rule for finding in check(cards, **kwargs)]


@pytest.mark.parametrize(
    ("rule", "passing", "failing"),
    [(rule, *pair) for rule, pairs in TABLE.items() for pair in pairs],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_rule_lets_pass_and_refuses(rule, passing, failing):
    assert broken(passing) == []
    assert broken(failing) == [rule]


def test_every_rule_that_exists_is_in_the_table():
    source = Path(perch.posts.rules.__file__).read_text()
    assert {part[:4] for part in source.split('"')[1::2] if part[:1] == "X" and part[1:].isdigit()} == set(
        TABLE
    )


@pytest.mark.parametrize(("rule", "failing"), [(rule, pairs[0][1]) for rule, pairs in TABLE.items()])
def test_every_finding_is_a_sentence_with_a_way_out(rule, failing):
    [finding] = check(failing)
    assert (finding.rule, finding.severity) == (rule, Severity.ERROR)
    assert finding.sentence.endswith(".")
    assert finding.fix.endswith(".")


def test_a_finding_names_the_card_it_is_about():
    assert [(one.rule, one.position) for one in check([Card("a"), Card(""), Card("a" * 281)])] == [
        ("X009", 1),
        ("X006", 2),
    ]


def test_long_posts_are_for_accounts_that_may_write_them():
    assert broken([Card("a" * 25_000)], long_posts=True) == []
    assert broken([Card("a" * 25_001)], long_posts=True) == ["X006"]


def test_the_sentence_says_how_much_is_too_much():
    [finding] = check([Card("a" * 300)])
    assert "20 over" in finding.sentence
    assert "280" in finding.sentence


@given(
    st.lists(
        st.builds(Card, st.text(st.characters()), st.lists(st.sampled_from(MediaKind)).map(tuple)), max_size=4
    )
)
def test_no_text_makes_the_rules_stumble(cards):
    for finding in check(cards):
        assert finding.rule in TABLE
        assert 0 <= finding.position <= max(0, len(cards) - 1)

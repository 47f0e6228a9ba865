import pytest

from perch.text import (
    Mention,
    Span,
    find_cashtags,
    find_hashtags,
    find_lists,
    find_mentions,
    find_urls,
    utf16_indices,
    utf16_length,
    utf16_offset,
)


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see https://example.com/a?b=c#d.", ["https://example.com/a?b=c#d"]),
        ("(example.com/a_(b))", ["example.com/a_(b)"]),
        ("example.com:8080/a and example.com:8080", ["example.com:8080/a", "example.com"]),
        ("example.com?a=b", ["example.com"]),
        ("me@example.com", []),
        ("a.b.c and 3.14 and e.g. this", []),
        ("It ends.Then it begins", []),
        ("The end.Next begins", ["end.Next"]),
        ("HTTP://EXAMPLE.COM", ["HTTP://EXAMPLE.COM"]),
        ("пример.рф", []),
        ("http://пример.рф/путь", ["http://пример.рф/путь"]),
        ("http://t.co/abc/def", ["http://t.co/abc"]),
        ("example.newtld", []),
        ("example.xn--p1ai", ["example.xn--p1ai"]),
        ("http://vermögen.vermögensberatung", ["http://vermögen.vermögensberatung"]),
        ("ftp://example.com", []),
        ("a_b.com/x?u=http://c.com", []),
        ("sub_x.foo.com", ["x.foo.com"]),
        (f"http://{'a' * 63}.com", [f"http://{'a' * 63}.com"]),
        (f"http://{'a' * 64}.com", []),
        ("amazon.music", ["amazon.music"]),
    ],
)
def test_links_are_found_as_x_finds_them(text: str, links: list[str]) -> None:
    assert [span.text for span in find_urls(text)] == links


def test_a_link_longer_than_x_takes_is_no_link() -> None:
    longest = "https://example.com/".ljust(4096, "a")

    assert len(find_urls(longest)) == 1
    assert find_urls(longest + "a") == ()


def test_the_scheme_counts_toward_the_length_of_a_bare_link() -> None:
    longest = "example.com/".ljust(4096 - len("https://"), "a")

    assert len(find_urls(longest)) == 1
    assert find_urls(longest + "a") == ()


def test_spans_say_where_they_stand() -> None:
    assert find_urls("😀 example.com!") == (Span(2, 13, "example.com"),)


def test_utf16_counts_an_astral_character_twice() -> None:
    text = "😀 example.com"

    assert utf16_indices(text, find_urls(text)[0]) == (3, 14)
    assert (utf16_offset(text, 1), utf16_length(text)) == (2, 14)


def test_a_lone_surrogate_is_one_utf16_unit() -> None:
    assert utf16_length("a\ud800") == 2


def test_mentions_and_lists_are_told_apart() -> None:
    text = "ask @perch or @perch/friends"

    assert find_mentions(text) == (Mention(4, 10, "perch", ""),)
    assert find_lists(text) == (Mention(14, 28, "perch", "friends"),)


@pytest.mark.parametrize("text", ["https://example.com/@perch", "example.com/@perch/notes", "me@example.com"])
def test_an_at_sign_inside_a_link_or_address_mentions_nobody(text: str) -> None:
    assert find_mentions(text) == ()


def test_a_name_is_read_to_its_twentieth_character() -> None:
    assert find_mentions("@" + "a" * 25)[0].screen_name == "a" * 20


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("#one #two", ["#one", "#two"]),
        ("https://example.com/#one", []),
        ("&#39;", []),
        ("#️⃣", []),
        ("＃日本", ["＃日本"]),
    ],
)
def test_hashtags_are_found_outside_links(text: str, tags: list[str]) -> None:
    assert [span.text for span in find_hashtags(text)] == tags


def test_both_of_two_cashtags_are_found() -> None:
    assert find_cashtags("$AAPL and $BRK.B, not $5 nor US$TEN") == (
        Span(0, 5, "$AAPL"),
        Span(10, 16, "$BRK.B"),
    )

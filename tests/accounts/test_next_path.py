from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.accounts.next_path import safe_next


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/compose",
        "/posts/abc234?tab=story#latest",
        "/compose?text=a%0Ab%2F%2F&url=https://example.org//x",
        "/media/gr%C3%BCn",
        "/a//b",
        "/100%25",
    ],
)
def test_paths_of_this_site_are_kept(path: str) -> None:
    assert safe_next(path) == path


@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "compose",
        "//evil.test",
        "///evil.test",
        "/\\evil.test",
        "\\/evil.test",
        "/%5cevil.test",
        "/%5Cevil.test",
        "/%2fevil.test",
        "/%2F%2Fevil.test",
        "/%252fevil.test",
        "/%25252fevil.test",
        "/%2525252fevil.test",
        "/%09/evil.test",
        "/\t/evil.test",
        "/\n//evil.test",
        "\t//evil.test",
        " //evil.test",
        "/compose\r\nSet-Cookie: a=b",
        "/compose%0d%0aSet-Cookie:a=b",
        "/a?b=\\",
        "/\x00",
        "/\u2028",
        "https://evil.test",
        "https:evil.test",
        "javascript:alert(1)",
        "data:text/html,x",
        "/" + "a" * 2000,
    ],
)
def test_everything_else_leads_home(path: str | None) -> None:
    assert safe_next(path) == "/"


_tricky = st.text(st.sampled_from("/\\%25cCfF.:@?#\t\r\n a\u2028evil"), max_size=16)


@given(_tricky | st.text(), st.integers(0, 3))
def test_no_path_ever_leads_to_another_host(path: str, decodings: int) -> None:
    kept = safe_next(path)
    for _ in range(decodings):
        head, question, rest = kept.partition("?")
        kept = unquote(head) + question + rest

    # What a browser does first: drop tabs and newlines, read a backslash as a slash.
    seen = kept.translate({9: None, 10: None, 13: None}).split("?")[0].replace("\\", "/")
    assert urlsplit(urljoin("https://perch.example/login/x", seen)).netloc == "perch.example"
    assert not any(ord(letter) < 32 for letter in safe_next(path))

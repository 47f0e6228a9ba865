from hypothesis import given
from hypothesis import strategies as st

from perch.text import normalised, outgoing, weigh


def test_outgoing_lines_end_in_one_character() -> None:
    assert outgoing(" \n one\r\ntwo\rthree  \n") == "one\ntwo\nthree"


def test_outgoing_touches_nothing_inside() -> None:
    text = "e\u0301  &amp;\n\n\u202e #tag"

    assert outgoing(text) == text


def test_texts_that_look_the_same_are_the_same_when_normalised() -> None:
    assert normalised("cafe\u0301\r\n") == normalised("café")


def test_what_x_escaped_is_unescaped_once() -> None:
    assert normalised("a &amp;&lt;b&gt; &amp;lt; &copy=1", unescape=True) == "a &<b> &lt; &copy=1"
    assert normalised("&amp;") == "&amp;"


def test_a_pile_of_marks_is_composed_in_pieces() -> None:
    assert len(normalised("a" + "\u0301\u0327" * 50)) == 100


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


@given(st.text())
def test_normalising_does_not_change_the_weight(text: str) -> None:
    assert weigh(normalised(text)).weighted_length == weigh(outgoing(text)).weighted_length

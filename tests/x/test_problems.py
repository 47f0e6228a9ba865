from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from perch.x.problems import Problem, Speaker
from perch.x.wire import Answer

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = ["title", "detail", "type", "errors", "error", "message", "code", "error_description", "reason"]


def test_a_problem_document_speaks_with_its_detail(answer: Callable[..., Answer]) -> None:
    body = {
        "detail": "The user used for authentication is suspended",
        "title": "Forbidden",
        "status": 403,
        "type": "https://api.twitter.com/2/problems/user-suspended",
    }

    problem = Problem.of(answer(403, body))

    assert problem.words == "The user used for authentication is suspended"
    assert problem.type == "user-suspended"
    assert problem.speaker is Speaker.X


def test_both_hosts_of_problem_types_mean_the_same(answer: Callable[..., Answer]) -> None:
    types = {
        Problem.of(answer(402, {"type": f"https://api.{host}/2/problems/credits"})).type
        for host in ("x.com", "twitter.com")
    }

    assert types == {"credits"}


def test_an_invalid_request_speaks_with_its_messages(answer: Callable[..., Answer]) -> None:
    body = {
        "errors": [
            {"parameters": {"media.media_ids": ["1"]}, "message": "Your media IDs are invalid."},
            {"parameters": {"text": [""]}, "message": "Too short."},
        ],
        "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": "https://api.twitter.com/2/problems/invalid-request",
    }

    problem = Problem.of(answer(400, body))

    assert problem.words == "Your media IDs are invalid.; Too short."
    assert problem.parameters == ("media.media_ids", "text")


def test_the_older_shape_keeps_its_codes(answer: Callable[..., Answer]) -> None:
    problem = Problem.of(answer(429, {"errors": [{"code": 88, "message": "Rate limit exceeded"}]}))

    assert (problem.words, problem.codes) == ("Rate limit exceeded", (88,))


def test_oauth_errors_keep_code_and_description(answer: Callable[..., Answer]) -> None:
    body = {"error": "invalid_request", "error_description": "Value passed for the token was invalid."}

    problem = Problem.of(answer(400, body))

    assert (problem.error, problem.words) == ("invalid_request", "Value passed for the token was invalid.")


def test_code_and_message_are_understood(answer: Callable[..., Answer]) -> None:
    problem = Problem.of(answer(500, {"code": 131, "message": "Internal error"}))

    assert (problem.codes, problem.words) == ((131,), "Internal error")


@pytest.mark.parametrize(
    ("body", "speaker", "words"),
    [
        (b"", Speaker.NOBODY, "nothing but HTTP 503"),
        (b"  \r\n", Speaker.NOBODY, "nothing but HTTP 503"),
        (
            b"<!DOCTYPE html><html><head><title>503 Backend fetch failed</title>",
            Speaker.EDGE,
            "HTTP 503 and a web page titled “503 Backend fetch failed”",
        ),
        (b"upstream reset", Speaker.EDGE, "HTTP 503 and a body that is not X's: “upstream reset”"),
        (b'{"title": "cut', Speaker.EDGE, 'HTTP 503 and a body that is not X\'s: “{"title": "cut”'),
        (b"[1, 2]", Speaker.EDGE, "HTTP 503 and a body that is not X's: “[1, 2]”"),
        (b'{"status": 503}', Speaker.EDGE, 'HTTP 503 and a body that is not X\'s: “{"status": 503}”'),
    ],
)
def test_a_body_that_is_none_of_xs_shapes_is_described(
    answer: Callable[..., Answer], body: bytes, speaker: Speaker, words: str
) -> None:
    problem = Problem.of(answer(503, body))

    assert (problem.speaker, problem.words) == (speaker, words)


def test_words_stay_one_short_line_without_direction_marks(answer: Callable[..., Answer]) -> None:
    problem = Problem.of(answer(403, {"detail": "a\r\nb\x1b[31m\u202ec" + "x" * 2000}))

    assert problem.words.startswith("a b [31m c")
    assert len(problem.words) == 500


@given(st.binary())
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b'{"code": ' + b"9" * 5000 + b"}")
@example(b"\xff\xfe{\x00}\x00")
def test_no_bytes_are_too_odd_to_be_described(body: bytes) -> None:
    assert Problem.of(Answer(500, {}, body)).words


@given(st.dictionaries(st.sampled_from(MEMBERS), json_values))
def test_no_json_is_too_odd_to_be_described(document: dict[str, object]) -> None:
    assert isinstance(Problem.in_document(document).words, str)

"""What a body may mean: an order, or a refusal with a sentence, and nothing else."""

import contextlib
import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from perch.errors import PerchError
from perch.web.api.orders import NewPost
from perch.web.json_bodies import decode

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from([*NewPost.model_fields, "poll", "media", "colour"])
CARDS = st.fixed_dictionaries(
    {}, optional={"text": st.text(max_size=20), "media": st.lists(st.text(max_size=5), max_size=3)}
)
POSTS = st.fixed_dictionaries(
    {},
    optional={
        "text": st.text(max_size=20),
        "dry_run": st.booleans(),
        "media_urls": st.lists(st.text(), max_size=4),
    },
)


def read(body):
    try:
        return decode(body, NewPost).order(NOW)
    except PerchError as error:
        return error


@given(
    st.binary(max_size=200)
    | st.dictionaries(FIELDS, VALUES, max_size=5).map(lambda value: json.dumps(value).encode())
)
def test_any_body_is_an_order_or_a_refusal_in_a_sentence(body):
    found = read(body)
    if isinstance(found, PerchError):
        assert 400 <= found.status < 500
        assert found.sentence.endswith(".")
    else:
        assert found.cards


@given(POSTS, st.none() | st.lists(CARDS, min_size=1, max_size=5))
def test_bodies_that_mean_the_same_are_remembered_as_the_same(post, thread):
    body = {**post, **({"thread": thread} if thread is not None else {})}
    with contextlib.suppress(PerchError):
        plain = decode(json.dumps(body).encode(), NewPost)
        turned = dict(reversed(body.items()))
        spaced = decode(json.dumps(turned, indent=3, ensure_ascii=False).encode(), NewPost)
        assert plain.meaning() == spaced.meaning()

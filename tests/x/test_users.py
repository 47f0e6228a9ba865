from collections.abc import Callable

import pytest

from perch.x import errors
from perch.x.users import Me, XUser
from perch.x.wire import Answer


def test_the_person_behind_a_token_is_read_whole(answer: Callable[..., Answer]) -> None:
    body = {
        "data": {
            "id": "2244994945",
            "name": "Perch Demo",
            "username": "perch_demo",
            "verified_type": "blue",
            "subscription_type": "Premium",
            "protected": True,
            "profile_image_url": "https://pbs.twimg.com/profile_images/1/a_normal.jpg",
        }
    }

    user = Me().parse(answer(200, body))

    assert user == XUser(
        id="2244994945",
        username="perch_demo",
        name="Perch Demo",
        profile_image_url="https://pbs.twimg.com/profile_images/1/a_normal.jpg",
        subscription_type="Premium",
        protected=True,
        verified_type="blue",
    )
    assert user.subscribed


@pytest.mark.parametrize("members", [{}, {"subscription_type": "None"}])
def test_without_a_subscription_nobody_is_subscribed(
    answer: Callable[..., Answer], members: dict[str, str]
) -> None:
    user = Me().parse(answer(200, {"data": {"id": "1", "name": "A", "username": "a", **members}}))

    assert not user.subscribed
    assert not user.protected


@pytest.mark.parametrize(
    "body", [{}, {"data": {"id": "1"}}, {"data": {"username": "a"}}, {"data": {"id": 1, "username": "a"}}]
)
def test_a_nameless_answer_is_unavailable(answer: Callable[..., Answer], body: object) -> None:
    with pytest.raises(errors.Unavailable):
        Me().parse(answer(200, body))


def test_the_request_asks_for_what_decides_limits() -> None:
    assert Me().request().target == (
        "/2/users/me?user.fields=profile_image_url,protected,subscription_type,verified_type"
    )

import pytest

from perch.people.errors import NotAllowed
from perch.people.models import Role
from perch.people.roles import Action, may, require


@pytest.mark.parametrize(
    ("role", "reach"),
    [
        (Role.OWNER, set(Action)),
        (Role.EDITOR, {Action.VIEW, Action.WRITE, Action.PUBLISH}),
        (Role.WRITER, {Action.VIEW, Action.WRITE}),
        (Role.VIEWER, {Action.VIEW}),
    ],
)
def test_each_role_reaches_exactly_so_far(role: Role, reach: set[Action]) -> None:
    assert {action for action in Action if may(role, action)} == reach


def test_a_stranger_may_not_even_look() -> None:
    with pytest.raises(NotAllowed) as refused:
        require(None, Action.VIEW)

    assert refused.value.status == 403


def test_a_refusal_names_role_and_deed() -> None:
    with pytest.raises(NotAllowed, match=r"A writer may not publish or schedule posts\."):
        require("writer", Action.PUBLISH)


def test_a_role_the_database_does_not_know_is_an_error_and_not_a_right() -> None:
    with pytest.raises(ValueError, match="emperor"):
        may("emperor", Action.VIEW)

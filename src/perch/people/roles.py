"""What each role may do; pure."""

from enum import StrEnum

from perch.people.errors import NotAllowed
from perch.people.models import Role


class Action(StrEnum):
    """What a member may want to do in a workspace."""

    VIEW = "view"
    WRITE = "write"
    """Drafts and the library."""
    PUBLISH = "publish"
    """Everything the audience sees, now or later."""
    CONNECT = "connect"
    """X accounts of the workspace, connecting and disconnecting."""
    INVITE = "invite"
    """Who else is a member."""


_REACH: dict[Role, frozenset[Action]] = {
    Role.OWNER: frozenset(Action),
    Role.EDITOR: frozenset({Action.VIEW, Action.WRITE, Action.PUBLISH}),
    Role.WRITER: frozenset({Action.VIEW, Action.WRITE}),
    Role.VIEWER: frozenset({Action.VIEW}),
}

_DOING = {
    Action.VIEW: "look at this workspace",
    Action.WRITE: "write here",
    Action.PUBLISH: "publish or schedule posts",
    Action.CONNECT: "connect or disconnect X accounts",
    Action.INVITE: "decide who is a member",
}


def may(role: str, action: Action) -> bool:
    """Whether a member with this role may do this."""
    return action in _REACH[Role(role)]


def require(role: str | None, action: Action) -> None:
    """Raise NotAllowed unless the role reaches that far; no role at all is nobody's."""
    if role is None or not may(role, action):
        who = f"A {role}" if role else "Someone who is not a member"
        raise NotAllowed(
            f"{who} may not {_DOING[action]}.", fix="Ask an owner of the workspace to do it, or for the role."
        )

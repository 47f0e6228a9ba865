"""The person behind a token.

https://docs.x.com/x-api/users/get-my-user
"""

from dataclasses import dataclass
from typing import ClassVar

from perch.x import members
from perch.x.judging import judge, no_verdict
from perch.x.wire import Answer, Request


def is_subscribed(subscription_type: str | None) -> bool:
    """Whether X counts the account as Premium of any kind: it then takes long posts and long videos."""
    return subscription_type not in (None, "None")


@dataclass(frozen=True, slots=True)
class XUser:
    """An account of X. Key it by ``id``: the username can change.

    ``subscription_type`` is ``None``, ``Basic``, ``Premium`` or ``PremiumPlus`` in X's spelling, or absent.
    """

    id: str
    username: str
    name: str
    profile_image_url: str | None = None
    subscription_type: str | None = None
    protected: bool = False
    verified_type: str | None = None

    @property
    def subscribed(self) -> bool:
        """Whether any subscription is on; which of them allow long posts, X does not document."""
        return is_subscribed(self.subscription_type)


@dataclass(frozen=True, slots=True)
class Me:
    """Whose token is this?"""

    repeatable: ClassVar[bool] = True

    def request(self) -> Request:
        wanted = "profile_image_url,protected,subscription_type,verified_type"
        return Request("GET", "/2/users/me", query=(("user.fields", wanted),))

    def parse(self, answer: Answer) -> XUser:
        data = members.child(judge(answer, repeatable=True), "data")
        user_id, username = members.x_id(data, "id"), members.text(data, "username")
        if user_id is None or not username:
            raise no_verdict("X does not say whose login this is.", answer, repeatable=True)
        return XUser(
            id=user_id,
            username=username,
            name=members.text(data, "name") or username,
            profile_image_url=members.text(data, "profile_image_url"),
            subscription_type=members.text(data, "subscription_type"),
            protected=members.flag(data, "protected"),
            verified_type=members.text(data, "verified_type"),
        )

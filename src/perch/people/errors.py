"""What can be wrong with who is asking, cut by what the face answers.

PerchError
 ├─ NotSignedIn           nobody known is asking
 ├─ NotAllowed            somebody known, whose role or token does not reach that far
 ├─ NotHere               the thing does not exist, or not for this person: the answer is the same
 ├─ NotInvited            a newcomer whom this Perch does not take in
 └─ InvitationUnusable    the invitation is unknown, used up or too old
"""

from perch.errors import PerchError


class NotSignedIn(PerchError):
    """No session and no token, or one that has ended."""

    code = "not_signed_in"
    status = 401

    def __init__(self, sentence: str = "You are not signed in.") -> None:
        super().__init__(sentence, fix="Sign in with X, then try again.")


class NotAllowed(PerchError):
    """The role or the token does not reach that far."""

    code = "not_allowed"
    status = 403


class NotHere(PerchError):
    """Nothing of that name in this workspace; things of others are not told apart from nothing."""

    code = "not_found"
    status = 404


class NotInvited(PerchError):
    """``PERCH_SIGN_IN`` keeps this newcomer out."""

    code = "not_invited"
    status = 403

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is not a member of this Perch, which takes in invited people only.",
            fix="Ask the owner for an invitation link and sign in through it.",
        )


class InvitationUnusable(PerchError):
    """An invitation admits one person, within seven days."""

    code = "invitation_unusable"
    status = 403

    def __init__(self) -> None:
        super().__init__(
            "This invitation is unknown, already used, or older than seven days.",
            fix="Ask the owner for a new invitation link.",
        )

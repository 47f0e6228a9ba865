"""What can be wrong with a post, cut by what the caller does next.

PerchError
 ├─ RuleBroken    X would refuse it: change the post
 ├─ PostNotFound  not in this workspace
 ├─ TooLate       the post has moved on: look at its receipt
 ├─ StaleVersion  somebody else changed it meanwhile: look at it again
 ├─ WrongTime     not a time that a post can be due at: name another
 ├─ NoFreeSlot    no place is left, or none was ever made: name an instant
 ├─ NotTheirs     the address given is not a post of this account
 ├─ KeyReused     an idempotency key came back with another body
 └─ StillRunning  the first request with this key has not ended
"""

from collections.abc import Sequence

from perch.errors import PerchError
from perch.posts.findings import Finding


class RuleBroken(PerchError):
    """The post breaks a rule of X. ``findings`` are all of them, the first one speaks."""

    code = "rule_broken"
    status = 422

    def __init__(self, findings: Sequence[Finding]) -> None:
        first = findings[0]
        super().__init__(first.sentence, fix=first.fix, rule=first.rule)
        self.findings = tuple(findings)


class PostNotFound(PerchError):
    """There is no such post in this workspace."""

    code = "post_not_found"
    status = 404


class TooLate(PerchError):
    """The post is no longer in a state that allows this."""

    code = "too_late"
    status = 409


class StaleVersion(PerchError):
    """The post was changed since it was read. ``version`` is the present one."""

    code = "stale_version"
    status = 409

    def __init__(self, version: int) -> None:
        super().__init__(
            f"This post was changed meanwhile: it is at version {version} now.",
            fix="Read it again, and repeat the change if it is still wanted.",
        )
        self.version = version


class WrongTime(PerchError):
    """Not a time that a post can be due at."""

    code = "wrong_time"
    status = 422


class NoFreeSlot(PerchError):
    """The account has no slots, or all of them are taken."""

    code = "no_free_slot"
    status = 409


class NotTheirs(PerchError):
    """The address does not name a post that this account could have published."""

    code = "not_their_post"
    status = 422


class KeyReused(PerchError):
    """The same idempotency key with another body."""

    code = "key_reused"
    status = 422


class StillRunning(PerchError):
    """The first request with this key has not ended."""

    code = "still_running"
    status = 409

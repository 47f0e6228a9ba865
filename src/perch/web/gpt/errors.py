"""Why a post did not come out while somebody waited for it.

PerchError
 ├─ NothingToPost   neither text nor media
 └─ NotOut          it was accepted; ``receipt_url`` goes on telling what becomes of it
     ├─ Refused         X will not have it
     ├─ NotUploaded     X will not have its media
     ├─ Stopped         a person stopped it
     ├─ Paused          something else has to be mended first
     ├─ StillQueued     it waits or is on its way
     └─ NotKnown        X's answer got lost: it may be out
"""

from perch.errors import PerchError


class NothingToPost(PerchError):
    """A post needs a text, or media, or both."""

    code = "nothing_to_post"
    status = 400

    def __init__(self) -> None:
        super().__init__("There is no text and no media_url.", fix="Send at least one of them.")


class NotOut(PerchError):
    """Accepted, and not published so far."""

    def __init__(
        self, receipt_url: str, sentence: str, fix: str | None = None, rule: str | None = None
    ) -> None:
        super().__init__(sentence, fix=fix, rule=rule)
        self.receipt_url = receipt_url


class Refused(NotOut):
    """X turned it away, and would again."""

    code = "refused"
    status = 422


class NotUploaded(NotOut):
    """X did not take the media, so nothing was posted."""

    code = "media_not_uploaded"
    status = 502


class Stopped(NotOut):
    """It was cancelled before it was sent."""

    code = "cancelled"
    status = 409


class Paused(NotOut):
    """Out of credits, or the login has to be renewed: it goes out after that."""

    code = "paused"
    status = 503


class StillQueued(NotOut):
    """It will go out; nobody has to send it again."""

    code = "still_queued"
    status = 504


class NotKnown(NotOut):
    """Sending it again could publish it twice."""

    code = "unknown_outcome"
    status = 504

"""What a machine may say to make a post, and the order it means."""

import re
from datetime import datetime, timedelta

from fastapi import Request
from pydantic import Field

from perch.errors import PerchError
from perch.web.accepting import Order, WantedCard, WantedMedia
from perch.web.api.due import LocalTime, when
from perch.web.json_bodies import BodyRefused, Fault, JsonBody

IDEMPOTENCY_KEY = "Idempotency-Key"
_KEY = re.compile(r"[\x20-\x7e]{1,255}")


class WrongKey(PerchError):
    """An Idempotency-Key that is empty, too long, repeated or not printable."""

    code = "wrong_key"
    status = 422

    def __init__(self) -> None:
        super().__init__(
            "Idempotency-Key must be 1 to 255 printable ASCII characters, sent once.",
            fix="A UUID of your own is a good key.",
        )


class NotYet(PerchError):
    """A part of the contract that this version does not do."""

    code = "not_yet"
    status = 422


class DescribedMedia(JsonBody):
    """An asset of the library with words for people who cannot see it."""

    id: str
    alt_text: str | None = Field(default=None, description="Without it, the description in the library.")


class Poll(JsonBody):
    """A poll. Not built yet: a post with one is refused."""

    options: list[str]
    duration_minutes: int


class Card(JsonBody):
    """One post of a thread."""

    text: str = ""
    media: list[str | DescribedMedia] = Field(default=[], max_length=4, description="Ids of the library.")
    poll: Poll | None = None


class FoundAt(JsonBody):
    """Where somebody saw a post."""

    address: str = Field(description="The address of the post on X, or the number at its end.")


class NewPost(JsonBody):
    """A post, or a thread of several. Give text or thread, not both."""

    account: str | None = Field(
        default=None, description="@handle or id. May be left out where only one account is connected."
    )
    text: str | None = None
    thread: list[Card] | None = Field(default=None, min_length=1, max_length=100)
    media_urls: list[str] = Field(
        default=[], max_length=4, description="Fetched by Perch and put on the first post."
    )
    scheduled_at: str | LocalTime | None = Field(
        default=None,
        description="An instant with an offset (2026-12-01T09:00:00+01:00), “now”, “next-free-slot”, or"
        " a local time with its zone. Without it the post is kept as a draft.",
    )
    jitter_minutes: int = Field(
        default=0, ge=0, le=120, description="How far chance may move it, within the same local day."
    )
    dry_run: bool = Field(default=False, description="Say what would be found; fetch and write nothing.")

    def order(self, now: datetime) -> Order:
        """What is wanted. Raises BodyRefused, WrongTime and NotYet."""
        return Order(
            account=self.account,
            cards=cards_of(self.text, self.thread),
            media_urls=tuple(self.media_urls),
            when=when(self.scheduled_at, now),
            jitter=timedelta(minutes=self.jitter_minutes),
        )

    def meaning(self) -> str:
        """The same for two bodies that ask for the same post."""
        return self.model_dump_json(exclude={"dry_run"})


def cards_of(text: str | None, thread: list[Card] | None) -> tuple[WantedCard, ...]:
    """The cards of a single text or of a thread. Raises BodyRefused and NotYet."""
    if thread is None:
        return (WantedCard(text or ""),)
    if text is not None:
        raise BodyRefused([Fault("thread", "Give text or thread, not both.")])
    if any(card.poll for card in thread):
        raise NotYet("This Perch cannot post polls yet.", fix="Leave the poll out.")
    return tuple(WantedCard(card.text, tuple(map(_media, card.media))) for card in thread)


def key_of(request: Request) -> str | None:
    """The request's idempotency key, if it has one. Raises WrongKey."""
    match request.headers.getlist(IDEMPOTENCY_KEY):
        case []:
            return None
        case [key] if _KEY.fullmatch(key):
            return key
        case _:
            raise WrongKey


def _media(said: str | DescribedMedia) -> WantedMedia:
    return WantedMedia(said) if isinstance(said, str) else WantedMedia(said.id, said.alt_text)

"""A post as X returns it, in its old and its new field names alike.

https://docs.x.com/x-api/fundamentals/data-dictionary
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from perch.x import members
from perch.x.members import JsonObject

# X's ids are snowflakes: milliseconds since this instant above 22 bits of worker and sequence.
_SNOWFLAKE_EPOCH_MS = 1_288_834_974_657


def snowflake_time(x_id: str) -> datetime:
    """When X made this id, to the millisecond."""
    ms = (int(x_id) >> 22) + _SNOWFLAKE_EPOCH_MS
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


def snowflake_at(moment: datetime) -> str:
    """The smallest id X could make at this moment: a ``since_id`` for everything from then on."""
    ms = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return str(max(ms - _SNOWFLAKE_EPOCH_MS, 0) << 22)


@dataclass(frozen=True, slots=True)
class Link:
    """A link as X rewrote it. ``media_key`` is set when it stands for attached media."""

    url: str
    expanded_url: str
    media_key: str | None = None


@dataclass(frozen=True, slots=True)
class PostMetrics:
    """Public counts of one post."""

    impressions: int
    likes: int
    replies: int
    reposts: int
    quotes: int
    bookmarks: int


@dataclass(frozen=True, slots=True)
class XPost:
    """One post. ``text`` is whole also for long posts; its links are t.co's, its ``& < >`` escaped."""

    id: str
    text: str
    created_at: datetime | None = None
    conversation_id: str | None = None
    in_reply_to: str | None = None
    quote_of: str | None = None
    media_keys: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    source: str | None = None
    metrics: PostMetrics | None = None

    @classmethod
    def of(cls, data: JsonObject) -> "XPost | None":
        """Read a post object; None when it has no valid id."""
        post_id = members.x_id(data, "id")
        if post_id is None:
            return None
        note = members.child(data, "note_tweet", "note_post")
        # A long post's own text and entities stop at 280 characters; the note has all of both.
        whole = note if members.text(note, "text") is not None else data
        return cls(
            id=post_id,
            text=members.text(whole, "text") or "",
            created_at=members.instant(data, "created_at"),
            conversation_id=members.x_id(data, "conversation_id"),
            in_reply_to=_reference(data, "replied_to"),
            quote_of=_reference(data, "quoted"),
            media_keys=members.strings(members.child(data, "attachments"), "media_keys"),
            links=tuple(_links(data)) if whole is data else (*_links(note), *_links(data)),
            source=members.text(data, "source"),
            metrics=_metrics(members.child(data, "public_metrics")),
        )

    @property
    def plain_text(self) -> str:
        """The text as its author wrote it, as far as X tells: unescaped, links expanded, media links gone."""
        plain = self.text
        for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
            plain = plain.replace(entity, character)
        for link in self.links:
            plain = plain.replace(link.url, "" if link.media_key else link.expanded_url)
        return plain.strip()


def _reference(data: JsonObject, kind: str) -> str | None:
    references = members.children(data, "referenced_tweets", "referenced_posts")
    return next((members.x_id(entry, "id") for entry in references if entry.get("type") == kind), None)


def _links(data: JsonObject) -> list[Link]:
    urls = members.children(members.child(data, "entities"), "urls")
    return [
        Link(url, members.text(entry, "expanded_url") or url, members.text(entry, "media_key"))
        for entry in urls
        if (url := members.text(entry, "url"))
    ]


def _metrics(counts: JsonObject) -> PostMetrics | None:
    if not counts:
        return None
    return PostMetrics(
        impressions=members.number(counts, "impression_count") or 0,
        likes=members.number(counts, "like_count") or 0,
        replies=members.number(counts, "reply_count") or 0,
        reposts=members.number(counts, "repost_count", "retweet_count") or 0,
        quotes=members.number(counts, "quote_count") or 0,
        bookmarks=members.number(counts, "bookmark_count") or 0,
    )

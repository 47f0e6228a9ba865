"""Posts of X: create, delete, look up, and read one's own timeline back.

https://docs.x.com/x-api/posts/create-post, …/delete-post, …/get-posts-by-ids, …/get-posts and
https://docs.x.com/x-api/users/get-posts. X says "tweet" on the wire; Perch says "post" everywhere else.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from perch.x import members
from perch.x.errors import Rejected, RejectedReason
from perch.x.judging import judge, no_verdict, refusal
from perch.x.members import JsonObject
from perch.x.problems import Problem, Speaker
from perch.x.wire import Answer, Request, json_content
from perch.x.xpost import XPost


class ReplySettings(StrEnum):
    """Who may reply; leave it out for everyone."""

    FOLLOWING = "following"
    MENTIONED_USERS = "mentionedUsers"
    SUBSCRIBERS = "subscribers"
    VERIFIED = "verified"


class FieldsParam(StrEnum):
    """How X spells the parameter that lists a post's fields: renamed in its specification in August 2026.

    Send the first; after ``RejectedReason.FIELDS_RENAMED`` read again with the second.
    """

    TWEET = "tweet.fields"
    POST = "post.fields"


@dataclass(frozen=True, slots=True)
class Poll:
    """2 to 4 options of 1 to 25 characters, open for 5 to 10,080 minutes."""

    options: tuple[str, ...]
    duration_minutes: int


@dataclass(frozen=True, slots=True)
class CreatePost:
    """Publish a post. Media, poll and quoted post exclude each other; up to 4 media.

    There is no idempotency key: equal calls make two posts or a refusal as duplicate.
    """

    repeatable: ClassVar[bool] = False

    text: str = ""
    media_ids: tuple[str, ...] = ()
    tagged_user_ids: tuple[str, ...] = ()
    reply_to: str | None = None
    exclude_reply_user_ids: tuple[str, ...] = ()
    quote_of: str | None = None
    poll: Poll | None = None
    reply_settings: ReplySettings | None = None
    community_id: str | None = None
    share_with_followers: bool = False
    made_with_ai: bool = False
    paid_partnership: bool = False

    def __post_init__(self) -> None:
        single = (self.reply_to, self.quote_of, self.community_id)
        _require_ids(*self.media_ids, *self.tagged_user_ids, *self.exclude_reply_user_ids)
        _require_ids(*(value for value in single if value is not None))

    def body(self) -> bytes:
        """The exact bytes to send; equal posts give equal bytes.

        Raises ``Rejected`` when the text holds a lone surrogate, which cannot be sent at all.
        """
        try:
            return json_content(dict(self._members()))
        except UnicodeEncodeError:
            raise Rejected(RejectedReason.TEXT) from None

    def request(self) -> Request:
        return RecordedPost(self.body()).request()

    def parse(self, answer: Answer) -> XPost:
        """The new post; its text is X's version, with t.co links. Raises ``Unconfirmed`` without an id."""
        return _created(answer)

    @staticmethod
    def from_body(content: bytes) -> "RecordedPost":
        """The operation that sends recorded bytes unchanged."""
        return RecordedPost(content)

    def _members(self) -> Iterator[tuple[str, object]]:
        yield "text", self.text
        if self.media_ids:
            tagged = {"tagged_user_ids": self.tagged_user_ids} if self.tagged_user_ids else {}
            yield "media", {"media_ids": self.media_ids, **tagged}
        if self.reply_to is not None:
            excluded = self.exclude_reply_user_ids
            others = {"exclude_reply_user_ids": excluded} if excluded else {}
            yield "reply", {"in_reply_to_tweet_id": self.reply_to, **others}
        if self.poll is not None:
            yield "poll", {"options": self.poll.options, "duration_minutes": self.poll.duration_minutes}
        optional = {
            "quote_tweet_id": self.quote_of,
            "reply_settings": self.reply_settings,
            "community_id": self.community_id,
            "share_with_followers": self.share_with_followers,
            "made_with_ai": self.made_with_ai,
            "paid_partnership": self.paid_partnership,
        }
        yield from ((name, value) for name, value in optional.items() if value)


@dataclass(frozen=True, slots=True)
class RecordedPost:
    """Publish the very bytes that ``CreatePost.body`` made and somebody wrote down."""

    repeatable: ClassVar[bool] = False

    content: bytes

    def read(self) -> CreatePost:
        """The post these bytes make, as far as a timeline shows it: text, media and what it answers."""
        said = members.parse_object(self.content) or {}
        return CreatePost(
            text=members.text(said, "text") or "",
            media_ids=members.strings(members.child(said, "media"), "media_ids"),
            reply_to=members.x_id(members.child(said, "reply"), "in_reply_to_tweet_id"),
        )

    def request(self) -> Request:
        return Request("POST", "/2/tweets", content=self.content, content_type="application/json")

    def parse(self, answer: Answer) -> XPost:
        return _created(answer)


@dataclass(frozen=True, slots=True)
class DeletePost:
    """Delete one of the account's own posts."""

    repeatable: ClassVar[bool] = True

    id: str

    def __post_init__(self) -> None:
        _require_ids(self.id)

    def request(self) -> Request:
        return Request("DELETE", f"/2/tweets/{self.id}")

    def parse(self, answer: Answer) -> bool:
        """True when X deleted it now, False when there was nothing to delete any more."""
        if answer.status == 404 and Problem.of(answer).speaker is Speaker.X:
            return False
        data = members.child(judge(answer, repeatable=True), "data")
        if not isinstance(data.get("deleted"), bool):
            raise no_verdict("X does not say whether it deleted the post.", answer, repeatable=True)
        return members.flag(data, "deleted")


_TWEET_FIELDS = (
    "attachments",
    "conversation_id",
    "created_at",
    "entities",
    "note_tweet",
    "public_metrics",
    "referenced_tweets",
    "source",
)


@dataclass(frozen=True, slots=True)
class PostsFound:
    """``missing`` are the ids asked for and not returned; ``problems`` is what X said about them."""

    posts: tuple[XPost, ...]
    missing: tuple[str, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class LookUpPosts:
    """Up to 100 posts by id."""

    repeatable: ClassVar[bool] = True

    ids: tuple[str, ...]
    fields_param: FieldsParam = FieldsParam.TWEET

    def __post_init__(self) -> None:
        _require_ids(*self.ids)

    def request(self) -> Request:
        return Request("GET", "/2/tweets", query=(("ids", ",".join(self.ids)), *_fields(self.fields_param)))

    def parse(self, answer: Answer) -> PostsFound:
        document = judge(answer, repeatable=True)
        problems = _problems(document)
        if "data" not in document and not problems:
            raise no_verdict("X's answer holds no posts.", answer, repeatable=True)
        posts = _posts(document)
        seen = {post.id for post in posts}
        return PostsFound(posts, tuple(i for i in self.ids if i not in seen), problems)


@dataclass(frozen=True, slots=True)
class Timeline:
    """One page of an account's posts, newest first. ``complete`` is when it shows all that was asked for."""

    posts: tuple[XPost, ...]
    next_token: str | None
    problems: tuple[Problem, ...]

    @property
    def complete(self) -> bool:
        return self.next_token is None and not self.problems


@dataclass(frozen=True, slots=True)
class OwnTimeline:
    """An account's posts after ``since_id``, without reposts; replies are there, as threads are made of them.

    ``max_results`` is 5 to 100. Fresh posts may show late: X promises no read-after-write.
    """

    repeatable: ClassVar[bool] = True

    user_id: str
    since_id: str | None = None
    until_id: str | None = None
    max_results: int = 10
    pagination_token: str | None = None
    fields_param: FieldsParam = FieldsParam.TWEET

    def __post_init__(self) -> None:
        _require_ids(self.user_id, *(i for i in (self.since_id, self.until_id) if i is not None))

    def request(self) -> Request:
        bounds = {
            "since_id": self.since_id,
            "until_id": self.until_id,
            "pagination_token": self.pagination_token,
        }
        query = (
            ("max_results", str(self.max_results)),
            ("exclude", "retweets"),
            *((name, value) for name, value in bounds.items() if value is not None),
            *_fields(self.fields_param),
        )
        return Request("GET", f"/2/users/{self.user_id}/tweets", query=query)

    def parse(self, answer: Answer) -> Timeline:
        """Raises ``Unavailable`` unless X really listed posts or said that there are none."""
        document = judge(answer, repeatable=True)
        meta = members.child(document, "meta")
        if "data" not in document and members.number(meta, "result_count") != 0:
            # Errors without data are no proof that nothing is there.
            raise no_verdict("X's answer holds no timeline.", answer, repeatable=True)
        return Timeline(_posts(document), members.text(meta, "next_token"), _problems(document))


def _require_ids(*ids: str) -> None:
    if not all(map(members.is_x_id, ids)):
        raise Rejected(RejectedReason.MALFORMED_ID)


def _created(answer: Answer) -> XPost:
    refused = refusal(answer, repeatable=False)
    if refused is not None:
        raise refused
    post = XPost.of(members.child(members.parse_object(answer.body) or {}, "data"))
    if post is None:
        raise no_verdict("X accepted the post and gave no id that can be read.", answer, repeatable=False)
    return post


def _posts(document: JsonObject) -> tuple[XPost, ...]:
    found = (XPost.of(item) for item in members.children(document, "data"))
    return tuple(post for post in found if post is not None)


def _problems(document: JsonObject) -> tuple[Problem, ...]:
    return tuple(Problem.in_document(entry) for entry in members.children(document, "errors"))


def _fields(param: FieldsParam) -> tuple[tuple[str, str], ...]:
    if param is FieldsParam.TWEET:
        return ((param.value, ",".join(_TWEET_FIELDS)),)
    # The new spelling lists no field for references; they come with the expansion.
    renamed = (name.replace("tweet", "post") for name in _TWEET_FIELDS if name != "referenced_tweets")
    return ((param.value, ",".join(renamed)), ("expansions", "referenced_posts"))

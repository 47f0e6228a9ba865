"""Reading people and posts: lookups, and the timeline that clients reconcile against."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from perch.sandbox import charging, rendering
from perch.sandbox.api import Answer, Call
from perch.sandbox.models import Person, Post
from perch.sandbox.problems import invalid, not_found
from perch.sandbox.spelling import NEW_NAMES

_ID = re.compile(r"[0-9]{1,19}")
_TOKEN = re.compile(r"n[0-9a-f]{1,8}")
_OLD_NAMES = {new: old for old, new in NEW_NAMES.items()}
REACH = 3_200  # a timeline goes no further back
QUIETLY_IGNORED = frozenset({
    "id", "text", "edit_controls", "context_annotations", "geo", "withheld", "card_uri", "scopes",
    "article", "article_title", "display_text_range", "media_metadata", "non_public_metrics",
    "organic_metrics", "promoted_metrics", "matched_media_notes", "note_request_suggestions",
    "suggested_source_links", "suggested_source_links_with_counts", "edit_history_tweet_ids",
})  # fmt: skip
PERSON_IGNORED = frozenset({
    "id", "name", "username", "confirmed_email", "connection_status", "entities", "is_identity_verified",
    "location", "parody", "profile_banner_url", "receives_your_dm", "subscribes_to_you", "subscription",
    "url", "verified_followers_count", "withheld", "pinned_tweet_id", "most_recent_tweet_id", "affiliation",
})  # fmt: skip


class Wanted(NamedTuple):
    """Which fields and expansions a request asks for, in the old spelling."""

    post: frozenset[str]
    person: frozenset[str]
    media: frozenset[str]
    expansions: frozenset[str]


def _names(call: Call, *parameters: str) -> frozenset[str]:
    given = (call.query.get(parameter, "") for parameter in parameters)
    return frozenset(_OLD_NAMES.get(name, name) for text in given for name in text.split(",") if name)


def _wanted(call: Call) -> Wanted:
    """Both ``tweet.fields`` and ``post.fields`` are understood: X is in the middle of renaming them."""
    post = _names(call, "tweet.fields", "post.fields")
    person = _names(call, "user.fields")
    _refuse_unknown("tweet.fields", post - rendering.FIELDS.keys() - QUIETLY_IGNORED)
    _refuse_unknown("user.fields", person - rendering.PERSON_FIELDS.keys() - PERSON_IGNORED)
    return Wanted(post, person, _names(call, "media.fields"), _names(call, "expansions"))


def _refuse_unknown(parameter: str, unknown: Iterable[str]) -> None:
    for name in sorted(unknown):
        raise invalid(f"The `{parameter}` query parameter value [{name}] is not valid.", {parameter: [name]})


def _check_id(value: str, parameter: str = "id") -> str:
    if not _ID.fullmatch(value):
        raise invalid(
            f"The `{parameter}` query parameter value [{value}] is not valid.", {parameter: [value]}
        )
    return value


async def me(call: Call) -> Answer:
    """``GET /2/users/me``. It answers even when the credits are used up: known from observation only."""
    return _person(call, call.person)


async def user_by_id(call: Call) -> Answer:
    """``GET /2/users/{id}``."""
    user_id = _check_id(call.path("id"))
    person = call.world.people.get(user_id)
    return _person(call, person) if person else Answer({"errors": [not_found("user", "id", user_id)]})


async def user_by_username(call: Call) -> Answer:
    """``GET /2/users/by/username/{username}``."""
    username = call.path("username")
    person = call.world.person_named(username)
    if person is None:
        return Answer({"errors": [not_found("user", "username", username)]})
    return _person(call, person)


def _person(call: Call, person: Person) -> Answer:
    body = {"data": rendering.person_fields(call.world, person, _wanted(call).person)}
    charging.charge_user(call.world, call.app, person)
    return Answer(body)


def _visible(call: Call, post_id: str) -> Post | None:
    """A live post that this person may see."""
    post = call.world.live_post(post_id)
    if post is None:
        return None
    hidden = call.world.people[post.author_id].protected and post.author_id != call.person.id
    return None if hidden else post


async def post_by_id(call: Call) -> Answer:
    """A missing post is 200 with ``errors`` and no ``data``, as the specification has it."""
    post_id = _check_id(call.path("id"))
    wanted = _wanted(call)
    post = _visible(call, post_id)
    if post is None:
        return Answer({"errors": [not_found("tweet", "id", post_id)]})
    charging.charge_posts(call.world, call.app, [post])
    return Answer(
        {"data": rendering.post_fields(call.world, post, wanted.post)} | _includes(call, [post], wanted)
    )


async def posts_by_ids(call: Call) -> Answer:
    """``GET /2/tweets?ids=``: missing ones stand in ``errors``."""
    ids = [_check_id(i, "ids") for i in call.query.get("ids", "").split(",")]
    if len(ids) > 100:
        raise invalid(
            "The number of values in the `ids` query parameter list is not between 1 and 100", {"ids": []}
        )
    wanted = _wanted(call)
    posts = [post for i in ids if (post := _visible(call, i))]
    found = {post.id for post in posts}
    body: dict[str, Any] = {}
    if posts:
        body["data"] = [rendering.post_fields(call.world, post, wanted.post) for post in posts]
        body |= _includes(call, posts, wanted)
    if missing := [i for i in ids if i not in found]:
        body["errors"] = [not_found("tweet", "ids", i) for i in missing]
    charging.charge_posts(call.world, call.app, posts)
    return Answer(body)


def _includes(call: Call, posts: list[Post], wanted: Wanted) -> dict[str, Any]:
    body = rendering.includes(call.world, posts, wanted.expansions, wanted.media, wanted.person)
    return {"includes": body} if body else {}


class Page(NamedTuple):
    """The bounds of one timeline request; ids exclusive, times in epoch milliseconds."""

    size: int
    since_id: int
    until_id: int
    start_ms: int
    end_ms: int
    without_replies: bool
    offset: int


async def timeline(call: Call) -> Answer:
    """``GET /2/users/{id}/tweets``. Fresh posts stay hidden for the setting ``timeline_lag_s``.

    X promises nothing here. Lags of seconds were observed, minutes rarely; that a newer post shows before
    an older one, as with ``lags_vary``, is a guess on the safe side.
    """
    user_id = _check_id(call.path("id"))
    page, wanted = _page(call), _wanted(call)
    author = call.world.people.get(user_id)
    if author is None or (author.protected and author.id != call.person.id):
        return Answer({"errors": [not_found("user", "id", user_id)]})
    posts = list(islice(_matching(call, user_id, page), page.offset, page.offset + page.size + 1))
    shown = posts[: page.size]
    owned = user_id == call.person.id == call.app.owner_id
    charging.charge_posts(call.world, call.app, shown, owned=owned)
    body: dict[str, Any] = {}
    if shown:
        body["data"] = [rendering.post_fields(call.world, post, wanted.post) for post in shown]
        body |= _includes(call, shown, wanted)
    return Answer(body | {"meta": _meta(shown, page, more=len(posts) > page.size)})


def _meta(shown: list[Post], page: Page, *, more: bool) -> dict[str, Any]:
    meta: dict[str, Any] = {"result_count": len(shown)}
    if shown:
        meta |= {"newest_id": shown[0].id, "oldest_id": shown[-1].id}
    if more:
        meta["next_token"] = f"n{page.offset + page.size:x}"
    if page.offset:
        meta["previous_token"] = f"n{max(0, page.offset - page.size):x}"
    return meta


def _matching(call: Call, user_id: str, page: Page) -> Iterator[Post]:
    world = call.world
    now, lag_s = world.now(), world.settings.timeline_lag_s
    for post in islice(world.posts_of(user_id), REACH):
        if int(post.id) <= page.since_id or post.created_at < page.start_ms:
            return
        shows = post.created_at + world.lag_ms(lag_s, "timeline", post.id) <= now
        wanted = shows and int(post.id) < page.until_id and post.created_at <= page.end_ms
        if wanted and not (page.without_replies and post.reply_to):
            yield post


def _page(call: Call) -> Page:
    query = call.query
    exclude = frozenset(query.get("exclude", "").split(",")) - {""}
    _refuse_unknown("exclude", exclude - {"replies", "retweets", "reposts"})
    return Page(
        _size(query.get("max_results", "10")),
        int(_check_id(query.get("since_id", "0"), "since_id")),
        int(_check_id(query.get("until_id", str(2**63 - 1)), "until_id")),
        _time(query.get("start_time", "1970-01-01T00:00:00Z"), "start_time"),
        _time(query.get("end_time", "9999-12-31T00:00:00Z"), "end_time"),
        "replies" in exclude,
        _offset(query.get("pagination_token", "n0")),
    )


def _size(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 5 <= int(text) <= 100:
        raise invalid(
            f"The `max_results` query parameter value [{text}] is not between 5 and 100",
            {"max_results": [text]},
        )
    return int(text)


def _time(text: str, name: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        message = f"Invalid '{name}':'{text}'. '{name}' must be a valid RFC 3339 timestamp."
        raise invalid(message, {name: [text]})
    return int(at.timestamp() * 1000)


def _offset(token: str) -> int:
    if not _TOKEN.fullmatch(token):
        message = f"The `pagination_token` query parameter value [{token}] is not valid"
        raise invalid(message, {"pagination_token": [token]})
    return int(token[1:], 16)

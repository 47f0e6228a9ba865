"""A post as X writes it in an answer: links shortened, characters escaped, fields on demand."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from perch.sandbox import texts
from perch.sandbox.ids import short_link
from perch.sandbox.models import Media, Person, Post
from perch.sandbox.world import World

PREVIEW = 275


class Written(NamedTuple):
    """A text on the wire and the URL entities in it, indices in code points of that text."""

    text: str
    urls: list[dict[str, Any]]


def rfc3339(at_ms: int) -> str:
    """A time as X writes it, to the millisecond."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03d}Z"


def expanded(url: str) -> str:
    """Where a link leads: one written without a scheme gets http."""
    return url if "://" in url else f"http://{url}"


def display(url: str) -> str:
    """How X shows a link: no scheme, no ``www.``, at most 27 characters and an ellipsis."""
    bare = url.partition("://")[2] or url
    bare = bare.removeprefix("www.").removesuffix("/")
    return bare if len(bare) <= 27 else f"{bare[:26]}…"


def written(world: World, post: Post) -> Written:
    """The whole text, with the link of attached media at its end."""
    if not post.links and not post.media_ids:
        return Written(texts.wire(post.text), [])
    out, urls, at = "", [], 0
    for link in post.links:
        out += texts.wire(post.text[at : link.start])
        urls.append(_url(len(out), link.tco, expanded(link.url), display(link.url)))
        out, at = out + link.tco, link.end
    out += texts.wire(post.text[at:])
    if post.media_ids:
        out += " " if out else ""
        urls += [_media_url(world, post, len(out), media) for media in media_of(world, post)]
        out += post.media_tco
    return Written(out, urls)


def _url(start: int, tco: str, target: str, shown: str) -> dict[str, Any]:
    return {"start": start, "end": start + len(tco), "url": tco, "expanded_url": target, "display_url": shown}


def _media_url(world: World, post: Post, start: int, media: Media) -> dict[str, Any]:
    kind = "photo" if media.category == "tweet_image" else "video"
    target = f"{world.config.url}/{world.people[post.author_id].username}/status/{post.id}/{kind}/1"
    return _url(start, post.media_tco, target, f"pic.x.com/{post.media_tco[-10:]}") | {"media_key": media.key}


def media_of(world: World, post: Post) -> list[Media]:
    """The media of a post that still exist."""
    return [world.media[media_id] for media_id in post.media_ids if media_id in world.media]


def short(world: World, post: Post) -> Written:
    """The ``text`` of a post: a long one is cut and ends in a link to itself, its whole is the note."""
    if post.weight <= texts.MAX_WEIGHT:
        return written(world, post)
    cut = post.text[:PREVIEW].rsplit(" ", 1)[0]
    straddling = [link.start for link in post.links if link.start < len(cut) < link.end]
    cut = cut[: min(straddling, default=len(cut))]
    links = tuple(link for link in post.links if link.end <= len(cut))
    text, urls = written(world, replace(post, text=cut, links=links, media_ids=()))
    return Written(f"{text}… {short_link(world.config.seed, post.id, -2)}", urls)


def created(world: World, post: Post) -> dict[str, Any]:
    """What ``POST /2/tweets`` answers."""
    body: dict[str, Any] = {
        "id": post.id,
        "text": short(world, post).text,
        "edit_history_tweet_ids": [post.id],
    }
    if post.community_id is not None:
        body["community_id"] = post.community_id
    return body


def post_fields(world: World, post: Post, wanted: frozenset[str]) -> dict[str, Any]:
    """A post with its default fields and those asked for; absent values are left out."""
    body: dict[str, Any] = {
        "id": post.id,
        "text": short(world, post).text,
        "edit_history_tweet_ids": [post.id],
    }
    for name in wanted & FIELDS.keys():
        value = FIELDS[name](world, post)
        if value is not None:
            body[name] = value
    return body


def _entities(world: World, post: Post, text: Written) -> dict[str, Any] | None:
    found = {
        "urls": text.urls,
        "mentions": [_mention(world, span) for span in texts.mentions(text.text)],
        "hashtags": [_tag(span) for span in texts.hashtags(text.text)],
        "cashtags": [_tag(span) for span in texts.cashtags(text.text)],
    }
    return {kind: spans for kind, spans in found.items() if spans} or None


def _tag(span: texts.Span) -> dict[str, Any]:
    return {"start": span.start, "end": span.end, "tag": span.value}


def _mention(world: World, span: texts.Span) -> dict[str, Any]:
    body = {"start": span.start, "end": span.end, "username": span.value}
    person = world.person_named(span.value)
    return body | {"id": person.id} if person else body


def _references(post: Post) -> list[dict[str, str]] | None:
    found = [("quoted", post.quote_of), ("replied_to", post.reply_to)]
    return [{"type": kind, "id": target} for kind, target in found if target] or None


def _attachments(world: World, post: Post) -> dict[str, list[str]] | None:
    if post.poll:
        return {"poll_ids": [post.id]}
    return {"media_keys": [media.key for media in media_of(world, post)]} if post.media_ids else None


def _note(world: World, post: Post) -> dict[str, Any] | None:
    if post.weight <= texts.MAX_WEIGHT:
        return None
    whole = written(world, post)
    entities = _entities(world, post, whole)
    return {"text": whole.text} | ({"entities": entities} if entities else {})


def _metrics(world: World, post: Post) -> dict[str, int]:
    return {
        "retweet_count": 0,
        "reply_count": sum(1 for _ in world.answers_to(post.id)),
        "like_count": 0,
        "quote_count": sum(1 for _ in world.quotes_of(post.id)),
        "bookmark_count": 0,
        "impression_count": 0,
    }


FIELDS: dict[str, Callable[[World, Post], Any]] = {
    "created_at": lambda world, post: rfc3339(post.created_at),
    "author_id": lambda world, post: post.author_id,
    "conversation_id": lambda world, post: post.conversation_id,
    "in_reply_to_user_id": lambda world, post: post.reply_to_author,
    "referenced_tweets": lambda world, post: _references(post),
    "entities": lambda world, post: _entities(world, post, short(world, post)),
    "attachments": _attachments,
    "note_tweet": _note,
    "public_metrics": _metrics,
    "reply_settings": lambda world, post: post.reply_settings,
    "source": lambda world, post: world.apps[post.client_id].name if post.client_id in world.apps else None,
    "possibly_sensitive": lambda world, post: False,
    "lang": lambda world, post: "und",
    "community_id": lambda world, post: post.community_id,
    "paid_partnership": lambda world, post: post.paid_partnership or None,
}


def avatar_url(world: World, person: Person) -> str:
    """The picture of a person."""
    return f"{world.config.url}/static/avatar/{person.id}_normal.svg"


def person_fields(world: World, person: Person, wanted: frozenset[str]) -> dict[str, Any]:
    """A person with id, name, username and the fields asked for."""
    body: dict[str, Any] = {"id": person.id, "name": person.name, "username": person.username}
    for name in wanted & PERSON_FIELDS.keys():
        value = PERSON_FIELDS[name](world, person)
        if value is not None:
            body[name] = value
    return body


def _person_metrics(world: World, person: Person) -> dict[str, int]:
    posts = sum(1 for _ in world.posts_of(person.id))
    return {
        "followers_count": 0,
        "following_count": 0,
        "tweet_count": posts,
        "listed_count": 0,
        "like_count": 0,
    }


PERSON_FIELDS: dict[str, Callable[[World, Person], Any]] = {
    "created_at": lambda world, person: rfc3339(person.created_at),
    "description": lambda world, person: person.description,
    "profile_image_url": avatar_url,
    "protected": lambda world, person: person.protected,
    "public_metrics": _person_metrics,
    "subscription_type": lambda world, person: person.subscription_type,
    "verified": lambda world, person: person.premium,
    "verified_type": lambda world, person: "blue" if person.premium else "none",
}


def media_fields(world: World, media: Media, wanted: frozenset[str]) -> dict[str, Any]:
    """Media in ``includes``: key and type, and what was asked for."""
    types = {"tweet_image": "photo", "tweet_gif": "animated_gif"}
    body: dict[str, Any] = {"media_key": media.key, "type": types.get(media.category, "video")}
    found = {
        "url": f"{world.config.url}/media/{media.key}" if media.category == "tweet_image" else None,
        "alt_text": media.alt_text or None,
        "width": media.width or None,
        "height": media.height or None,
        "duration_ms": media.duration_ms or None,
    }
    return body | {name: value for name, value in found.items() if name in wanted and value is not None}


def includes(
    world: World, posts: list[Post], expansions: frozenset[str], media: frozenset[str], people: frozenset[str]
) -> dict[str, Any]:
    """What the expansions pull in, each thing once."""
    body: dict[str, Any] = {}
    if "attachments.media_keys" in expansions:
        found = {m.id: media_fields(world, m, media) for post in posts for m in media_of(world, post)}
        body |= {"media": list(found.values())} if found else {}
    authors = dict.fromkeys(_people(posts, expansions))
    if authors:
        body["users"] = [person_fields(world, world.people[i], people) for i in authors]
    return body


def _people(posts: list[Post], expansions: frozenset[str]) -> Iterator[str]:
    for post in posts:
        if "author_id" in expansions:
            yield post.author_id
        if "in_reply_to_user_id" in expansions and post.reply_to_author:
            yield post.reply_to_author

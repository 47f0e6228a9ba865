"""Accepting a post: X's rules that depend on who posts, what stands already, and what is attached."""

from collections.abc import Iterator
from dataclasses import replace

from perch.sandbox import texts
from perch.sandbox.drafts import Draft
from perch.sandbox.ids import short_link
from perch.sandbox.models import App, Link, Media, Person, Post
from perch.sandbox.problems import bad_media_ids, forbidden, invalid, not_permitted
from perch.sandbox.world import Arrival, World

NEAR = Arrival()
DUPLICATE = "You are not allowed to create a Tweet with duplicate content."
UNSUMMONED = (
    "Reply to this conversation is not allowed because you have not been mentioned or otherwise engaged "
    "by the author of the post you are replying to."
)
UNQUOTABLE = (
    "Quoting this post is not allowed because you have not been mentioned or are not part of the "
    "conversation thread of the post you are quoting."
)
REPLY_GONE = "You attempted to reply to a Tweet that is deleted or not visible to you."
ONE_CASHTAG = "Posts are limited to a maximum of one cashtag"
LONG_VIDEO = "This user is not allowed to post a video longer than {} minutes."


def accept(world: World, person: Person, app: App, draft: Draft, arrival: Arrival = NEAR) -> Post:
    """Check a draft against X's rules and store it; what X would refuse is raised as X words it."""
    text = texts.normal(draft.text, trim=world.settings.trim_text)
    weighed = texts.weigh(text)
    _check_text(world, person, draft, text, weighed)
    parent = _parent(world, person, draft)
    _check_quote(world, person, draft)
    _check_media(world, person, draft)
    if not draft.media_ids:
        _check_duplicate(world, person, text)
    post = _build(world, person, app, draft, text, weighed, parent)
    post = replace(post, fault=arrival.fault, arrived_at=arrival.at_ms or post.created_at)
    world.keep_post(post)
    return post


def _check_text(world: World, person: Person, draft: Draft, text: str, weighed: texts.Weighed) -> None:
    if not text and not (draft.media_ids or draft.carded):
        raise invalid("The `text` field is required unless media is provided.", {"text": [draft.text]})
    limit = texts.MAX_WEIGHT_PREMIUM if person.premium else texts.MAX_WEIGHT
    if weighed.weight > limit or not weighed.valid:
        raise not_permitted()
    if world.settings.self_serve and len(texts.cashtags(text)) > 1:
        raise forbidden(ONE_CASHTAG)
    if draft.previous_post_id is not None:
        raise not_permitted()  # editing is for Premium and not played here


def _parent(world: World, person: Person, draft: Draft) -> Post | None:
    """The post replied to. The rule of being summoned is from the changelog of February 2026."""
    if draft.reply_to is None:
        return None
    parent = world.live_post(draft.reply_to)
    lag_s = world.settings.visibility_lag_s
    if parent is None or world.now() - parent.created_at < world.lag_ms(lag_s, "parent", parent.id):
        raise forbidden(REPLY_GONE)
    if parent.author_id == person.id:
        return parent  # one's own thread; observed, not documented
    if world.people[parent.author_id].protected:
        raise forbidden(REPLY_GONE)
    if world.settings.self_serve and not _summoned(world, person, parent):
        raise forbidden(UNSUMMONED)
    return parent


def _summoned(world: World, person: Person, parent: Post) -> bool:
    """Whether the author named this person or quoted a post of theirs."""
    quoted = world.posts.get(parent.quote_of or "")
    return (quoted is not None and quoted.author_id == person.id) or any(
        span.value.lower() == person.username.lower() for span in texts.mentions(parent.text)
    )


def _check_quote(world: World, person: Person, draft: Draft) -> None:
    """Quotes are an enterprise feature since April 2026."""
    if draft.quote_of is None:
        return
    quoted = world.live_post(draft.quote_of)
    if quoted is None:
        raise invalid("The quoted Tweet does not exist.", {"quote_tweet_id": [draft.quote_of]})
    if world.settings.self_serve:
        raise forbidden(UNQUOTABLE)


def _check_media(world: World, person: Person, draft: Draft) -> None:
    """All must be this person's, finished, fresh and of kinds that go together."""
    if len(set(draft.media_ids)) != len(draft.media_ids):
        raise bad_media_ids(list(draft.media_ids))
    found = [media for media_id in draft.media_ids if (media := world.media.get(media_id))]
    if len(found) != len(draft.media_ids) or not all(_usable(world, person, media) for media in found):
        raise bad_media_ids(list(draft.media_ids))
    moving = [media for media in found if media.category != "tweet_image"]
    if moving and len(found) > 1:
        raise bad_media_ids(list(draft.media_ids))
    limit_s = world.settings.video_max_s
    if not person.premium and any(media.duration_ms > limit_s * 1000 for media in moving):
        raise forbidden(LONG_VIDEO.format(int(limit_s // 60)))


def _usable(world: World, person: Person, media: Media) -> bool:
    now = world.now()
    ready = bool(media.finalized_at) and media.ready_at <= now and not media.error
    fits = media.category.startswith(("tweet_", "amplify_"))
    return media.owner_id == person.id and ready and fits and media.expires_at > now


def _check_duplicate(world: World, person: Person, text: str) -> None:
    """X's window is undocumented, and a post with media has never been seen refused."""
    older = world.posts.get(world.recent_texts.get((person.id, text.casefold()), ""))
    if older is None or older.media_ids:
        return
    if older.id in world.gone and not world.settings.duplicate_counts_deleted:
        return
    if world.now() - older.created_at < world.settings.duplicate_window_s * world.config.pace * 1000:
        raise forbidden(DUPLICATE)


def _build(
    world: World,
    person: Person,
    app: App,
    draft: Draft,
    text: str,
    weighed: texts.Weighed,
    parent: Post | None,
) -> Post:
    now = world.now()
    post_id = world.snowflakes.next(now)
    return Post(
        id=post_id,
        author_id=person.id,
        client_id=app.client_id,
        sent=draft.text,
        text=text,
        created_at=now,
        conversation_id=parent.conversation_id if parent else post_id,
        weight=weighed.weight,
        links=tuple(_links(world, post_id, weighed)),
        media_ids=draft.media_ids,
        media_tco=short_link(world.config.seed, post_id, -1) if draft.media_ids else "",
        reply_to=parent.id if parent else None,
        reply_to_author=parent.author_id if parent else None,
        quote_of=draft.quote_of,
        reply_settings=draft.reply_settings,
        poll=draft.poll,
        community_id=draft.community_id,
        made_with_ai=draft.made_with_ai,
        paid_partnership=draft.paid_partnership,
    )


def _links(world: World, post_id: str, weighed: texts.Weighed) -> Iterator[Link]:
    for position, (start, end, url) in enumerate(weighed.links):
        yield Link(start, end, url, short_link(world.config.seed, post_id, position))

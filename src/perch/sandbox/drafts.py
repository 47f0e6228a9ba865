"""The body of ``POST /2/tweets``: which keys exist, what they may hold, which exclude each other."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from perch.sandbox.models import Poll
from perch.sandbox.problems import invalid

# https://docs.x.com/x-api/posts/create-post: the body is closed.
KEYS: dict[str, type] = {
    "text": str,
    "media": dict,
    "poll": dict,
    "reply": dict,
    "quote_tweet_id": str,
    "reply_settings": str,
    "community_id": str,
    "share_with_followers": bool,
    "for_super_followers_only": bool,
    "nullcast": bool,
    "made_with_ai": bool,
    "paid_partnership": bool,
    "geo": dict,
    "card_uri": str,
    "direct_message_deep_link": str,
    "edit_options": dict,
}
INNER_KEYS = {
    "media": {
        "media_ids",
        "tagged_user_ids",
        "title",
        "description",
        "embeddable",
        "preview_media_id",
        "call_to_actions",
    },
    "poll": {"options", "duration_minutes", "reply_settings"},
    "reply": {"in_reply_to_tweet_id", "exclude_reply_user_ids", "auto_populate_reply_metadata"},
    "geo": {"place_id"},
    "edit_options": {"previous_post_id"},
}
EXCLUSIVE = ("media", "poll", "quote_tweet_id", "card_uri", "direct_message_deep_link")
REPLY_SETTINGS = ("following", "mentionedUsers", "subscribers", "verified")
_ID = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Draft:
    """A body whose shape is right. Nothing in it has been looked up yet."""

    text: str
    media_ids: tuple[str, ...] = ()
    poll: Poll | None = None
    reply_to: str | None = None
    quote_of: str | None = None
    reply_settings: str = "everyone"
    community_id: str | None = None
    previous_post_id: str | None = None
    made_with_ai: bool = False
    paid_partnership: bool = False
    carded: bool = False


def read(body: Mapping[str, Any]) -> Draft:
    """Check the shape of a body; everything wrong with it is a 400 that names the parameter."""
    for key, value in body.items():
        _check_key(key, value)
    given = [key for key in EXCLUSIVE if key in body]
    if len(given) > 1:
        raise invalid(f"You can only provide one of {', '.join(EXCLUSIVE)}.", {key: [] for key in given})
    if len(body) == 1 and "text" in body:
        return Draft(body["text"])
    return _full(body)


def _check_key(key: str, value: Any) -> None:
    if key not in KEYS:
        raise invalid(f"[{key}] is not a known parameter.", {key: [str(value)]})
    if not isinstance(value, KEYS[key]):
        raise invalid(
            f"$.{key}: {type(value).__name__} found, {KEYS[key].__name__} expected", {key: [str(value)]}
        )
    inner_keys = value if isinstance(value, dict) else {}
    for inner in inner_keys:
        if inner not in INNER_KEYS[key]:
            raise invalid(
                f"[{key}.{inner}] is not a known parameter.", {f"{key}.{inner}": [str(inner_keys[inner])]}
            )


def _full(body: Mapping[str, Any]) -> Draft:
    reply_settings = body.get("reply_settings", "everyone")
    if "reply_settings" in body and reply_settings not in REPLY_SETTINGS:
        raise invalid(f"reply_settings must be one of {', '.join(REPLY_SETTINGS)}.", {"reply_settings": []})
    return Draft(
        text=body.get("text", ""),
        media_ids=_media_ids(body["media"]) if "media" in body else (),
        poll=_poll(body["poll"]) if "poll" in body else None,
        reply_to=_id(body["reply"].get("in_reply_to_tweet_id"), "reply.in_reply_to_tweet_id")
        if "reply" in body
        else None,
        quote_of=_id(body["quote_tweet_id"], "quote_tweet_id") if "quote_tweet_id" in body else None,
        reply_settings=reply_settings,
        community_id=_id(body["community_id"], "community_id") if "community_id" in body else None,
        previous_post_id=_id(body["edit_options"].get("previous_post_id"), "edit_options.previous_post_id")
        if "edit_options" in body
        else None,
        made_with_ai=body.get("made_with_ai", False),
        paid_partnership=body.get("paid_partnership", False),
        carded="card_uri" in body or "direct_message_deep_link" in body,
    )


def _id(value: Any, name: str) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise invalid(f"The `{name}` value [{value}] is not valid.", {name: [str(value)]})
    return value


def _media_ids(media: Mapping[str, Any]) -> tuple[str, ...]:
    ids = media.get("media_ids")
    if not isinstance(ids, list) or not 1 <= len(ids) <= 4:
        raise invalid("media.media_ids must hold 1 to 4 ids.", {"media.media_ids": []})
    tagged = media.get("tagged_user_ids", [])
    if not isinstance(tagged, list) or len(tagged) > 10:
        raise invalid("media.tagged_user_ids holds at most 10 ids.", {"media.tagged_user_ids": []})
    return tuple(_id(media_id, "media.media_ids") for media_id in ids)


def _poll(poll: Mapping[str, Any]) -> Poll:
    options = poll.get("options")
    if not isinstance(options, list) or not 2 <= len(options) <= 4:
        raise invalid("poll.options must hold 2 to 4 options.", {"poll.options": []})
    if not all(isinstance(option, str) and 1 <= len(option) <= 25 for option in options):
        raise invalid(
            "Every option of a poll has 1 to 25 characters.", {"poll.options": [str(o) for o in options]}
        )
    minutes = poll.get("duration_minutes")
    if type(minutes) is not int or not 5 <= minutes <= 10_080:
        raise invalid("poll.duration_minutes is 5 to 10080.", {"poll.duration_minutes": [str(minutes)]})
    return Poll(tuple(options), minutes)

"""X is renaming its fields: the new spelling of an answer, for the switch ``names``."""

from collections.abc import Mapping
from typing import Any

NEW_NAMES = {
    "edit_history_tweet_ids": "edit_history_post_ids",
    "referenced_tweets": "referenced_posts",
    "note_tweet": "note_post",
    "pinned_tweet_id": "pinned_post_id",
    "retweet_count": "repost_count",
    "tweet_count": "post_count",
    "tweets": "posts",
}
OLD_PROBLEMS = "https://api.twitter.com/2/problems/"
NEW_PROBLEMS = "https://api.x.com/2/problems/"


def respelled(body: Mapping[str, Any]) -> dict[str, Any]:
    """The same answer with the names of the specification of August 2026."""
    return {NEW_NAMES.get(name, name): _value(value) for name, value in body.items()}


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return respelled(value)
    if isinstance(value, list):
        return [_value(item) for item in value]
    if isinstance(value, str) and value.startswith(OLD_PROBLEMS):
        return NEW_PROBLEMS + value.removeprefix(OLD_PROBLEMS)
    return value

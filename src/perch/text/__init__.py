"""X's text rules: what a post weighs, where its links, mentions, hashtags and cashtags are. Pure: no I/O."""

from perch.text.cashtags import find_cashtags
from perch.text.emoji import find_emoji
from perch.text.hashtags import find_hashtags
from perch.text.mentions import Mention, find_lists, find_mentions, find_reply
from perch.text.normal import normalised, outgoing
from perch.text.spans import Span, utf16_indices, utf16_length, utf16_offset
from perch.text.urls import find_urls
from perch.text.weight import MAX_WEIGHT, PREMIUM_MAX_WEIGHT, URL_WEIGHT, Weight, weigh

__all__ = [
    "MAX_WEIGHT",
    "PREMIUM_MAX_WEIGHT",
    "URL_WEIGHT",
    "Mention",
    "Span",
    "Weight",
    "find_cashtags",
    "find_emoji",
    "find_hashtags",
    "find_lists",
    "find_mentions",
    "find_reply",
    "find_urls",
    "normalised",
    "outgoing",
    "utf16_indices",
    "utf16_length",
    "utf16_offset",
    "weigh",
]

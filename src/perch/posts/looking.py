"""Whether what was sent without a verdict stands on the account's timeline, and when to look again. Pure.

Only two complete looks, late enough, prove that it is not there. Whatever merely resembles it proves nothing,
and is left to a person: a post too many cannot be taken back.
"""

import html
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import regex

from perch.jobs import Pace
from perch.text import normalised
from perch.x.posts import RecordedPost
from perch.x.xpost import Link, XPost

_MAYBE_LINK = regex.compile(r"://|\w\.\w")
_CUT: Final = "…"  # a long post that X told without its note ends so


@dataclass(frozen=True, slots=True)
class Sought:
    """An attempt without a verdict: what X holds if it arrived. No id up to ``since_id`` can be it."""

    attempt_id: int
    text: str
    media_ids: tuple[str, ...]
    reply_to: str | None
    since_id: str

    @classmethod
    def of(cls, attempt_id: int, payload: bytes, since_id: str) -> "Sought":
        post = RecordedPost(payload).read()
        return cls(attempt_id, post.text, post.media_ids, post.reply_to, since_id)


@dataclass(frozen=True, slots=True)
class Seen:
    """It is there, as this one post."""

    x_post_id: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """One of these may be it. ``is_certain``: more looks cannot make it clearer."""

    x_post_ids: tuple[str, ...]
    is_certain: bool


@dataclass(frozen=True, slots=True)
class NotSeen:
    """Nothing there could be it."""


Sighting = Seen | Unclear | NotSeen


def recognise(
    sought: Sequence[Sought], posts: Sequence[XPost], ours: Collection[str]
) -> Mapping[int, Sighting]:
    """What became of each attempt, by its id. ``ours`` are posts known to be other cards of this Perch."""
    sources = {post.source for post in posts if post.id in ours and post.source}
    others = [post for post in posts if post.id not in ours]
    sightings = {one.attempt_id: _sighting(one, others, sources) for one in sought}
    claims = Counter(one.x_post_id for one in sightings.values() if isinstance(one, Seen))
    return {
        attempt_id: Unclear((one.x_post_id,), is_certain=True)
        if isinstance(one, Seen) and claims[one.x_post_id] > 1
        else one
        for attempt_id, one in sightings.items()
    }


def _sighting(sought: Sought, posts: Sequence[XPost], sources: Collection[str]) -> Sighting:
    for matches in (_same_media, _same_reply, _same_text):
        found = [post.id for post in posts if matches(sought, post, sources)]
        if found:
            return Seen(found[0]) if len(found) == 1 else Unclear(tuple(found), is_certain=True)
    alike = tuple(post.id for post in posts if _resembles(sought, post, sources))
    return Unclear(alike, is_certain=False) if alike else NotSeen()


def _same_media(sought: Sought, post: XPost, _sources: Collection[str]) -> bool:
    """Our upload under our words: one upload may serve several posts, so that it alone names none of them."""
    return _has_our_media(sought, post) and is_text(sought.text, post)


def _has_our_media(sought: Sought, post: XPost) -> bool:
    """A media key ends with the id that the upload gave."""
    return any(_tail(key) in sought.media_ids for key in post.media_keys)


def _same_reply(sought: Sought, post: XPost, _sources: Collection[str]) -> bool:
    return sought.reply_to is not None and post.in_reply_to == sought.reply_to and is_text(sought.text, post)


def _same_text(sought: Sought, post: XPost, sources: Collection[str]) -> bool:
    return (
        not sought.media_ids
        and not post.media_keys
        and post.in_reply_to == sought.reply_to
        and int(post.id) > int(sought.since_id)
        and not _is_foreign(post, sources)
        and is_text(sought.text, post)
    )


def _resembles(sought: Sought, post: XPost, sources: Collection[str]) -> bool:
    """Whether X may have told or rewritten this post in a way that hides that it is the one sought."""
    if _has_our_media(sought, post):
        return True
    if _is_foreign(post, sources) or (post.in_reply_to or sought.reply_to) != sought.reply_to:
        return False
    if post.media_keys and not sought.media_ids:
        return False
    wanted, there = _bones(sought.text), _bones(post.text)
    return wanted == there or (there.endswith(_CUT) and wanted.startswith(there.removesuffix(_CUT)))


def _is_foreign(post: XPost, sources: Collection[str]) -> bool:
    return bool(sources) and post.source is not None and post.source not in sources


def _tail(media_key: str) -> str:
    return media_key.rpartition("_")[2]


def is_text(text: str, post: XPost) -> bool:
    """Whether a post says what was sent as ``text``, once X's own spelling is undone.

    X unescapes to what was sent, replaces each link by a t.co one, and appends a link for attached media.
    """
    return regex.fullmatch(_spellings(post), normalised(text)) is not None


def _spellings(post: XPost) -> str:
    """A pattern of every text that X shows as this post: ``http://`` was perhaps not written."""
    return "".join(
        _written(piece) if isinstance(piece, Link) else regex.escape(piece) for piece in _pieces(post)
    )


def _written(link: Link) -> str:
    bare = link.expanded_url.removeprefix("http://")
    optional = "(?:http://)?" if bare != link.expanded_url else ""
    return optional + regex.escape(normalised(bare))


def _pieces(post: XPost) -> Iterator[str | Link]:
    """The text cut at its links, without those of media and the blanks around what is left."""
    links = {link.url: link for link in post.links}
    text = normalised(post.text, unescape=True)
    for link in post.links:
        if link.media_key:
            text = text.removesuffix(link.url).strip()
    if not links:
        yield text
        return
    known = regex.compile("|".join(regex.escape(url) for url in sorted(links, key=len, reverse=True)))
    at = 0
    for found in known.finditer(text):
        yield text[at : found.start()]
        yield links[found[0]]
        at = found.end()
    yield text[at:]


def _bones(text: str) -> str:
    """What is left of a text without case, blanks and every word that might be a link."""
    words = normalised(html.unescape(text)).casefold().split()
    return "".join(word for word in words if not _MAYBE_LINK.search(word))


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Its absence is not proven. ``absences`` and ``absent_at`` are what counts of it so far."""

    at: datetime
    absences: int = 0
    absent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """Two complete looks, late enough and far enough apart, found nothing."""


def after_nothing(
    sent_at: datetime, looked_at: datetime, absences: int, absent_at: datetime | None, pace: Pace
) -> LookAgain | Absent:
    """What a complete look that found nothing proves; ``looked_at`` is when it was begun."""
    settled = sent_at + timedelta(seconds=pace.latest_arrival + pace.visibility)
    apart = timedelta(seconds=pace.second_look)
    if looked_at < settled:
        planned = [sent_at + timedelta(seconds=wait) for wait in pace.looks]
        return LookAgain(min(at for at in (*planned, settled) if at > looked_at))
    if absences == 0 or absent_at is None:
        return LookAgain(looked_at + apart, 1, looked_at)
    if looked_at < absent_at + apart:
        return LookAgain(absent_at + apart, absences, absent_at)
    return Absent()

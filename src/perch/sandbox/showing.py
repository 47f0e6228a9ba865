"""What the pages print: posts as views, threads as lists, texts as pieces."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from perch.sandbox import rendering, texts
from perch.sandbox.models import Media, Person, Poll, Post
from perch.sandbox.world import World

THREAD_LIMIT = 100


class Piece(NamedTuple):
    """Some characters of a post; ``href`` when they are a link, ``away`` when it leaves the sandbox."""

    text: str
    href: str = ""
    away: bool = False


class Attached(NamedTuple):
    """A picture or video of a post."""

    url: str
    alt: str
    moving: bool
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class View:
    """One post as a page shows it."""

    id: str
    author: Person
    pieces: list[Piece]
    media: list[Attached]
    poll: Poll | None
    iso: str
    shown_at: str
    replying_to: str
    quoted: str


def initial(person: Person) -> str:
    """The letter on an avatar: that of the handle, without the prefix all sandbox people share."""
    return (person.username.removeprefix("sandbox_") or person.username)[0].upper()


def view(world: World, post: Post) -> View:
    """A post with everything its page shows, looked up."""
    at = datetime.fromtimestamp(post.created_at / 1000, UTC)
    parent = world.people.get(post.reply_to_author or "")
    quoted = world.live_post(post.quote_of or "")
    return View(
        post.id,
        world.people[post.author_id],
        pieces(world, post),
        [_attached(media) for media in rendering.media_of(world, post)],
        post.poll,
        rendering.rfc3339(post.created_at),
        f"{at:%H:%M} · {at.day} {at:%b %Y} UTC",
        parent.username if parent and parent.id != post.author_id else "",
        f"/{world.people[quoted.author_id].username}/status/{quoted.id}" if quoted else "",
    )


def _attached(media: Media) -> Attached:
    moving = media.media_type.startswith("video/")
    return Attached(f"/media/{media.key}", media.alt_text, moving, media.width, media.height)


def pieces(world: World, post: Post) -> list[Piece]:
    """The text cut into plain stretches, links (by what X displays) and known mentions."""
    marks: list[tuple[int, int, Piece]] = [
        (link.start, link.end, Piece(rendering.display(link.url), rendering.expanded(link.url), away=True))
        for link in post.links
    ]
    marks.extend(
        (span.start, span.end, Piece(post.text[span.start : span.end], f"/{person.username}"))
        for span in texts.mentions(post.text)
        if (person := world.person_named(span.value))
    )
    out, at = [], 0
    for start, end, piece in sorted(marks):
        if start >= at:
            out += [Piece(post.text[at:start]), piece]
            at = end
    return [piece for piece in (*out, Piece(post.text[at:])) if piece.text]


def continues(world: World, post: Post) -> bool:
    """Whether this post is a later part of its author's own thread, and so shown below its root."""
    parent = world.live_post(post.reply_to or "")
    return parent is not None and parent.author_id == post.author_id


def thread(world: World, root: Post) -> list[View]:
    """A post and its author's own answers to it, first answer first, as far as they go."""
    chain: list[View] = []
    post: Post | None = root
    while post is not None and len(chain) < THREAD_LIMIT:
        chain.append(view(world, post))
        post = next(
            (answer for answer in world.answers_to(post.id) if answer.author_id == root.author_id), None
        )
    return chain


def around(world: World, post: Post) -> list[View]:
    """The posts above this one, itself, and below it everybody's answers."""
    above: list[Post] = []
    parent = world.live_post(post.reply_to or "")
    while parent is not None and len(above) < THREAD_LIMIT:
        above.append(parent)
        parent = world.live_post(parent.reply_to or "")
    below: list[Post] = []
    waiting = [post.id]
    while waiting and len(below) < THREAD_LIMIT:
        answers = list(world.answers_to(waiting.pop(0)))
        below += answers
        waiting += [answer.id for answer in answers]
    return [view(world, shown) for shown in (*reversed(above), post, *below)]

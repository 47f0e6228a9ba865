"""``perch queue``: what is to come, and what waits for somebody."""

from datetime import datetime

from perch.cli.beside import open_perch
from perch.cli.output import say, say_json, say_table
from perch.cli.standings import word, zone_of
from perch.people.queries import workspace_ids
from perch.posts.models import PostState
from perch.posts.queries import Listed, unfinished
from perch.settings import Settings

_MOST = 200
_BEGINNING = 50
_FOR_SOMEBODY = (PostState.MISSED, PostState.NEEDS_YOU, PostState.PARTLY_PUBLISHED)


async def run(settings: Settings, *, as_json: bool) -> None:
    """One line a post, what is due first at the top."""
    found: list[Listed] = []
    async with open_perch(settings) as perch, perch.db.read() as session:
        for workspace_id in await workspace_ids(session):
            found += await unfinished(session, workspace_id, limit=_MOST)
    if as_json:
        say_json([_for_machines(one, settings) for one in found])
    elif found:
        now = perch.clock.now()
        say_table(("due", "state", "account", "begins", "id"), [_row(one, now) for one in found])
        _say_who_is_asked(found)
    else:
        say("Nothing is scheduled, and nothing waits for you.")


def _row(one: Listed, now: datetime) -> tuple[str, ...]:
    post = one.post
    due = post.due_at.astimezone(zone_of(post)) if post.due_at else None
    shown = f"{due:%a %d %b %H:%M %Z}" if due else ""
    begins = " ".join(one.first.text.split())[:_BEGINNING]
    return shown, word(one.standing, zone_of(post), now), f"@{one.account.username}", begins, post.public_id


def _say_who_is_asked(found: list[Listed]) -> None:
    asked = sum(one.post.state in _FOR_SOMEBODY for one in found)
    if asked:
        say("1 post waits for you." if asked == 1 else f"{asked} posts wait for you.")


def _for_machines(one: Listed, settings: Settings) -> dict[str, object]:
    post = one.post
    return {
        "id": post.public_id,
        "state": post.state,
        "paused": one.standing.paused_reason,
        "due_at": post.due_at.isoformat() if post.due_at else None,
        "local_time": post.local_time,
        "zone": post.zone,
        "account": f"@{one.account.username}",
        "text": one.first.text,
        "cards": one.cards,
        "why": post.why,
        "receipt_url": f"{settings.origin}/posts/{post.public_id}",
    }

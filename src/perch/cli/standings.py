"""How a post stands, in the few words that a terminal has room for. Pure."""

from datetime import datetime, tzinfo

from perch.clock import zone
from perch.posts.models import Post
from perch.posts.standing import Standing


def word(standing: Standing, its_zone: tzinfo, now: datetime) -> str:
    """Its state, or why it is not out although it is due."""
    if standing.is_checking:
        return "checking"
    if standing.is_paused(now):
        return f"paused: {standing.paused_reason}"
    if standing.rests_until and standing.due_at and standing.due_at <= now < standing.rests_until:
        return f"rests until {standing.rests_until.astimezone(its_zone):%d %b %H:%M}"
    return standing.state


def zone_of(post: Post) -> tzinfo:
    """The zone its time was given in."""
    return zone(post.zone or "UTC")

"""The first half of X's sign-in: is a request to authorize sound, and where does the answer lead."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from perch.sandbox.ids import opaque
from perch.sandbox.models import App, Code, Person
from perch.sandbox.world import World

SCOPES = {
    "tweet.read": "See posts you can see",
    "tweet.write": "Publish and delete posts for you",
    "tweet.moderate.write": "Hide and show replies to your posts",
    "users.read": "See your profile and profiles you can see",
    "users.email": "See your e-mail address",
    "follows.read": "See whom you follow",
    "follows.write": "Follow and unfollow for you",
    "offline.access": "Stay connected until you end it",
    "space.read": "See Spaces you can see",
    "mute.read": "See whom you muted",
    "mute.write": "Mute and unmute for you",
    "like.read": "See what you liked",
    "like.write": "Like and unlike for you",
    "list.read": "See your lists",
    "list.write": "Change your lists",
    "block.read": "See whom you blocked",
    "block.write": "Block and unblock for you",
    "bookmark.read": "See your bookmarks",
    "bookmark.write": "Change your bookmarks",
    "dm.read": "Read your messages",
    "dm.write": "Send messages for you",
    "broadcast.read": "See your broadcasts",
    "broadcast.write": "Change your broadcasts",
    "media.write": "Upload pictures and videos for you",
    "timeline.read": "See your home timeline",
}
STATE_LIMIT = 500


class Unsound(Exception):
    """A request that X answers with an error page of its own, never with a redirect."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A sound request to authorize."""

    app: App
    redirect_uri: str
    scope: str
    state: str
    challenge: str
    method: str

    @property
    def origin(self) -> str:
        """Scheme and host of the one address that the answer goes to."""
        scheme, _, rest = self.redirect_uri.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}"

    def answer(self, **parameters: str) -> str:
        """The redirect with ``parameters``; a query in the callback stays (RFC 6749 section 4.1.2)."""
        if self.state:
            parameters["state"] = self.state
        separator = "&" if "?" in self.redirect_uri else "?"
        return f"{self.redirect_uri}{separator}{urlencode(parameters)}"


def read(world: World, query: Mapping[str, str]) -> Ask:
    """Check an authorize request. Everything wrong, even a bad scope, ends on X's own page."""
    app = world.apps.get(query.get("client_id", ""))
    if app is None:
        raise Unsound("No app is registered under this client_id.")
    if query.get("redirect_uri") not in app.callbacks:
        raise Unsound("The redirect_uri is not one of the callbacks registered for this app.")
    _check_parameters(query)
    return Ask(
        app,
        query["redirect_uri"],
        " ".join(query["scope"].split()),
        query.get("state", ""),
        query["code_challenge"],
        query["code_challenge_method"],
    )


def _check_parameters(query: Mapping[str, str]) -> None:
    if query.get("response_type") != "code":
        raise Unsound("The response_type must be code.")
    unknown = [scope for scope in query.get("scope", "").split() if scope not in SCOPES]
    if unknown or not query.get("scope", "").split():
        raise Unsound(f"Unknown scope: {' '.join(unknown)}." if unknown else "The scope is missing.")
    if len(query.get("state", "")) > STATE_LIMIT:
        raise Unsound("The state is longer than 500 characters.")
    if not query.get("code_challenge"):
        raise Unsound("The code_challenge is missing.")
    if query.get("code_challenge_method") not in ("S256", "plain"):
        raise Unsound("The code_challenge_method must be S256 or plain.")


def allow(world: World, ask: Ask, person: Person) -> str:
    """Give out a code for this person; returns where the browser goes."""
    code = opaque("code")
    expires_at = world.now() + int(world.settings.code_ttl_s * 1000)
    world.codes[code] = Code(
        ask.app.client_id, person.id, ask.redirect_uri, ask.scope, ask.challenge, ask.method, expires_at
    )
    return ask.answer(code=code)


def deny(ask: Ask) -> str:
    """A refusal, as RFC 6749 section 4.1.2.1 has it; X's own pages do not describe it."""
    return ask.answer(error="access_denied")

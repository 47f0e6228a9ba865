"""What people see: the timeline, profiles, single posts, and the page that asks for consent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from perch.sandbox import consent, showing
from perch.sandbox.blobs import Blobs
from perch.sandbox.models import Person
from perch.sandbox.world import World

HERE = Path(__file__).parent
PAGE_SIZE = 50
SERVED = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "video/mp4", "video/quicktime"})
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; media-src 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action {}"
)
SAFETY = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages over one world. Templates hold no rules: showing makes what they print."""

    world: World
    blobs: Blobs
    templates: Environment = field(
        default_factory=lambda: Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
        )
    )

    def _page(
        self, name: str, values: Mapping[str, Any], *, status: int = 200, forms_to: str = "'none'"
    ) -> Response:
        text = self.templates.get_template(name).render(people=self._people(), **values)
        policy = {"content-security-policy": POLICY.format(forms_to), "cache-control": "no-store"}
        return HTMLResponse(text, status, {**SAFETY, **policy})

    def _people(self) -> list[Person]:
        return [person for person in self.world.people.values() if not person.suspended]

    async def home(self, request: Request) -> Response:
        """``/``: everybody's posts, newest first, a thread shown as one."""
        return self._timeline(request, None)

    async def profile(self, request: Request) -> Response:
        person = self.world.person_named(request.path_params["username"])
        return self._timeline(request, person) if person else self._missing()

    def _timeline(self, request: Request, person: Person | None) -> Response:
        posts = self.world.posts_of(person.id) if person else self.world.newest()
        before = request.query_params.get("before", "")
        limit = int(before) if before.isascii() and before.isdigit() else 2**63
        roots = (post for post in posts if int(post.id) < limit and not showing.continues(self.world, post))
        shown = list(islice(roots, PAGE_SIZE + 1))
        threads = [showing.thread(self.world, post) for post in shown[:PAGE_SIZE]]
        older = shown[PAGE_SIZE - 1].id if len(shown) > PAGE_SIZE else ""
        values = {"threads": threads, "person": person, "older": older, "path": request.url.path}
        return self._page("timeline.html", values)

    async def status(self, request: Request) -> Response:
        """A permalink. One with the wrong name in it leads to the right one, as on X."""
        post = self.world.live_post(request.path_params["id"])
        if post is None:
            return self._missing()
        author = self.world.people[post.author_id]
        if request.path_params.get("username") not in (None, author.username):
            return RedirectResponse(f"/{author.username}/status/{post.id}")
        thread = showing.around(self.world, post)
        return self._page("status.html", {"thread": thread, "post_id": post.id, "author": author})

    def _missing(self) -> Response:
        return self._page("missing.html", {}, status=404)

    async def missing(self, request: Request, _error: Exception) -> Response:
        return self._missing()

    def refused(self, reason: str) -> Response:
        """X's answer to an authorize request it does not like: a page, 400, no redirect."""
        return self._page("refused.html", {"reason": reason}, status=400)

    def consent(self, ask: consent.Ask, ticket: str) -> Response:
        """The one page whose form may lead elsewhere: to the callback it was asked for."""
        scopes = [(scope, consent.SCOPES[scope]) for scope in ask.scope.split()]
        values = {"ask": ask, "ticket": ticket, "scopes": scopes}
        return self._page("consent.html", values, forms_to=f"'self' {ask.origin}")

    async def media(self, request: Request) -> Response:
        """The stored bytes, in a cage: sniffing off, nothing in them may run."""
        media = self.world.media.get(request.path_params["key"].partition("_")[2])
        if media is None or media.key != request.path_params["key"] or media.media_type not in SERVED:
            return self._missing()
        path = self.blobs.path(media.id)
        if not media.finalized_at or not path.exists():
            return self._missing()
        cage = {"content-security-policy": "default-src 'none'; sandbox"}
        return FileResponse(path, media_type=media.media_type, headers={**SAFETY, **cage})

    async def avatar(self, request: Request) -> Response:
        """A drawn letter on a colour that follows from the id."""
        person = self.world.people.get(request.path_params["name"].partition("_")[0])
        if person is None:
            return self._missing()
        svg = self.templates.get_template("avatar.svg").render(
            letter=showing.initial(person), hue=int(person.id) * 97 % 360
        )
        return Response(
            svg,
            headers={**SAFETY, "content-security-policy": "default-src 'none'; sandbox"},
            media_type="image/svg+xml",
        )

    async def stylesheet(self, request: Request) -> Response:
        return FileResponse(HERE / "static" / "sandbox.css", headers=SAFETY)

"""The control plane, ``/_sandbox/…``: what tests look at and turn. It answers this machine only."""

import json
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from perch.sandbox import charging, consent, limits, rendering, tokens
from perch.sandbox.blobs import Blobs
from perch.sandbox.config import DEFAULT_SCOPE, BadSetting
from perch.sandbox.faults import BadFault, Faults
from perch.sandbox.models import SUBSCRIPTIONS, App, Person, Post
from perch.sandbox.refreshes import Refreshes
from perch.sandbox.world import World

PAGE = 10_000
CROWD = 100_000
LOOPBACK = ("127.0.0.1", "localhost", "::1")
Handler = Callable[[Request], Awaitable[Response]]


class Wrong(Exception):
    """A request to the control plane that makes no sense, with the sentence that says why."""


def guarded(handler: Handler) -> Handler:
    """Let in only requests to a loopback name that no other site's page sent."""

    async def answer(request: Request) -> Response:
        if not _from_here(request):
            return JSONResponse({"error": "The control plane answers this machine only."}, 403)
        try:
            return await handler(request)
        except (Wrong, BadSetting, BadFault, consent.Unsound) as error:
            return JSONResponse({"error": str(error)}, 400)

    return answer


def _from_here(request: Request) -> bool:
    host = request.headers.get("host", "")
    if urlsplit(f"//{host}").hostname not in LOOPBACK:
        return False
    origin = request.headers.get("origin")
    same_site = request.headers.get("sec-fetch-site", "none") in ("same-origin", "none")
    return same_site and (origin is None or origin == f"http://{host}")


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    try:
        body = json.loads(raw) if raw else {}
    except ValueError as error:
        raise Wrong("The body is not JSON.") from error
    if not isinstance(body, dict):
        raise Wrong("The body is not a JSON object.")
    return body


@dataclass(frozen=True, slots=True)
class Control:
    """The control plane of one world."""

    world: World
    faults: Faults
    blobs: Blobs
    refreshes: Refreshes

    def routes(self) -> list[Route]:
        table: list[tuple[str, str, Handler]] = [
            ("GET", "health", self.health),
            ("GET", "ledger", self.ledger),
            ("GET", "requests", self.requests),
            ("GET", "refreshes", self.count_refreshes),
            ("POST", "reset", self.reset),
            ("GET", "people", self.people),
            ("POST", "people", self.add_person),
            ("DELETE", "people/{username}", self.suspend),
            ("POST", "crowd", self.crowd),
            ("GET", "apps", self.apps),
            ("POST", "apps", self.add_app),
            ("POST", "tokens", self.mint),
            ("POST", "approve", self.approve),
            ("GET", "settings", self.settings),
            ("PUT", "settings", self.change_settings),
            ("POST", "profile", self.take_profile),
            ("GET", "faults", self.list_faults),
            ("POST", "faults", self.add_fault),
            ("DELETE", "faults", self.clear_faults),
            ("DELETE", "faults/{id:int}", self.drop_fault),
            ("GET", "secrets", self.secrets),
        ]
        return [
            Route(f"/_sandbox/{path}", guarded(handler), methods=[method]) for method, path, handler in table
        ]

    async def health(self, _request: Request) -> Response:
        world = self.world
        balances = {client_id: charging.balance(world, app) / 1000 for client_id, app in world.apps.items()}
        return JSONResponse(
            {
                "ok": True,
                "posts": len(world.posts),
                "now": rendering.rfc3339(world.now()),
                "pace": world.config.pace,
                "credits": balances,
            }
        )

    async def ledger(self, request: Request) -> Response:
        """Every post ever accepted, in order, deleted ones too; ``?since=<id>`` for the newer ones.

        ``next`` is where to go on when there are more than ``limit``, None at the end.
        """
        ids = list(self.world.posts)
        start = bisect_right(ids, _asked(request, "since", 0), key=int)
        stop = start + _asked(request, "limit", PAGE)
        posts = [self._entry(self.world.posts[post_id]) for post_id in ids[start:stop]]
        return JSONResponse({"posts": posts, "next": ids[stop - 1] if stop < len(ids) else None})

    def _entry(self, post: Post) -> dict[str, Any]:
        return {
            "id": post.id,
            "account": self.world.people[post.author_id].username,
            "author_id": post.author_id,
            "text": post.sent,
            "media_ids": list(post.media_ids),
            "reply_to": post.reply_to,
            "at": rendering.rfc3339(post.created_at),
            "at_ms": post.created_at,
            "deleted": post.id in self.world.gone,
            "fault": post.fault,
            "arrived_ms": post.arrived_at,
        }

    async def requests(self, request: Request) -> Response:
        """The last 100,000 requests, ``?since=<n>`` for the later ones: no query, no headers, no bodies."""
        seen, limit = self.world.requests, _asked(request, "limit", PAGE)
        forgotten = seen[0].n - 1 if seen else 0
        start = max(0, _asked(request, "since", 0) - forgotten)
        page = list(islice(seen, start, start + limit))
        later = page[-1].n if start + limit < len(seen) else None
        return JSONResponse({"requests": [one._asdict() for one in page], "next": later})

    async def count_refreshes(self, _request: Request) -> Response:
        """Since the start: how many there were, and how often two of one grant were under way at once."""
        seen = self.refreshes
        return JSONResponse({"seen": seen.seen, "most_at_once": seen.most_at_once, "overlaps": seen.overlaps})

    async def reset(self, _request: Request) -> Response:
        """Back to the first day. Settings return to those it was started with; faults go."""
        self.faults.clear()
        self.world.settings = self.world.config.settings
        self.world.empty()
        self.blobs.clear()
        return JSONResponse({"ok": True})

    async def people(self, _request: Request) -> Response:
        return JSONResponse({"people": [asdict(person) for person in self.world.people.values()]})

    async def add_person(self, request: Request) -> Response:
        """Create a person, or change the one of this username."""
        body = await _body(request)
        username = str(body.get("username", ""))
        if not _is_username(username):
            raise Wrong("A username is 1 to 20 letters, digits and underscores.")
        person = _person(self.world, username, body)
        self.world.keep_person(person)
        return JSONResponse(asdict(person), 201)

    async def crowd(self, request: Request) -> Response:
        """Many people at once, each with a token pair as a consent would give it."""
        body = await _body(request)
        count, prefix = body.get("count"), str(body.get("prefix", "crowd_"))
        if type(count) is not int or not 0 < count <= CROWD or not _is_username(f"{prefix}{count}"):
            raise Wrong(f"A crowd has a count of 1 to {CROWD} and a prefix that begins usernames.")
        app, scope = self._app(body), str(body.get("scope", DEFAULT_SCOPE))
        people = []
        for number in range(1, count + 1):
            person = _person(self.world, f"{prefix}{number}", {})
            self.world.keep_person(person)
            pair = tokens.mint(self.world, app, person, scope, body.get("expires_in"))
            people.append({"id": person.id, "username": person.username, **pair})
        return JSONResponse({"people": people}, 201)

    async def suspend(self, request: Request) -> Response:
        person = self._named(request.path_params["username"])
        self.world.keep_person(replace(person, suspended=True))
        return JSONResponse({"suspended": True})

    def _named(self, username: Any) -> Person:
        person = self.world.person_named(str(username).removeprefix("@"))
        if person is None:
            raise Wrong(f"Nobody here is called {username!r}.")
        return person

    async def apps(self, _request: Request) -> Response:
        """The registered apps, secrets left out."""
        shown = [asdict(app) | {"client_secret": None} for app in self.world.apps.values()]
        return JSONResponse(
            {"apps": [app | {"kind": _kind(self.world.apps[app["client_id"]])} for app in shown]}
        )

    async def add_app(self, request: Request) -> Response:
        body = await _body(request)
        confidential = body.get("kind", "confidential") == "confidential"
        if (
            not body.get("client_id")
            or not body.get("callbacks")
            or (confidential and not body.get("client_secret"))
        ):
            raise Wrong("An app has a client_id, callbacks and, unless its kind is public, a client_secret.")
        owner = self._named(body["owner"]) if "owner" in body else next(iter(self.world.people.values()))
        app = App(
            str(body["client_id"]),
            str(body["client_secret"]) if confidential else None,
            str(body.get("name", "An app")),
            tuple(map(str, body["callbacks"])),
            owner.id,
            self.world.new_id(),
        )
        self.world.keep_app(app)
        return JSONResponse({"client_id": app.client_id, "kind": _kind(app), "callbacks": app.callbacks}, 201)

    async def mint(self, request: Request) -> Response:
        """A token pair as a consent would give it; like a consent it replaces the older grant."""
        body = await _body(request)
        scope = str(body.get("scope", DEFAULT_SCOPE))
        person = self._named(body.get("username"))
        return JSONResponse(tokens.mint(self.world, self._app(body), person, scope, body.get("expires_in")))

    def _app(self, body: dict[str, Any]) -> App:
        app = self.world.apps.get(body.get("client_id", self.world.config.client_id))
        if app is None:
            raise Wrong("No app is registered under this client_id.")
        return app

    async def approve(self, request: Request) -> Response:
        """The consent page without a browser: its parameters, ``username`` and ``allow``."""
        body = await _body(request)
        ask = consent.read(self.world, {name: str(value) for name, value in body.items()})
        if not body.get("allow", True):
            return JSONResponse({"location": consent.deny(ask)})
        return JSONResponse({"location": consent.allow(self.world, ask, self._named(body.get("username")))})

    async def settings(self, _request: Request) -> Response:
        return JSONResponse(asdict(self.world.settings))

    async def change_settings(self, request: Request) -> Response:
        changes = await _body(request)
        limits.check(changes.get("limits", {}))
        self.world.settings = self.world.settings.merged(changes)
        return JSONResponse(asdict(self.world.settings))

    async def take_profile(self, request: Request) -> Response:
        """Several settings at once, by the name of what they are for."""
        self.world.settings = self.world.settings.profiled(str((await _body(request)).get("name")))
        return JSONResponse(asdict(self.world.settings))

    async def list_faults(self, _request: Request) -> Response:
        return JSONResponse({"faults": [fault.described() for fault in self.faults.rules]})

    async def add_fault(self, request: Request) -> Response:
        return JSONResponse(self.faults.add(await _body(request)).described(), 201)

    async def clear_faults(self, _request: Request) -> Response:
        self.faults.clear()
        return JSONResponse({"faults": []})

    async def drop_fault(self, request: Request) -> Response:
        self.faults.rules[:] = [rule for rule in self.faults.rules if rule.id != request.path_params["id"]]
        return JSONResponse({"faults": [fault.described() for fault in self.faults.rules]})

    async def secrets(self, _request: Request) -> Response:
        """The live tokens in plain, for tests that look for them in logs. Only when started with it."""
        if not self.world.config.reveal:
            return JSONResponse({"error": "Start the sandbox with --reveal for this."}, 404)
        return JSONResponse({"tokens": list(self.world.plain.values())})


def _asked(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit()):
        raise Wrong(f"{text!r} is not a number.")
    return int(text)


def _is_username(text: str) -> bool:
    return 0 < len(text) <= 20 and text.replace("_", "a").isalnum() and text.isascii()


def _kind(app: App) -> str:
    return "confidential" if app.confidential else "public"


def _person(world: World, username: str, body: dict[str, Any]) -> Person:
    known = world.person_named(username)
    person = known or Person(world.new_id(), username, username, created_at=world.now())
    premium = body.get("premium", person.subscription_type)
    subscription = {True: "Premium", False: "None"}.get(premium, premium)
    if subscription not in SUBSCRIPTIONS:
        raise Wrong(f"premium is true, false or one of {', '.join(SUBSCRIPTIONS)}.")
    return replace(
        person,
        name=str(body.get("name", person.name)),
        description=str(body.get("description", person.description)),
        subscription_type=subscription,
        protected=bool(body.get("protected", person.protected)),
        suspended=bool(body.get("suspended", False)),
    )

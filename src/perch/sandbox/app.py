"""The sandbox as one ASGI application: X's paths, the pages, the control plane, faults around them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from perch.sandbox import reading, writing
from perch.sandbox.api import MEDIA, READ, WRITE, Handler, Operation, endpoint, refusal
from perch.sandbox.blobs import Blobs
from perch.sandbox.config import SandboxConfig
from perch.sandbox.control import Control
from perch.sandbox.faults import Faults
from perch.sandbox.media import Uploads
from perch.sandbox.pages import Pages
from perch.sandbox.problems import no_such_path
from perch.sandbox.refreshes import Refreshes
from perch.sandbox.signing_in import SignIn
from perch.sandbox.storage import Store
from perch.sandbox.world import Forgetful, World


class Sandbox(Starlette):
    """A Starlette application with the world it plays and the faults that stand before it."""

    world: World
    faults: Faults
    blobs: Blobs
    refreshes: Refreshes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            serve = partial(self.faults.around, super().__call__)
            await self.refreshes.around(serve, scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(config: SandboxConfig | None = None) -> Sandbox:
    """A sandbox of its own state. What ``config.data`` holds is loaded here and written from the lifespan."""
    config = config or SandboxConfig()
    store = Store(config.data) if config.data else None
    world = World(config, config.settings, store or Forgetful())
    if store:
        store.load(world)
    world.people_it()
    blobs = Blobs(config.data.with_name(f"{config.data.name}.media") if config.data else None)
    faults, refreshes = Faults(world), Refreshes(world)
    pages = Pages(world, blobs)
    routes = [
        *_api(world, Uploads(blobs)),
        *_sign_in(SignIn(world, pages)),
        *Control(world, faults, blobs, refreshes).routes(),
        Route("/2/{rest:path}", _unknown(world), methods=["GET", "POST", "PUT", "DELETE", "PATCH"]),
        *_pages(pages),
    ]

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        try:
            if store:
                async with store.writing():
                    yield
            else:
                yield
        finally:
            blobs.close()

    app = Sandbox(routes=routes, lifespan=lifespan, exception_handlers={404: pages.missing})
    app.world, app.faults, app.blobs, app.refreshes = world, faults, blobs, refreshes
    return app


def _api(world: World, uploads: Uploads) -> list[Route]:
    def route(
        method: str, path: str, scopes: frozenset[str], handler: Handler, *, priced: bool = True
    ) -> Route:
        name = f"{method} {path.replace('{', ':').replace('}', '')}"
        return Route(path, endpoint(world, Operation(name, scopes, handler, priced)), methods=[method])

    return [
        route("POST", "/2/tweets", WRITE, writing.create),
        route("GET", "/2/tweets", READ, reading.posts_by_ids),
        route("GET", "/2/users/me", READ, reading.me, priced=False),
        route("GET", "/2/users/{id}/tweets", READ, reading.timeline),
        route("DELETE", "/2/tweets/{id}", WRITE, writing.delete),
        route("GET", "/2/tweets/{id}", READ, reading.post_by_id),
        route("GET", "/2/users/{id}", READ, reading.user_by_id),
        route("GET", "/2/users/by/username/{username}", READ, reading.user_by_username),
        route("POST", "/2/media/upload", MEDIA, uploads.one_shot, priced=False),
        route("GET", "/2/media/upload", MEDIA, uploads.status, priced=False),
        route("POST", "/2/media/upload/initialize", MEDIA, uploads.initialize, priced=False),
        route("POST", "/2/media/upload/{id}/append", MEDIA, uploads.append, priced=False),
        route("POST", "/2/media/upload/{id}/finalize", MEDIA, uploads.finalize, priced=False),
        route("POST", "/2/media/metadata", MEDIA, uploads.metadata),
    ]


def _sign_in(sign_in: SignIn) -> list[Route]:
    return [
        Route("/i/oauth2/authorize", sign_in.ask, methods=["GET"]),
        Route("/i/oauth2/authorize", sign_in.decide, methods=["POST"]),
        Route("/2/oauth2/token", sign_in.token, methods=["POST"]),
        Route("/2/oauth2/revoke", sign_in.revoke, methods=["POST"]),
    ]


def _unknown(world: World) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_request: Request) -> Response:
        return refusal(world, no_such_path())

    return answer


def _pages(pages: Pages) -> list[Route]:
    return [
        Route("/", pages.home),
        Route("/static/sandbox.css", pages.stylesheet),
        Route("/static/avatar/{name}.svg", pages.avatar),
        Route("/media/{key}", pages.media),
        Route("/i/status/{id}", pages.status),
        Route("/{username}", pages.profile),
        Route("/{username}/status/{id}", pages.status),
        Route("/{username}/status/{id}/{kind}/{number}", pages.status),
    ]

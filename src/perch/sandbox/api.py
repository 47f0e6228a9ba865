"""How every call of X's API is answered: who asks, may they, how often, can they pay; then the rest."""

import json
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from perch.sandbox import charging, limits
from perch.sandbox.models import App, Person
from perch.sandbox.problems import JSON, Refused, invalid, missing_scope, suspended, unauthorized
from perch.sandbox.spelling import respelled
from perch.sandbox.tokens import bearer
from perch.sandbox.world import World

READ = frozenset({"tweet.read", "users.read"})
WRITE = READ | {"tweet.write"}
MEDIA = frozenset({"media.write"})


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request."""

    world: World
    person: Person
    app: App
    request: Request

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query_params

    def path(self, name: str) -> str:
        return str(self.request.path_params[name])

    async def json(self) -> dict[str, Any]:
        """The body, which must be a JSON object."""
        if not self.request.headers.get("content-type", "").startswith("application/json"):
            raise invalid("Requests with bodies must have content-type of application/json.")
        raw = await self.request.body()
        try:
            body = json.loads(raw)
            if b"\\u" in raw:  # half a surrogate pair is JSON, but no text
                json.dumps(body, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise invalid("Request body is not valid JSON.") from error
        if not isinstance(body, dict):
            raise invalid("Request body is not valid JSON.")
        return body


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation says when it accepts."""

    body: dict[str, Any] | None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One line of X's reference: its name in the table of limits, the scopes it needs, whether it costs."""

    name: str
    scopes: frozenset[str]
    handler: Handler
    priced: bool = True


def endpoint(world: World, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
    """The operation as Starlette calls it."""

    async def answer(request: Request) -> Response:
        try:
            return await _serve(world, operation, request)
        except Refused as refused:
            return refusal(world, refused)

    return answer


async def _serve(world: World, operation: Operation, request: Request) -> Response:
    call = _authorise(world, operation, request)
    if operation.priced:
        charging.require(world, call.app)
    headers = limits.count(world, operation.name, call.person.id, call.app.client_id)
    try:
        given = await operation.handler(call)
    except Refused as refused:
        refused.headers = {**headers, **refused.headers}
        raise
    return _response(world, given.status, given.body, JSON, {**headers, **given.headers})


def _authorise(world: World, operation: Operation, request: Request) -> Call:
    known = bearer(world, request.headers.get("authorization", ""))
    if known is None:
        raise unauthorized()
    grant, person = known
    if not operation.scopes <= grant.scopes:
        raise missing_scope()
    if person.suspended:
        raise suspended()
    return Call(world, person, world.apps[grant.client_id], request)


def refusal(world: World, refused: Refused) -> Response:
    """X's refusal as a response."""
    return _response(world, refused.status, refused.body, refused.content_type, refused.headers)


def _response(
    world: World, status: int, body: Mapping[str, Any] | None, content_type: str, headers: Mapping[str, str]
) -> Response:
    if body is not None and world.settings.names == "new":
        body = respelled(body)
    headers = {"content-type": content_type, "x-transaction-id": os.urandom(8).hex(), **headers}
    if body is None:
        return Response(status_code=status, headers=headers)
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(content, status, headers)

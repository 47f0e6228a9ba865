"""How many refreshes of one grant are under way at once: whoever lets it be two loses the grant some day."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from starlette.types import Message, Receive, Scope, Send

from perch.sandbox.breaking import whole_body
from perch.sandbox.ids import fingerprint
from perch.sandbox.world import World

TOKEN_PATH = "/2/oauth2/token"  # noqa: S105 - an address


@dataclass(slots=True)
class Refreshes:
    """Counts from the first byte of a request to the last of its answer, whatever is done to it."""

    world: World
    seen: int = 0
    most_at_once: int = 0
    overlaps: int = 0
    _under_way: Counter[str] = field(default_factory=Counter)

    async def around(
        self,
        serve: Callable[[Scope, Receive, Send], Awaitable[None]],
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Serve one request of any kind."""
        if scope["path"] != TOKEN_PATH or scope["method"] != "POST":
            await serve(scope, receive, send)
            return
        body = await whole_body(receive)
        grant_id = self._grant(body)
        if grant_id:
            self._begin(grant_id)
        try:
            await serve(scope, _first(body, receive), send)
        finally:
            if grant_id:
                self._under_way[grant_id] -= 1

    def _grant(self, body: bytes) -> str | None:
        """Whose refresh this is; spent refresh tokens are known too, as long as their grant lives."""
        given = parse_qs(body.decode("latin-1")).get("refresh_token", [""])[0]
        token = self.world.tokens.get(fingerprint(given))
        return token.grant_id if token else None

    def _begin(self, grant_id: str) -> None:
        self.seen += 1
        self.overlaps += self._under_way[grant_id] > 0
        self._under_way[grant_id] += 1
        self.most_at_once = max(self.most_at_once, self._under_way[grant_id])


def _first(body: bytes, receive: Receive) -> Receive:
    """The body that was read already, and then whatever else the caller does."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again

"""Clients of X, one per server, over one pool of connections."""

import asyncio
from collections.abc import Awaitable, Collection
from typing import Any, TypeVar

import aiohttp

from perch.accounts.errors import AppAbsent
from perch.accounts.models import AppKind, XApp
from perch.x.client import XClient

T = TypeVar("T")


class XClients:
    """Gives each app the client of its own server; that client can name no other host.

    ``session`` comes from ``perch.x.client.open_session``; ``deadline`` bounds each call in seconds.
    ``kinds`` are the X's that are set up now: an account whose app was taken away stays silent.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        deadline: float = 30.0,
        kinds: Collection[AppKind] = tuple(AppKind),
    ) -> None:
        self._session = session
        self._kinds = frozenset(kinds)
        self._clients: dict[str, XClient] = {}
        self._unfinished: set[asyncio.Future[Any]] = set()
        self.deadline = deadline

    def for_app(self, app: XApp) -> XClient:
        """The client of the app's server. Raises AppAbsent when no such app is set up any more."""
        if app.kind not in self._kinds:
            raise AppAbsent(AppKind(app.kind))
        return self.at(app.api_url)

    def at(self, api_url: str) -> XClient:
        """The client of the server at this origin."""
        if api_url not in self._clients:
            self._clients[api_url] = XClient(self._session, api_url)
        return self._clients[api_url]

    async def finish(self, work: Awaitable[T]) -> T:
        """Run to its end what must not stop half-way, even when whoever waits for it goes away."""
        task = asyncio.ensure_future(work)
        self._unfinished.add(task)
        task.add_done_callback(self._unfinished.discard)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Let unfinished work end, then close the connections."""
        await asyncio.gather(*self._unfinished, return_exceptions=True)
        await self._session.close()

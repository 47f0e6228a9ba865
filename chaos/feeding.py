"""The people of a campaign: they sign in, write, and now and then change their minds."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp

from chaos.judging import Accepted
from chaos.plan import Plan, Wish, wishes
from chaos.processes import Processes
from chaos.rows import instant_ms


@dataclass(slots=True)
class People:
    """Whoever writes: their names, and Perch's tokens for them."""

    plan: Plan
    processes: Processes
    http: aiohttp.ClientSession
    tokens: dict[str, str] = field(default_factory=dict)
    accepted: dict[str, Accepted] = field(default_factory=dict)

    def name(self, number: int) -> str:
        return f"crowd_{number + 1}"

    async def sign_in_all(self) -> None:
        await self.control("POST", "crowd", {"count": self.plan.accounts, "prefix": "crowd_"})
        for number in range(self.plan.accounts):
            await self.sign_in(self.name(number))

    async def sign_in(self, username: str) -> None:
        """Try until it is done: whose answer got lost finds the sign-in spent, and presses once more."""
        for _ in range(4):
            with suppress(RuntimeError):
                await self._sign_in(username)
                return
        await self._sign_in(username)

    async def _sign_in(self, username: str) -> None:
        """The way of the small contract: begin, consent, come back with a token."""
        begun = await self._perch("GET", "/startAuth")
        asked = dict(parse_qsl(urlsplit(begun["authorization_url"]).query))
        told = await self.control("POST", "approve", {**asked, "username": username, "allow": True})
        back = urlsplit(told["location"])
        finished = await self._perch("GET", f"{back.path}?{back.query}")
        self.tokens[username] = finished["access_token"]

    async def write_all(self, may_go_on: Callable[[float], bool]) -> None:
        """All wishes, spread over the time of the kills, a few at once.

        ``may_go_on`` says whether this share of them may be written: on a slow machine kills take longer.
        """
        pause = self.plan.seconds_of_feeding / self.plan.posts
        begun, working = time.monotonic(), asyncio.Semaphore(8)
        async with asyncio.TaskGroup() as group:
            for wish in wishes(self.plan):
                await asyncio.sleep(begun + wish.number * pause - time.monotonic())
                while not may_go_on(wish.number / self.plan.posts):  # noqa: ASYNC110 - a test may ask again
                    await asyncio.sleep(0.1)
                await working.acquire()
                group.create_task(self._write(wish)).add_done_callback(lambda _: working.release())

    async def _write(self, wish: Wish) -> None:
        username = self.name(wish.account)
        due = datetime.now(UTC) + timedelta(seconds=wish.due_in)
        texts = [{"text": text} for text in wish.texts]
        said = texts[0] if len(texts) == 1 else {"thread": texts}
        body = {**said, "scheduled_at": due.isoformat() if wish.due_in else "now"}
        made = await self._as(username, "POST", "/api/v1/posts", body, key=f"wish {wish.number}")
        due_ms = instant_ms(made["due_at"]) if made.get("due_at") else 0
        accepted = Accepted(made["id"], username, wish.texts, due_ms)
        self.accepted[made["id"]] = accepted
        if wish.then == "cancel" and await self._cancel(username, made["id"]):
            self.accepted[made["id"]] = Accepted(made["id"], username, wish.texts, due_ms, is_cancelled=True)

    async def _cancel(self, username: str, public_id: str) -> bool:
        """Whether Perch said that it is cancelled. Its 409 means that the bytes may be on their way."""
        answer = await self._as(username, "POST", f"/api/v1/posts/{public_id}/cancel", refusable=True)
        return bool(answer.get("state") == "cancelled")

    async def control(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """The sandbox's control plane."""
        url = f"{self.processes.x_url}/_sandbox/{path}"
        async with self.http.request(method, url, json=body) as answer:
            answer.raise_for_status()
            told: dict[str, Any] = await answer.json()
            return told

    async def all_of(self, what: str) -> list[dict[str, Any]]:
        """Every entry of the ledger or the request log."""
        found: list[dict[str, Any]] = []
        since: object = 0
        while since is not None:
            page = await self.control("GET", f"{what}?since={since}")
            found += page["posts" if what == "ledger" else what]
            since = page["next"]
        return found

    async def _as(
        self,
        username: str,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        refusable: bool = False,
    ) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.tokens[username]}"}
        if key:
            headers["Idempotency-Key"] = key
        return await self._perch(method, path, body, headers, refusable=refusable)

    async def _perch(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        refusable: bool = False,
    ) -> dict[str, Any]:
        """Ask until there is an answer: the web may be down, or the database away, for a while."""
        until, said = time.monotonic() + 120, "no answer"
        while time.monotonic() < until:
            try:
                async with self.http.request(
                    method, self.processes.url + path, json=body, headers=headers
                ) as answer:
                    said = f"{answer.status} {await answer.text()}"
                    if answer.status < 300 or (refusable and answer.status in (409, 422)):
                        told: dict[str, Any] = json.loads(said.partition(" ")[2])
                        return told
                    if answer.status < 500 and answer.status not in (409, 429):
                        break
            except (aiohttp.ClientError, TimeoutError) as error:
                said = repr(error)
            await asyncio.sleep(0.2)
        raise RuntimeError(f"{method} {path}: {said}")

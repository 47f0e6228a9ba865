"""Programs that only send: ``python -m bench._senders bare|tweepy`` reads jobs as JSON, prints how it went.

They keep nothing, so they are the limit of what one Python process on this machine can send.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

Send = Callable[[str, str], Awaitable[None]]
"""Sends a text with a token."""


async def main(how: str, given: dict[str, Any]) -> None:
    """``jobs`` are [instant, account, token, text], sent at their instants, one at a time an account."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100)) as session:
        send = {"bare": _bare, "tweepy": _tweepy}[how](session, given["url"])
        lanes: dict[str, list[list[Any]]] = {}
        for job in sorted(given["jobs"]):
            lanes.setdefault(job[1], []).append(job)
        await asyncio.sleep(max(0.0, given["begins_at"] - time.time()))
        cpu, begun = time.process_time(), time.time()
        late = await asyncio.gather(*(_lane(send, jobs) for jobs in lanes.values()))
        seconds = time.time() - begun
    lateness = sorted(one for lane in late for one in lane)
    report = {
        "seconds": seconds,
        "cpu": time.process_time() - cpu,
        "p99": lateness[len(lateness) * 99 // 100],
    }
    print(json.dumps(report))


async def _lane(send: Send, jobs: list[list[Any]]) -> list[float]:
    late = []
    for at, _, token, text in jobs:
        await asyncio.sleep(max(0.0, at - time.time()))
        await send(token, text)
        late.append(time.time() - at)
    return late


def _bare(session: aiohttp.ClientSession, url: str) -> Send:
    async def send(token: str, text: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        async with session.post(f"{url}/2/tweets", json={"text": text}, headers=headers) as answer:
            assert answer.status == 201, await answer.text()
            await answer.json()

    return send


def _tweepy(session: aiohttp.ClientSession, url: str) -> Send:
    from tweepy.asynchronous import AsyncClient

    class ToTheSandbox:
        """Carries what is meant for X to the sandbox."""

        def request(self, method: str, address: str, **kwargs: Any) -> Any:
            return session.request(method, address.replace("https://api.twitter.com", url), **kwargs)

    clients: dict[str, Any] = {}

    async def send(token: str, text: str) -> None:
        client = clients.get(token)
        if client is None:
            client = clients[token] = AsyncClient(token)
            client.session = ToTheSandbox()
        await client.create_tweet(text=text, user_auth=False)

    return send


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], json.load(sys.stdin)))

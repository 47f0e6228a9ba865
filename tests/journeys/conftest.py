"""A whole Perch as people run it: ``perch up`` in a process of its own, the sandbox its child."""

import asyncio
import os
import re
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

FORM = {"Sec-Fetch-Site": "same-origin"}
_TICKET = re.compile(r'name="(ticket)" value="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Site:
    """Where Perch and its sandbox are, and the processes behind them."""

    url: str
    x_url: str
    data: Path
    process: asyncio.subprocess.Process

    def browser(self) -> aiohttp.ClientSession:
        """A browser of its own: its cookies are nobody else's."""
        return aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def sign_in(self, browser: aiohttp.ClientSession, username: str) -> None:
        """The way of a person: press the button, choose who to be, allow, and come back."""
        async with browser.get(f"{self.url}/login/x", params={"zone": "Europe/Berlin"}) as answer:
            page = await answer.text()
            authorize = answer.url
        fields = dict(_TICKET.findall(page))
        person = await self.person_id(browser, username)
        form = {**fields, "person": person, "decision": "allow"}
        async with browser.post(authorize, data=form, headers=FORM) as answer:
            assert str(answer.url).startswith(self.url), await answer.text()
            assert answer.status == 200

    async def person_id(self, browser: aiohttp.ClientSession, username: str) -> str:
        async with browser.get(f"{self.x_url}/_sandbox/people") as answer:
            people = (await answer.json())["people"]
        return next(person["id"] for person in people if person["username"] == username)


def free_port_pair() -> int:
    """A free port whose successor is free too."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """``perch up`` on free ports, everybody welcome."""
    port = free_port_pair()
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "PERCH_PORT": str(port),
        "PERCH_DATA_DIR": str(tmp_path / "data"), "PERCH_SIGN_IN": "open", "PERCH_LOG_LEVEL": "warning",
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "perch", "up", cwd=tmp_path, env=environment, stdin=asyncio.subprocess.DEVNULL
    )
    here = Site(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}", tmp_path / "data", process)
    try:
        await _until_ready(here)
        yield here
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 30)


async def _until_ready(site: Site) -> None:
    async with asyncio.timeout(60), aiohttp.ClientSession() as http:
        while True:
            try:
                async with http.get(f"{site.url}/readyz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                assert site.process.returncode is None, "perch up ended"
            await asyncio.sleep(0.1)

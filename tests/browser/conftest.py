"""A real ``perch up`` with its sandbox, and a real Chromium in front of it."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from perch.web.static_files import BUILT

AXE = Path(__file__).parents[2] / "assets/node_modules/axe-core/axe.min.js"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
)  # fmt: skip
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@dataclass(frozen=True, slots=True)
class Up:
    """Where the running Perch and its sandbox are."""

    perch: str
    x: str


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    if not (BUILT / "manifest.json").exists():
        pytest.skip("the assets are not built: run make install")
    data = tmp_path_factory.mktemp("up")
    web, x = _free_ports(2)
    settings = {
        "PERCH_PORT": str(web), "PERCH_SANDBOX_PORT": str(x), "PERCH_DATA_DIR": str(data),
        "PERCH_SIGN_IN": "open", "PERCH_LOG_LEVEL": "warning",
    }  # fmt: skip
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PERCH_")}
    with (data / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", "from perch.cli import main; main()", "up"],
            env={**inherited, **settings}, cwd=data, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _until_ready(f"http://127.0.0.1:{web}/readyz", process, data / "log")
        yield Up(f"http://127.0.0.1:{web}", f"http://127.0.0.1:{x}")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    # Not for the whole session: Playwright keeps an event loop in this thread, and others need their own.
    path = os.environ.get("CHROMIUM") or "/usr/bin/chromium"
    if not shutil.which(path):
        pytest.skip(f"no Chromium at {path}: install it, or name one in CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


Visit = Callable[..., Page]


@pytest.fixture
def visit(chromium: Browser, up: Up) -> Iterator[Visit]:
    """Opens a browser of its own on Perch. Whatever it complains about fails the test in the end."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_(**options: Any) -> Page:
        wanted: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}, **options}
        context = chromium.new_context(base_url=up.perch, timezone_id="Europe/Berlin", **wanted)
        contexts.append(context)
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.on("console", lambda message: _note(message, complaints))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def sign_in() -> Callable[[Page, str], None]:
    def through_x(page: Page, name: str = "Ada") -> None:
        page.goto("/")
        page.get_by_role("link", name="Sign in with X").click()
        page.get_by_text(f"{name} of the sandbox").click()
        page.get_by_role("button", name="Authorize app").click()
        page.get_by_role("heading", name="Queue").wait_for()

    return through_x


@pytest.fixture
def axe() -> Callable[[Page], list[str]]:
    """What is wrong with a page for people who cannot see it, use no mouse, or need contrast."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: run make install")
    source = AXE.read_text(encoding="utf-8")

    def check(page: Page) -> list[str]:
        page.evaluate(source)
        found = page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
        return [
            f"{problem['id']}: {node['html']} {node['failureSummary']}"
            for problem in found["violations"]
            for node in problem["nodes"]
        ]

    return check


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A picture of 640 by 400 pixels."""
    path = tmp_path / "lake.png"
    Image.new("RGB", (640, 400), "teal").save(path)
    return path


def _note(message: ConsoleMessage, complaints: list[str]) -> None:
    # A refused form answers with 4xx on purpose, and Chromium tells every such answer as an error.
    if message.type in {"error", "warning"} and not re.search(r"status of 4\d\d", message.text):
        complaints.append(message.text)


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def _until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(300):
        assert process.poll() is None, log.read_text(encoding="utf-8")
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"perch up was not ready in time:\n{log.read_text(encoding='utf-8')}")

"""Facts that the documents state and the code decides: prices, states, layers, events, the sandbox."""

import re
import tomllib
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

from perch.budget.prices import price_of_post
from perch.people.models import Role
from perch.sandbox.app import create_app
from perch.sandbox.config import Settings as SandboxSettings
from perch.sandbox.faults import ACTIONS
from perch.settings import Plan
from perch.web.states import MEANINGS

Read = Callable[[str], str]
Rows = Callable[[str], list[list[str]]]


def _first_cells(rows: list[list[str]]) -> set[str]:
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row[0])}


def test_the_readme_says_what_a_post_costs_today(read: Read) -> None:
    today = datetime.now(UTC).date()
    prices = [price_of_post(has_url=link, at=today, plan=Plan.PAY_PER_USE).show() for link in (False, True)]
    assert "{}, and {} when the post holds a link".format(*prices) in " ".join(read("README.md").split())


def test_the_readme_asks_for_the_python_that_the_package_asks_for(read: Read) -> None:
    wanted = tomllib.loads(read("pyproject.toml"))["project"]["requires-python"]
    assert f"Python {wanted.removeprefix('>=')} or newer" in " ".join(read("README.md").split())


def test_the_glossary_has_every_word_for_a_state_and_every_role(rows: Rows) -> None:
    words = {row[0] for row in rows("docs/glossary.md")}
    assert {state.word for state, _ in MEANINGS} | set(Role) <= words


def test_the_architecture_draws_the_layers_that_are_enforced(read: Read) -> None:
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    drawn = re.search(r"`(cli > [^`]+)`", read("docs/architecture.md"))
    assert drawn is not None
    assert " ".join(drawn[1].split()) == " > ".join(layers)


def test_every_room_is_on_the_map(read: Read, root: Path) -> None:
    source = root / "src/perch"
    rooms = {path.name for path in source.iterdir() if (path / "__init__.py").exists()}
    rooms |= {path.name for path in source.glob("*.py") if not path.name.startswith("__")}
    table = read("docs/architecture.md").split("### ")[0]
    assert {room for room in rooms if f"`{room}`" not in table} == set()


def test_the_events_to_watch_for_are_logged(rows: Rows, root: Path) -> None:
    named = {
        event for event in _first_cells(rows("docs/operations.md")) if re.fullmatch(r"[a-z]+_[a-z_]+", event)
    }
    source = "".join(path.read_text(encoding="utf-8") for path in (root / "src/perch").rglob("*.py"))
    assert len(named) >= 5
    assert {event for event in named if f'"{event}"' not in source} == set()


def test_the_sandbox_page_has_every_switch_fault_and_call(rows: Rows, read: Read) -> None:
    named = _first_cells(rows("docs/sandbox.md"))
    switches = {field.name for field in fields(SandboxSettings)}
    assert switches | set(ACTIONS) <= named
    assert {name for name in named if re.fullmatch(r"[a-z_]+", name)} == switches | set(ACTIONS)
    paths = {str(getattr(route, "path", "")) for route in create_app().routes}
    text = read("docs/sandbox.md").replace("{id}", "{id:int}")
    assert {path for path in paths if path.startswith("/_sandbox/") and path not in text} == set()

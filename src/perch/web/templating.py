"""Jinja2, set up once: everything is escaped, and a name that a view does not have is an error."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from perch.web.static_files import Built

TEMPLATES = Path(__file__).parent / "templates"


def environment(built: Built) -> Environment:
    """The environment of all pages."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["static"] = built.address
    return made


class Templates:
    """Renders a page from its frame and its view."""

    def __init__(self, built: Built) -> None:
        self._environment = environment(built)

    def render(self, name: str, values: Mapping[str, Any]) -> str:
        return self._environment.get_template(name).render(values)

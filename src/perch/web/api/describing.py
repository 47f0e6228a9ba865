"""The description of the REST face: OpenAPI 3.1 for programs, the same as one plain page for people."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from jinja2 import FileSystemLoader
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.routing import BaseRoute

from perch.web.api import answers
from perch.web.api.orders import IDEMPOTENCY_KEY, NewPost
from perch.web.api.problems import Problem
from perch.web.errors import PROBLEM_JSON
from perch.web.frame import Frame
from perch.web.static_files import Built
from perch.web.templating import TEMPLATES, environment

PREFIX = "/api/v1"
_SCHEMAS = "#/components/schemas"
_INTRODUCTION = (
    "Publish to X through Perch. Send an API token as “Authorization: Bearer perch_…”. Every refusal is"
    f" {PROBLEM_JSON} with a stable code, a sentence, and where there is one the broken rule and what to do."
)
REFUSALS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Refused, with a reason.",
        "content": {PROBLEM_JSON: {"schema": {"$ref": f"{_SCHEMAS}/{Problem.__name__}"}}},
    }
}


IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of the answer that was read.",
    "schema": {"type": "string"},
}
_bodies: dict[str, type[BaseModel]] = {}


def with_body(model: type[BaseModel], *parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The body is read by our own hands, with a cap and named faults, so FastAPI cannot see it."""
    _bodies[model.__name__] = model
    content = {"application/json": {"schema": {"$ref": f"{_SCHEMAS}/{model.__name__}"}}}
    body = {"requestBody": {"required": True, "content": content}}
    return {"openapi_extra": {**body, "parameters": list(parameters)} if parameters else body}


WITH_A_NEW_POST: dict[str, Any] = {
    "response_model": answers.Post,
    "responses": {
        200: {"model": answers.DryRun, "description": "A dry run: nothing was written."},
        201: {"description": "The post, new or remembered."},
    },
    "openapi_extra": {
        **with_body(NewPost)["openapi_extra"],
        "parameters": [
            {
                "name": IDEMPOTENCY_KEY,
                "in": "header",
                "required": False,
                "description": "Makes a repeated request harmless for 7 days.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            }
        ],
    },
}
_environment = environment(Built()).overlay(loader=FileSystemLoader([Path(__file__).parent, TEMPLATES]))


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of a body: what it is called, what it holds."""

    name: str
    shape: str
    description: str


@dataclass(frozen=True, slots=True)
class Answer:
    """``body`` names a shape, and is empty where there is none."""

    status: str
    description: str
    body: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing a program can ask for."""

    method: str
    path: str
    summary: str
    description: str
    parameters: tuple[Field, ...]
    body: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """A body that is sent or answered."""

    name: str
    description: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Docs:
    """Everything on the page."""

    version: str
    introduction: str
    operations: tuple[Operation, ...]
    shapes: tuple[Shape, ...]


def describe(routes: Sequence[BaseRoute], origin: str) -> dict[str, Any]:
    """The OpenAPI document of these routes."""
    document = get_openapi(
        title="Perch", version="1", description=_INTRODUCTION, routes=routes, servers=[{"url": origin}]
    )
    _, more = models_json_schema(
        [*((body, "validation") for body in _bodies.values()), (Problem, "serialization")],
        ref_template=f"{_SCHEMAS}/{{model}}",
    )
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(more["$defs"])
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}]
    return document


def page(frame: Frame, document: Mapping[str, Any]) -> Response:
    """The document as a page, in the frame of all others."""
    values = {"frame": frame, "view": view(document)}
    return HTMLResponse(_environment.get_template("docs.html").render(values))


def view(document: Mapping[str, Any]) -> Docs:
    """What the page shows of the document."""
    return Docs(
        version=document["info"]["version"],
        introduction=document["info"]["description"],
        operations=tuple(
            _operation(method, path, said)
            for path, methods in document["paths"].items()
            for method, said in methods.items()
        ),
        shapes=tuple(
            Shape(name, schema.get("description", ""), tuple(_fields(schema)))
            for name, schema in sorted(document["components"]["schemas"].items())
        ),
    )


def _operation(method: str, path: str, said: Mapping[str, Any]) -> Operation:
    return Operation(
        method=method.upper(),
        path=path,
        summary=said["summary"],
        description=said.get("description", ""),
        parameters=tuple(
            Field(one["name"], f"{_kind(one['schema'])} in the {one['in']}", one.get("description", ""))
            for one in said.get("parameters", ())
        ),
        body=_named(said.get("requestBody", {})),
        answers=tuple(
            Answer(status, answer["description"], _named(answer))
            for status, answer in sorted(said["responses"].items())
        ),
    )


def _fields(schema: Mapping[str, Any]) -> Iterator[Field]:
    for name, said in schema.get("properties", {}).items():
        yield Field(name, _kind(said), said.get("description", ""))


def _kind(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(_kind(kind) for kind in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    return str(schema.get("format") or schema.get("type", "anything"))


def _named(message: Mapping[str, Any]) -> str:
    """The name of the shape of a body."""
    content = message.get("content", {})
    return next((kind["schema"].get("$ref", "").rpartition("/")[2] for kind in content.values()), "")

"""Every request against X's own OpenAPI description: path, method, parameters and body."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from python_multipart.multipart import Field, File, parse_form

from perch.x.media import (
    AppendSegment,
    DescribeMedia,
    FinalizeUpload,
    InitializeUpload,
    MediaCategory,
    UploadOnce,
    UploadStatus,
)
from perch.x.posts import CreatePost, DeletePost, FieldsParam, LookUpPosts, OwnTimeline, Poll, ReplySettings
from perch.x.users import Me
from perch.x.wire import Operation, Request

pytestmark = pytest.mark.conformance

OPENAPI = Path(__file__).parents[2] / os.environ.get("SHARED", "../shared") / "x-openapi.json"

OPERATIONS: tuple[Operation[object], ...] = (
    CreatePost("Hi"),
    CreatePost("Hi", media_ids=("1", "2"), tagged_user_ids=("3",), reply_settings=ReplySettings.VERIFIED),
    CreatePost("Hi", reply_to="1", exclude_reply_user_ids=("3",), made_with_ai=True, paid_partnership=True),
    CreatePost("a or b?", poll=Poll(("a", "b"), 60), community_id="7", share_with_followers=True),
    CreatePost("Hi", quote_of="1"),
    DeletePost("1"),
    LookUpPosts(("1", "2"), fields_param=FieldsParam.POST),
    OwnTimeline("1", "2", "3", 5, "token", fields_param=FieldsParam.POST),
    Me(),
    UploadOnce(b"x", MediaCategory.GIF),
    InitializeUpload("video/mp4", 1, MediaCategory.VIDEO),
    AppendSegment("1", 999, b"x"),
    FinalizeUpload("1"),
    UploadStatus("1"),
    DescribeMedia("1", "a fish"),
)


@pytest.fixture(scope="module")
def openapi() -> Mapping[str, Any]:
    if not OPENAPI.is_file():
        pytest.skip(f"X's OpenAPI description is not at {OPENAPI} (set SHARED)")
    document: Mapping[str, Any] = json.loads(OPENAPI.read_text())
    return document


def described(openapi: Mapping[str, Any], request: Request) -> Mapping[str, Any]:
    """What X says about the operation behind this request; literal paths come before templates."""
    for path, methods in sorted(openapi["paths"].items(), key=lambda item: "{" in item[0]):
        if (
            re.fullmatch(re.sub(r"\{\w+\}", "[0-9]+", path), request.path)
            and request.method.lower() in methods
        ):
            found: Mapping[str, Any] = methods[request.method.lower()]
            return found
    raise AssertionError(f"X knows no {request.method} {request.path}")


def parameters(openapi: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for parameter in operation.get("parameters", []):
        name = parameter.get("$ref", "").rpartition("/")[2]
        yield openapi["components"]["parameters"][name] if name else parameter


def body_of(request: Request) -> dict[str, object]:
    if request.content_type == "application/json":
        document: dict[str, object] = json.loads(request.content or b"")
        return document
    form: dict[str, object] = {}

    def on_field(field: Field) -> None:
        value = (field.value or b"").decode()
        form[(field.field_name or b"").decode()] = int(value) if value.isdigit() else value

    def on_file(file: File) -> None:
        form[(file.field_name or b"").decode()] = "bytes"

    headers = {"Content-Type": (request.content_type or "").encode()}
    parse_form(headers, BytesIO(request.content or b""), on_field, on_file)
    return form


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: type(operation).__name__)
def test_every_parameter_is_one_that_x_describes(
    openapi: Mapping[str, Any], operation: Operation[object]
) -> None:
    request = operation.request()
    known = {parameter["name"]: parameter for parameter in parameters(openapi, described(openapi, request))}

    for name, value in request.query:
        schema = known[name]["schema"]
        listed = value.split(",") if schema.get("type") == "array" else value
        typed = int(value) if schema.get("type") == "integer" else listed
        Draft202012Validator({**schema, "components": openapi["components"]}).validate(typed)
    required = {name for name, parameter in known.items() if parameter.get("required")}
    assert {name for name in required if known[name]["in"] == "query"} <= dict(request.query).keys()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: type(operation).__name__)
def test_every_body_is_one_that_x_describes(openapi: Mapping[str, Any], operation: Operation[object]) -> None:
    request = operation.request()
    content = described(openapi, request).get("requestBody", {}).get("content", {})

    if request.content is None:
        assert not content
        return
    media_type = (request.content_type or "").partition(";")[0]
    schema = {**content[media_type]["schema"], "components": openapi["components"]}
    Draft202012Validator(schema).validate(body_of(request))

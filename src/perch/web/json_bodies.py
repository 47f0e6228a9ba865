"""JSON bodies of machines: read with a cap, decoded strictly, refused in a sentence that names the field."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationError

from perch.errors import PerchError

MOST_BYTES = 1_000_000
_LONGEST_NAME = 60
Body = TypeVar("Body", bound="JsonBody")


class JsonBody(BaseModel):
    """A body whose fields are all known and of the very types that are written down."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field; ``field`` is its path, such as ``thread.0.text``."""

    field: str
    sentence: str


class NotJson(PerchError):
    """The body cannot be read as JSON."""

    code = "not_json"
    status = 400


class WrongContentType(PerchError):
    """The body is announced as something else than JSON."""

    code = "wrong_content_type"
    status = 415


class BodyTooLarge(PerchError):
    """More bytes than any honest request has."""

    code = "body_too_large"
    status = 413


class BodyRefused(PerchError):
    """JSON, but not what is expected. ``faults`` are all of them, the first one speaks."""

    code = "invalid_request"
    status = 422

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(faults[0].sentence)
        self.faults = tuple(faults)


async def read_json(request: Request, model: type[Body]) -> Body:
    """The request's body. Raises WrongContentType, BodyTooLarge, NotJson and BodyRefused."""
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if said != "application/json":
        raise WrongContentType(
            "The body must be JSON, and say so.", fix="Send the header Content-Type: application/json."
        )
    return decode(await _bytes(request), model)


def decode(body: bytes, model: type[Body]) -> Body:
    """The body as a value. Lone surrogates and endless nesting are no JSON here (RFC 8259, 8.2 and 9)."""
    try:
        found = model.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        if problems[0]["type"] == "json_invalid":
            why = problems[0]["msg"].removeprefix("Invalid JSON: ")
            raise NotJson(f"The body is not JSON: {why}.") from None
        raise BodyRefused([_fault(one) for one in problems if not _is_outdone(one, problems)]) from None
    if b"\\u0000" in body and (where := _with_nul(found.model_dump())) is not None:
        raise BodyRefused([Fault(where, f"{where or 'The body'} contains a NUL character; leave it out.")])
    return found


async def _bytes(request: Request) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > MOST_BYTES:
        raise _too_large()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise _too_large()
    return bytes(body)


def _too_large() -> BodyTooLarge:
    return BodyTooLarge("A body may have a million bytes at most.", fix="Send less at once.")


def _is_outdone(problem: Any, problems: Sequence[Any]) -> bool:
    """A value of two kinds fails as both: what is wrong inside of one says more than not being the other."""
    *above, last = problem["loc"] or ("",)
    inside = len(above) + 2
    return _is_kind(last) and any(
        len(other["loc"]) >= inside and other["loc"][: len(above)] == tuple(above) for other in problems
    )


def _is_kind(part: object) -> bool:
    """Whether a part of a path is one of the kinds a value may be of: fields have small letters."""
    return part == "str" or str(part)[:1].isupper()


def _path(problem: Any) -> str:
    *above, last = problem["loc"] or ("",)
    is_named = problem["type"] == "extra_forbidden" or not _is_kind(last)
    parts = [*(part for part in above if not _is_kind(part)), *([last] if is_named else [])]
    return ".".join(str(part)[:_LONGEST_NAME] for part in parts)


def _fault(problem: Any) -> Fault:
    field = _path(problem)
    match problem["type"]:
        case "extra_forbidden":
            return Fault(field, f"There is no field {field!r} here.")
        case "missing":
            return Fault(field, f"The field {field!r} is missing.")
        case _ if not field:
            return Fault(field, "The body must be a JSON object.")
        case _:
            return Fault(field, f"The field {field!r} is wrong: {_lower(problem['msg'])}.")


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]


def _with_nul(value: object, path: str = "") -> str | None:
    """The path of the first text with a NUL, which PostgreSQL can store in no column."""
    match value:
        case str():
            return path if "\0" in value else None
        case dict() | list() | tuple():
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            found = (_with_nul(inner, f"{path}.{name}".lstrip(".")) for name, inner in pairs)
            return next((where for where in found if where is not None), None)
        case _:
            return None

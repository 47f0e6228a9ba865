"""Refusals as RFC 9457 problem details, whatever went wrong."""

from collections.abc import Callable, Coroutine, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from perch.errors import PerchError
from perch.posts.errors import RuleBroken
from perch.posts.findings import Finding
from perch.web.callers import headers_of
from perch.web.errors import PROBLEM_JSON
from perch.web.json_bodies import BodyRefused, Fault

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Remark(BaseModel):
    """One thing to know of a post: rule is a stable id, position the card, counted from 0."""

    rule: str | None
    position: int
    detail: str
    fix: str | None


class FieldFault(BaseModel):
    """One field of the request that cannot be used."""

    field: str
    detail: str


class Problem(BaseModel):
    """RFC 9457, with a stable code, the broken rule and the one next action as fix."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    rule: str | None = None
    fix: str | None = None
    errors: list[Remark] | list[FieldFault] | None = None


class ProblemRoute(APIRoute):
    """A route whose refusals carry everything that is known of them."""

    def get_route_handler(self) -> Handler:
        handler = super().get_route_handler()

        async def telling(request: Request) -> Response:
            try:
                return await handler(request)
            except PerchError as error:
                return answer(error)
            except RequestValidationError as error:
                return answer(BodyRefused([_fault(found) for found in error.errors()]))

        return telling


def answer(error: PerchError) -> Response:
    """The problem document of an error."""
    document = Problem(
        type="about:blank",
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        detail=error.sentence,
        code=error.code,
        rule=error.rule,
        fix=error.fix,
        errors=_errors(error),
    )
    return JSONResponse(
        document.model_dump(exclude_none=True),
        error.status,
        headers=headers_of(error),
        media_type=PROBLEM_JSON,
    )


def remarks(findings: Sequence[Finding]) -> list[Remark]:
    """Findings as they are answered."""
    return [
        Remark(rule=found.rule, position=found.position, detail=found.sentence, fix=found.fix)
        for found in findings
    ]


def _errors(error: PerchError) -> list[Remark] | list[FieldFault] | None:
    match error:
        case RuleBroken(findings=findings):
            return remarks(findings)
        case BodyRefused(faults=faults):
            return [FieldFault(field=fault.field, detail=fault.sentence) for fault in faults]
        case _:
            return None


def _fault(found: Any) -> Fault:
    name = str(found["loc"][-1])
    return Fault(name, f"The parameter {name!r} is wrong: {found['msg'][:1].lower()}{found['msg'][1:]}.")

"""X's refusals: their status, their words, their shape."""

from collections.abc import Mapping
from typing import Any

JSON = "application/json; charset=utf-8"
PROBLEM_JSON = "application/problem+json"
PROBLEMS = "https://api.twitter.com/2/problems/"


class Refused(Exception):
    """An answer of X that is not the one asked for. ``body`` None means an empty one, as X's edge sends."""

    def __init__(
        self,
        status: int,
        body: Mapping[str, Any] | None,
        *,
        content_type: str = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = dict(headers or {})


def unauthorized() -> Refused:
    """One body for expired, revoked and malformed tokens; no rate-limit headers go with it."""
    body = {"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"}
    return Refused(401, body, content_type=PROBLEM_JSON)


def forbidden(detail: str) -> Refused:
    """A 403 with X's sentence."""
    return Refused(403, {"detail": detail, "type": "about:blank", "title": "Forbidden", "status": 403})


def missing_scope() -> Refused:
    """The generic 403. That a missing scope gets exactly this one is known from observation only."""
    body = {"title": "Forbidden", "type": "about:blank", "status": 403, "detail": "Forbidden"}
    return Refused(403, body, content_type=PROBLEM_JSON)


def suspended() -> Refused:
    """The 403 for everything a suspended person asks."""
    return Refused(
        403,
        {
            "detail": "The user used for authentication is suspended",
            "title": "Forbidden",
            "status": 403,
            "type": f"{PROBLEMS}user-suspended",
        },
    )


def not_permitted() -> Refused:
    """X's one sentence for too long a text, a restricted account and much else."""
    return forbidden("You are not permitted to perform this action.")


def invalid(message: str, parameters: Mapping[str, list[str]] | None = None) -> Refused:
    """A 400 that names what was wrong with the request."""
    error: dict[str, Any] = {"parameters": dict(parameters)} if parameters else {}
    error["message"] = message
    return Refused(
        400,
        {
            "errors": [error],
            "title": "Invalid Request",
            "detail": "One or more parameters to your request was invalid.",
            "type": f"{PROBLEMS}invalid-request",
        },
    )


def bad_media_ids(ids: list[str]) -> Refused:
    """Unknown, unfinished, expired, foreign or ill-mixed media: one answer for all."""
    return invalid("Your media IDs are invalid.", {"media.media_ids": ids})


def not_found(kind: str, parameter: str, value: str) -> dict[str, Any]:
    """A partial error: it comes with 200, beside whatever was found."""
    return {
        "value": value,
        "detail": f"Could not find {kind} with {parameter}: [{value}].",
        "title": "Not Found Error",
        "resource_type": kind,
        "parameter": parameter,
        "resource_id": value,
        "type": f"{PROBLEMS}resource-not-found",
    }


def no_such_path() -> Refused:
    """A path that X does not have."""
    body = {"title": "Not Found", "type": "about:blank", "status": 404, "detail": "Not Found"}
    return Refused(404, body, content_type=PROBLEM_JSON)


def too_many(headers: Mapping[str, str]) -> Refused:
    """No full recording of this answer exists; the body is the one that issue threads quote."""
    body = {"title": "Too Many Requests", "detail": "Too Many Requests", "type": "about:blank", "status": 429}
    return Refused(429, body, headers=headers)


def out_of_credits(account_id: str) -> Refused:
    """The 402 of an app without money."""
    return Refused(
        402,
        {
            "title": "CreditsDepleted",
            "detail": f"Your enrolled account [{account_id}] "
            "does not have any credits to fulfill this request.",
            "type": f"{PROBLEMS}credits",
        },
    )


def oauth(status: int, error: str, description: str) -> Refused:
    """The errors of the token endpoint (RFC 6749 section 5.2)."""
    return Refused(status, {"error": error, "error_description": description}, content_type=JSON)

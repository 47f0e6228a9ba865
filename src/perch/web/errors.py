"""How a refusal is told: a page to people, problem+json to the API, the small contract's JSON to GPTs."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

from sqlalchemy.exc import DBAPIError
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from perch.errors import PerchError
from perch.people.errors import NotSignedIn
from perch.web.rendering import anonymous, page

PROBLEM_JSON = "application/problem+json"
_SMALL_CONTRACT = ("/startAuth", "/postTweet", "/gpt/")


class Face(StrEnum):
    """Who reads the answers of a path."""

    PAGE = "page"
    API = "api"
    GPT = "gpt"


class Forged(PerchError):
    """An unsafe request without the token that only our own pages know."""

    code = "forged"
    status = 403

    def __init__(self) -> None:
        super().__init__(
            "This form is no longer good, so nothing was done.",
            fix="Go back, load the page again, and send it once more.",
        )


class Unreadable(PerchError):
    """A field holds what cannot be kept or sent as text."""

    code = "unreadable"
    status = 422


class NoSuchPage(PerchError):
    """No route has this path."""

    code = "not_found"
    status = 404


class WrongMethod(PerchError):
    """The path exists, the method does not."""

    code = "method_not_allowed"
    status = 405


class NoDatabase(PerchError):
    """The database takes nothing just now: its disk is full, or it is being restarted."""

    code = "database_unavailable"
    status = 503

    @classmethod
    def after(cls, error: Exception) -> "NoDatabase":
        """A connection that broke may have taken what was asked for; a database that refuses has not."""
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            return cls(
                "The connection to the database broke, so this may or may not have been done.",
                fix="Look in the queue before you try again.",
            )
        return cls(
            "Perch cannot use its database just now, so nothing was done.",
            fix="Try again in a minute; if it lasts, the operator looks for a full disk and at the log.",
        )


class Unforeseen(PerchError):
    """A mistake of ours."""

    code = "internal_error"
    status = 500


@dataclass(frozen=True, slots=True)
class Action:
    """The one next thing to do. ``zone``: the link is a sign-in and wants the browser's time zone."""

    href: str
    word: str
    zone: bool = False


@dataclass(frozen=True, slots=True)
class ProblemView:
    """What went wrong, what it means, what to do."""

    title: str
    sentence: str
    fix: str
    action: Action
    reference: str = ""


_TITLES = {
    "not_found": "There is nothing here",
    "cross_site": "Refused",
    "forged": "This form is too old",
    "consent_denied": "Sign-in was cancelled",
    "state_expired": "This sign-in has expired",
    "state_spent": "This sign-in was used already",
    "state_unknown": "This sign-in is unknown",
    "other_browser": "Another browser began this",
    "not_invited": "You are not invited yet",
    "not_allowed": "You may not do that",
    "x_unavailable": "X does not answer",
    "x_app_broken": "X refuses this app",
    "internal_error": "Something broke here",
}  # fmt: skip
SIGN_IN = Action("/login/x", "Sign in with X", zone=True)
HOME = Action("/", "To the queue")


def face_of(path: str) -> Face:
    """Who reads this path's answers."""
    if path.startswith("/api/"):
        return Face.API
    return Face.GPT if path.startswith(_SMALL_CONTRACT) else Face.PAGE


def answer(
    request: Request, error: PerchError, *, reference: str = "", action: Action | None = None
) -> Response:
    """The refusal in the shape that this path's readers expect."""
    match face_of(request.url.path):
        case Face.API:
            return problem(error)
        case Face.GPT:
            return small(error)
        case Face.PAGE:
            if prefers_json(request):
                return problem(error)
            if isinstance(error, NotSignedIn) and request.method in {"GET", "HEAD"}:
                return reload() if "hx-request" in request.headers else to_welcome(request)
            return html(request, error, reference=reference, action=action)


def problem(error: PerchError) -> Response:
    """RFC 9457."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.sentence,
        "code": error.code,
    }
    body |= {name: value for name, value in (("rule", error.rule), ("fix", error.fix)) if value}
    return JSONResponse(body, status_code=error.status, headers=_retry(error), media_type=PROBLEM_JSON)


def small(error: PerchError) -> Response:
    """The shape that custom GPTs know."""
    sentence = f"{error.sentence} {error.fix}" if error.fix else error.sentence
    return JSONResponse(
        {"error": error.code, "message": sentence}, status_code=error.status, headers=_retry(error)
    )


def html(
    request: Request, error: PerchError, *, reference: str = "", action: Action | None = None
) -> HTMLResponse:
    """A page with one thing to do."""
    frame = getattr(request.state, "frame", None) or anonymous(request)
    view = ProblemView(
        title=_TITLES.get(error.code) or HTTPStatus(error.status).phrase,
        sentence=error.sentence,
        fix=error.fix or "",
        action=action or (HOME if frame.person else SIGN_IN),
        reference=reference,
    )
    return page(request, "problem.html", frame, view, status=error.status)


def to_welcome(request: Request) -> Response:
    """The way in for a stranger, and back here afterwards."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/?next={quote(quoted_path(request) + query, safe='/')}", status_code=303)


def reload() -> Response:
    """For a part of a page that is fetched by script: the whole page has to be asked for again."""
    return Response(status_code=401, headers={"HX-Refresh": "true"})


def prefers_json(request: Request) -> bool:
    """Whether the client asked for JSON and not for a page."""
    accepted = request.headers.get("accept", "")
    return "json" in accepted and "text/html" not in accepted


def quoted_path(request: Request) -> str:
    """The request's path as it may stand in a Location header; never one that names another host."""
    path = quote(cast(str, request.scope["path"]), safe="/:@!$&'()*+,;=-._~")
    return f"/{path.lstrip('/')}"


def _retry(error: PerchError) -> Mapping[str, str]:
    seconds = getattr(error, "retry_after_seconds", None)
    return {"Retry-After": str(seconds)} if seconds else {}

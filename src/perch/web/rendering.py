"""From a view to an answer: which frame a request gets, and the page inside it."""

from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse

from perch.people.sessions import Visitor
from perch.settings import Settings
from perch.web.cookies import THEME
from perch.web.frame import Frame, known_theme
from perch.web.templating import Templates


def frame_for(request: Request, visitor: Visitor | None) -> Frame:
    """The frame of this request; strangers see no rail."""
    settings: Settings = request.app.state.perch.settings
    return Frame(
        path=request.url.path,
        person=visitor.name if visitor else "",
        csrf_token=visitor.csrf_token if visitor else "",
        theme=known_theme(request.cookies.get(THEME)),
        sandbox_in_use=settings.runs_sandbox and not settings.is_live,
    )


def anonymous(request: Request) -> Frame:
    """The frame where it is not known, or does not matter, who is asking."""
    return frame_for(request, None)


def page(request: Request, template: str, frame: Frame, view: Any, *, status: int = 200) -> HTMLResponse:
    """A whole page, or a piece of one."""
    templates: Templates = request.app.state.templates
    return HTMLResponse(
        templates.render(template, {"frame": frame, "view": view, "oob": False}), status_code=status
    )

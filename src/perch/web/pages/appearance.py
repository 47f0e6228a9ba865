"""How the pages are coloured: kept in a cookie, no script needed."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from perch.accounts.next_path import safe_next
from perch.web import forms
from perch.web.cookies import Jar
from perch.web.deps import Composition, Signed
from perch.web.frame import known_theme

router = APIRouter()


@router.post("/theme")
async def choose(request: Request, perch: Composition, _who: Signed) -> Response:
    """Keep the choice and go back to where it was made."""
    form = await forms.read(request)
    response = RedirectResponse(safe_next(form.text("next")), status_code=303)
    Jar.of(perch.settings).keep_theme(response, known_theme(form.text("theme")))
    return response

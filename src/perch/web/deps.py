"""What routes ask for: the composition, who is behind the browser, the proof that our page sent a form."""

import secrets
from dataclasses import replace
from typing import Annotated

from fastapi import Depends
from starlette.datastructures import UploadFile
from starlette.requests import Request

from perch.people import sessions
from perch.people.errors import NotSignedIn
from perch.people.sessions import Visitor
from perch.web import forms
from perch.web.banners import banners_of
from perch.web.cookies import Jar, value_of
from perch.web.crossing import SAFE_METHODS
from perch.web.errors import Forged
from perch.web.frame import Frame
from perch.web.rendering import frame_for
from perch.wiring import Perch

CSRF_FIELD = "csrf_token"
CSRF_HEADER = "x-csrf-token"


def composition(request: Request) -> Perch:
    """Everything this process was built from."""
    perch: Perch = request.app.state.perch
    return perch


async def visitor_or_none(request: Request) -> Visitor | None:
    """Who is signed in with this browser, looked up once a request; keeps the session from growing idle."""
    if not hasattr(request.state, "visitor"):
        request.state.visitor = await _look_up(request)
        request.state.frame = frame_for(request, request.state.visitor)
    found: Visitor | None = request.state.visitor
    return found


async def visitor(found: Annotated[Visitor | None, Depends(visitor_or_none)]) -> Visitor:
    """The signed-in person. Raises NotSignedIn."""
    if found is None:
        raise NotSignedIn
    return found


async def framed(request: Request, found: Annotated[Visitor | None, Depends(visitor_or_none)]) -> Frame:
    """The frame of this page, with what people of this workspace should know."""
    frame: Frame = request.state.frame
    if found is None:
        return frame
    async with composition(request).db.read() as session:
        return replace(frame, banners=await banners_of(session, found))


async def guarded(request: Request, found: Annotated[Visitor | None, Depends(visitor_or_none)]) -> None:
    """For every route that a session opens: an unsafe method must carry the session's token.

    It comes as the form field ``csrf_token`` or the header ``X-CSRF-Token``. Raises NotSignedIn, Forged.
    """
    if request.method in SAFE_METHODS:
        return
    if found is None:
        raise NotSignedIn
    if not secrets.compare_digest((await _shown(request)).encode(), found.csrf_token.encode()):
        raise Forged


async def _look_up(request: Request) -> Visitor | None:
    perch = composition(request)
    cookie = value_of(request, Jar.of(perch.settings).session)
    if cookie is None:
        return None
    async with perch.db.read() as session:
        found = await sessions.find(session, perch.clock, cookie)
    if found is not None and found.unseen:
        async with perch.db.write() as session:
            await sessions.touch(session, perch.clock, found)
    return found


async def _shown(request: Request) -> str:
    if CSRF_HEADER in request.headers:
        return request.headers[CSRF_HEADER]
    if not request.headers.get("content-type", "").startswith(
        ("application/x-www-form-urlencoded", "multipart/form-data")
    ):
        return ""
    shown = (await forms.sent(request)).get(CSRF_FIELD, "")
    return "" if isinstance(shown, UploadFile) else shown


Composition = Annotated[Perch, Depends(composition)]
Signed = Annotated[Visitor, Depends(visitor)]
Perhaps = Annotated[Visitor | None, Depends(visitor_or_none)]
Framed = Annotated[Frame, Depends(framed)]

"""Signing in with X and out again; connecting accounts goes the same way."""

from typing import assert_never

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from perch.accounts import apps, connecting
from perch.accounts import queries as accounts
from perch.accounts.connecting import Begun, Finished, Requester
from perch.accounts.models import AppKind, LoginFace
from perch.people import sessions
from perch.people.roles import Action, require
from perch.people.sessions import Visitor
from perch.settings import Settings
from perch.web import callbacks, errors
from perch.web.cookies import Jar, value_of
from perch.web.deps import Composition, Framed, Perhaps, Signed
from perch.web.errors import Action as NextAction
from perch.web.errors import ProblemView
from perch.web.pages import coming_back
from perch.web.pages.coming_back import Failed
from perch.web.rendering import page
from perch.wiring import Perch


def router(settings: Settings) -> APIRouter:
    """The routes; the callback answers on every path that was ever registered with X."""
    made = APIRouter()
    made.get("/login/x")(begin)
    made.post("/logout")(leave)
    for path in dict.fromkeys((settings.x_callback_path, *coming_back.PATHS)):
        made.get(path)(come_back)
    return made


async def begin(request: Request, perch: Composition, who: Perhaps) -> Response:
    """Off to X. ``connect`` or ``account`` add an account to the workspace of who is signed in."""
    begun = await _begun(request, perch, who)
    response = RedirectResponse(begun.authorize_url, status_code=302)
    if begun.browser_token is not None:
        Jar.of(perch.settings).keep_login(response, begun.browser_token)
    return response


async def come_back(request: Request, perch: Composition, frame: Framed) -> Response:
    """Back from X, to the face where this sign-in was begun."""
    ended = await coming_back.finish(perch, request)
    if isinstance(ended, Failed):
        return _failed(request, ended)
    match ended.face:
        case LoginFace.BROWSER:
            return await _let_in(request, perch, ended)
        case LoginFace.JSON:
            return await callbacks.answer_json(perch, ended)
        case LoginFace.TERMINAL:
            view = ProblemView(
                title=f"@{ended.username} is connected",
                sentence="Go back to the terminal; this window can be closed.",
                fix="",
                action=NextAction("/", "Open Perch"),
            )
            return page(request, "problem.html", frame, view)
    assert_never(ended.face)


async def leave(request: Request, perch: Composition, _who: Signed) -> Response:
    """End this browser's session."""
    jar = Jar.of(perch.settings)
    response = RedirectResponse("/", status_code=303)
    async with perch.db.write() as session:
        await sessions.close(session, value_of(request, jar.session) or "")
    jar.drop_session(response)
    return response


async def _begun(request: Request, perch: Perch, who: Visitor | None) -> Begun:
    asked = request.query_params
    kind = AppKind(asked["app"]) if asked.get("app") in set(AppKind) else None
    async with perch.db.write() as session:
        requester = await _requester(session, who, asked.get("connect"), asked.get("account"))
        app = await apps.app_for_sign_in(session, perch.settings, kind)
        return await connecting.begin(
            session,
            perch.clock,
            perch.sealer,
            app,
            face=LoginFace.BROWSER,
            redirect_uri=perch.settings.callback_url,
            next_path=asked.get("next"),
            zone=asked.get("zone"),
            requester=requester,
            invitation=asked.get("invitation") or None,
            browser_token=value_of(request, Jar.of(perch.settings).login),
        )


async def _requester(
    session: AsyncSession, who: Visitor | None, connect: str | None, account_id: str | None
) -> Requester | None:
    if who is None or not (connect or account_id):
        return None
    require(who.role, Action.CONNECT)
    if not account_id:
        return Requester(who.person_id, who.workspace_id)
    account = await accounts.account_named(session, who.workspace_id, account_id)
    return Requester(who.person_id, who.workspace_id, account.id)


def _failed(request: Request, failed: Failed) -> Response:
    is_json = failed.face is LoginFace.JSON or (failed.face is None and errors.prefers_json(request))
    return errors.small(failed.error) if is_json else errors.html(request, failed.error)


async def _let_in(request: Request, perch: Perch, finished: Finished) -> Response:
    jar = Jar.of(perch.settings)
    response = RedirectResponse(finished.next_path, status_code=303)
    jar.drop_login(response)
    if finished.signs_in:
        async with perch.db.write() as session:
            opened = await sessions.open_session(
                session,
                perch.clock,
                finished.person_id,
                finished.workspace_id,
                replacing=value_of(request, jar.session),
            )
        jar.keep_session(response, opened.cookie_value)
    return response

"""The web application: middlewares from the outside in, then the faces."""

import structlog
from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from perch import wiring
from perch.db.failures import is_away
from perch.errors import PerchError
from perch.web import api, errors, gpt, pages
from perch.web.access import AccessLog
from perch.web.addresses import ReadableAddress
from perch.web.body_cap import BodyCap
from perch.web.crossing import SameOrigin
from perch.web.deps import Composition, visitor_or_none
from perch.web.headers import SecurityHeaders
from perch.web.heads import HeadAsGet
from perch.web.hosts import OneHost
from perch.web.pages import coming_back
from perch.web.static_files import Built
from perch.web.templating import Templates
from perch.web.unforeseen import CatchUnforeseen
from perch.wiring import Perch

log = structlog.get_logger(__name__)


def create_app(perch: Perch) -> FastAPI:
    """Everything that answers on ``settings.origin``. The worker is not part of it."""
    built = Built()
    app = FastAPI(title="Perch", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.perch = perch
    app.state.templates = Templates(built)
    # The last one added is the outermost.
    app.add_middleware(HeadAsGet, callbacks={perch.settings.x_callback_path, *coming_back.PATHS})
    app.add_middleware(CatchUnforeseen)
    app.add_middleware(SameOrigin, settings=perch.settings)
    app.add_middleware(ReadableAddress)
    app.add_middleware(OneHost, settings=perch.settings)
    app.add_middleware(BodyCap)
    app.add_middleware(SecurityHeaders, settings=perch.settings)
    app.add_middleware(AccessLog, clock=perch.clock)
    app.exception_handler(PerchError)(_refused)
    app.exception_handler(HTTPException)(_not_routed)
    app.exception_handler(SQLAlchemyError)(_no_database)
    app.mount("/static", built.app(), name="static")
    app.get("/healthz")(_healthz)
    app.get("/readyz")(_readyz)
    app.include_router(api.router)
    app.include_router(gpt.router)
    app.include_router(pages.router(perch.settings))
    return app


async def _refused(request: Request, error: PerchError) -> Response:
    return errors.answer(request, error)


async def _no_database(request: Request, error: SQLAlchemyError) -> Response:
    if not is_away(error):
        raise error
    log.exception("database_refused", method=request.method, path=request.url.path)
    return errors.answer(request, errors.NoDatabase.after(error))


async def _not_routed(request: Request, error: HTTPException) -> Response:
    await visitor_or_none(request)
    match error.status_code:
        case 404:
            refusal: PerchError = errors.NoSuchPage(
                "This address leads nowhere.", fix="It may have been mistyped, or it belongs to someone else."
            )
        case 405:
            refusal = errors.WrongMethod(
                f"This address does not take {request.method}.", fix="Follow a link."
            )
        case _:
            refusal = errors.Unreadable("The request could not be read.", fix="Send it again.")
    answered = errors.answer(request, refusal)
    answered.headers.update(error.headers or {})
    return answered


async def _healthz() -> Response:
    return JSONResponse({"status": "alive"})


async def _readyz(perch: Composition) -> Response:
    state = await wiring.readiness(perch)
    facts = {
        "ready": state.is_ready,
        "database": state.database,
        "writable": state.writable,
        "worker": state.worker,
        "clock": state.clock,
        "oldest_overdue_seconds": round(state.oldest_overdue_seconds, 1),
    }
    return JSONResponse(facts, status_code=200 if state.is_ready else 503)

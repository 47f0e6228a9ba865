"""The pages: one module each, with its routes and the view its template is given."""

from fastapi import APIRouter, Depends

from perch.settings import Settings
from perch.web.deps import guarded
from perch.web.pages import (
    accounts,
    appearance,
    composing,
    deciding,
    helping,
    library,
    noticing,
    queue,
    receipts,
    signing_in,
)


def router(settings: Settings) -> APIRouter:
    """Every page. Whatever is added here is guarded: unsafe methods need our own form's token."""
    made = APIRouter(dependencies=[Depends(guarded)], include_in_schema=False)
    for part in (queue, composing, receipts, deciding, accounts, noticing, library, helping, appearance):
        made.include_router(part.router)
    made.include_router(signing_in.router(settings))
    return made

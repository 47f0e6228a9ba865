"""The addresses of X's sign-in: the page that asks, the token endpoint, the revocation."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from perch.sandbox import consent, tokens
from perch.sandbox.api import refusal
from perch.sandbox.models import App
from perch.sandbox.pages import Pages
from perch.sandbox.problems import JSON, Refused
from perch.sandbox.world import World

COOKIE = "sandbox_consent"
TICKET_MS = 600_000
Reply = Callable[[World, App, Mapping[str, str]], dict[str, object]]


@dataclass(frozen=True, slots=True)
class Ticket:
    """One showing of the consent page, bound to the browser that saw it."""

    ask: consent.Ask
    browser: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class SignIn:
    """The sign-in pages and the tickets of those that are open."""

    world: World
    pages: Pages
    tickets: dict[str, Ticket] = field(default_factory=dict)

    async def ask(self, request: Request) -> Response:
        """``GET /i/oauth2/authorize``: the consent page, or an error page that never redirects."""
        try:
            ask = consent.read(self.world, request.query_params)
        except consent.Unsound as error:
            return self.pages.refused(str(error))
        browser = request.cookies.get(COOKIE) or secrets.token_urlsafe(16)
        ticket = secrets.token_urlsafe(16)
        self._forget_old()
        self.tickets[ticket] = Ticket(ask, browser, self.world.now() + TICKET_MS)
        response = self.pages.consent(ask, ticket)
        response.set_cookie(COOKIE, browser, path="/i/oauth2/authorize", httponly=True, samesite="lax")
        return response

    async def decide(self, request: Request) -> Response:
        """The form of the consent page. Its ticket is good once, in the browser that was shown it."""
        form = _texts(await request.form())
        ticket = self.tickets.pop(form.get("ticket", ""), None)
        foreign = request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
        if ticket is None or foreign or ticket.expires_at <= self.world.now():
            return self.pages.refused(
                "This page was already answered or is too old. Go back to the app and start again."
            )
        if not secrets.compare_digest(request.cookies.get(COOKIE, ""), ticket.browser):
            return self.pages.refused(
                "This page was opened in another browser. Go back to the app and start again."
            )
        person = self.world.people.get(form.get("person", ""))
        if form.get("decision") != "allow":
            return RedirectResponse(consent.deny(ticket.ask), 302)
        if person is None or person.suspended:
            return self.pages.refused("Choose one of the people on the page.")
        return RedirectResponse(consent.allow(self.world, ticket.ask, person), 302)

    def _forget_old(self) -> None:
        now = self.world.now()
        for name in [name for name, ticket in self.tickets.items() if ticket.expires_at <= now]:
            del self.tickets[name]

    async def token(self, request: Request) -> Response:
        """``POST /2/oauth2/token``."""
        return await self._form_call(request, tokens.answer)

    async def revoke(self, request: Request) -> Response:
        """``POST /2/oauth2/revoke``."""
        return await self._form_call(request, tokens.revoke)

    async def _form_call(self, request: Request, reply: Reply) -> Response:
        try:
            form = _texts(await request.form())
            app = tokens.client_of(self.world, request.headers.get("authorization", ""), form)
            body = reply(self.world, app, form)
        except Refused as refused:
            return refusal(self.world, refused)
        headers = {"content-type": JSON, "cache-control": "no-store"}
        return Response(json.dumps(body), headers=headers)


def _texts(form: FormData) -> dict[str, str]:
    return {name: value for name, value in form.items() if isinstance(value, str)}

"""Who is behind a machine's request: an API token, or a browser that is signed in; and what they may do."""

import secrets
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from perch.errors import PerchError
from perch.people import tokens
from perch.people.errors import NotAllowed, NotSignedIn
from perch.people.roles import require
from perch.people.sessions import Visitor
from perch.people.tokens import Caller, Scope
from perch.posts.drafting import Author
from perch.posts.models import AuthorKind
from perch.web.crossing import SAFE_METHODS
from perch.web.deps import CSRF_HEADER, composition, visitor_or_none
from perch.web.errors import Forged
from perch.web.limiting import TooMany
from perch.wiring import Perch


@dataclass(frozen=True, slots=True)
class Asker:
    """Somebody with rights in one workspace."""

    by: Caller | Visitor

    @property
    def workspace_id(self) -> int:
        return self.by.workspace_id

    @property
    def account_id(self) -> int | None:
        """The one X account that a token is narrowed to."""
        return self.by.account_id if isinstance(self.by, Caller) else None

    @property
    def owner(self) -> str:
        """Their name where requests are remembered: keys of one person in two workspaces are two keys."""
        if isinstance(self.by, Caller):
            return f"token:{self.by.public_id}"
        return f"person:{self.by.person_public_id}:{self.workspace_id}"

    @property
    def author(self) -> Author:
        if isinstance(self.by, Caller):
            return Author(AuthorKind.TOKEN, self.by.public_id, f"{self.by.name} ({self.by.token_name})")
        return Author(AuthorKind.PERSON, self.by.person_public_id, self.by.name)

    def require(self, scope: Scope) -> None:
        """Raises NotAllowed. Who may publish may write drafts too."""
        if isinstance(self.by, Visitor):
            require(self.by.role, tokens.NEEDED[scope])
        elif not (scope is Scope.DRAFTS_WRITE and self.by.allows(Scope.PUBLISH_DIRECT)):
            self.by.require(scope)

    def may_see(self, account_id: int) -> bool:
        """Whether things of this account are theirs, as far as a token is narrowed to one."""
        return self.account_id in (None, account_id)

    def require_account(self, account_id: int) -> None:
        """Raises NotAllowed when the token speaks for another account."""
        if not self.may_see(account_id):
            raise NotAllowed("This token speaks for another X account.", fix="Use a token of that account.")


async def asker(request: Request) -> Asker:
    """Who asks. A token that is sent must be good; the browser's session counts only where none is sent.

    Raises NotSignedIn, and Forged for a browser's unsafe request without its CSRF token.
    """
    authorization = request.headers.get("authorization")
    if authorization is not None:
        return Asker(await _caller(composition(request), authorization))
    visitor = await visitor_or_none(request)
    if visitor is None:
        raise NotSignedIn("Nobody is signed in, and no token was sent.")
    shown = request.headers.get(CSRF_HEADER, "")
    if request.method not in SAFE_METHODS and not secrets.compare_digest(
        shown.encode(), visitor.csrf_token.encode()
    ):
        raise Forged
    return Asker(visitor)


def headers_of(error: PerchError) -> dict[str, str]:
    """What a refusal tells a machine besides its body: how to sign in (RFC 6750), when to come back."""
    match error:
        case NotSignedIn():
            return {"WWW-Authenticate": "Bearer"}
        case TooMany():
            return {"Retry-After": str(error.retry_after_seconds)}
        case _:
            return {}


async def _caller(perch: Perch, authorization: str) -> Caller:
    scheme, _, bearer = authorization.partition(" ")
    found = None
    if scheme.lower() == "bearer":
        async with perch.db.read() as session:
            found = await tokens.find(session, perch.clock, bearer.strip())
    if found is None:
        raise NotSignedIn("This token is unknown, revoked or too old.")
    if found.unseen:
        async with perch.db.write() as session:
            await tokens.touch(session, perch.clock, found)
    return found


AskerNow = Annotated[Asker, Depends(asker)]

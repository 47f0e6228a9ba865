"""``perch keys``: API keys of the owner, shown once when they are made."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts.models import AppKind
from perch.cli.beside import choose_account, open_perch
from perch.cli.output import say, say_json, say_table
from perch.errors import PerchError
from perch.people import tokens
from perch.people.models import Membership, TokenKind
from perch.people.queries import api_tokens_of, owner_from, workspace_ids
from perch.people.tokens import Scope
from perch.settings import Settings


class WrongKeyWish(PerchError):
    """A key cannot be made like this."""

    code = "wrong_key_wish"


async def create(
    settings: Settings, name: str, scopes: tuple[str, ...], account: str | None, days: int, *, as_json: bool
) -> None:
    """Make a key for the owner's workspace, or for one account of it."""
    wanted = _scopes(scopes)
    if not 1 <= days <= 3650:
        raise WrongKeyWish(f"A key cannot live for {days} days.", fix="Choose 1 to 3650 days.")
    async with open_perch(settings) as perch:
        only = (await choose_account(perch, account))[1] if account else None
        async with perch.db.write() as session:
            owner = await _owner(session, settings)
            issued = await tokens.issue(
                session,
                perch.clock,
                TokenKind.KEY,
                person_id=owner.person_id,
                workspace_id=owner.workspace_id,
                name=name,
                scopes=wanted,
                account_id=only.id if only else None,
                lifetime=timedelta(days=days),
            )
    if as_json:
        until = issued.expires_at.isoformat()
        say_json({"id": issued.public_id, "key": issued.token, "scope": issued.scope, "expires_at": until})
    else:
        say(issued.token, f"It may {issued.scope}, until {issued.expires_at:%d %b %Y}. It is shown only now.")


async def show(settings: Settings, *, as_json: bool) -> None:
    """One line a key; the keys themselves are nowhere to be seen again."""
    async with open_perch(settings) as perch, perch.db.read() as session:
        keys = [key for home in await workspace_ids(session) for key in await api_tokens_of(session, home)]
    if as_json:
        say_json([
            {
                "id": key.public_id, "name": key.name, "scope": key.scope, "kind": key.kind,
                "expires_at": key.expires_at.isoformat(), "used_at": key.used_at and key.used_at.isoformat(),
                "revoked": key.revoked_at is not None,
            }
            for key in keys
        ])  # fmt: skip
    elif keys:
        rows = [
            (
                key.name,
                key.scope,
                "revoked" if key.revoked_at else f"{key.expires_at:%d %b %Y}",
                key.public_id,
            )
            for key in keys
        ]
        say_table(("name", "may", "until", "id"), rows)
    else:
        say("There are no keys. Make one with perch keys create.")


async def revoke(settings: Settings, public_id: str, *, as_json: bool) -> None:
    """End a key at once, in every process."""
    async with open_perch(settings) as perch, perch.db.write() as session:
        await tokens.revoke(session, perch.clock, (await _owner(session, settings)).workspace_id, public_id)
    say_json({"id": public_id, "revoked": True}) if as_json else say("Revoked: it no longer opens anything.")


def _scopes(scopes: tuple[str, ...]) -> tuple[Scope, ...]:
    unknown = set(scopes) - set(Scope)
    if unknown:
        raise WrongKeyWish(f"{unknown.pop()} is not a scope.", fix=f"Choose from {', '.join(Scope)}.")
    return tuple(Scope(scope) for scope in scopes)


async def _owner(session: AsyncSession, settings: Settings) -> Membership:
    kind = AppKind.LIVE if settings.is_live else AppKind.SANDBOX
    owner = await owner_from(session, kind)
    if owner is None:
        raise WrongKeyWish("Nobody owns this Perch yet.", fix="Sign in first; the first one becomes owner.")
    return owner

"""The X apps of this Perch: the operator's live one and the sandbox's."""

import hmac
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts import queries
from perch.accounts.errors import NoApp
from perch.accounts.models import AppKind, XApp
from perch.clock import Clock
from perch.db import new_public_id
from perch.people.queries import move_identities
from perch.seal import Place, SealBroken, Sealer
from perch.settings import Plan, Settings
from perch.x.oauth2 import Client


@dataclass(frozen=True, slots=True)
class SandboxApp:
    """The app that the local X knows, and where that X listens."""

    api_url: str
    authorize_url: str
    client_id: str = "perch-sandbox:ci"
    client_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Wanted:
    kind: AppKind
    api_url: str
    authorize_url: str
    client_id: str
    client_secret: str | None = field(repr=False)
    plan: Plan


async def ensure_apps(
    session: AsyncSession, clock: Clock, sealer: Sealer, settings: Settings, sandbox: SandboxApp | None
) -> None:
    """Bring the apps' rows in line with the settings; ``sandbox`` is None while none runs."""
    if settings.x_client_id is not None:
        secret = settings.x_client_secret.get_secret_value() if settings.x_client_secret else None
        live = _Wanted(
            AppKind.LIVE, settings.x_api_url, settings.x_authorize_url, settings.x_client_id, secret,
            settings.x_plan,
        )  # fmt: skip
        await _ensure(session, clock, sealer, live)
    if sandbox is not None:
        await _follow_sandbox(session, sandbox)
        local = _Wanted(
            AppKind.SANDBOX, sandbox.api_url, sandbox.authorize_url, sandbox.client_id, sandbox.client_secret,
            Plan.PAY_PER_USE,
        )  # fmt: skip
        await _ensure(session, clock, sealer, local)


async def app_for_sign_in(session: AsyncSession, settings: Settings, kind: AppKind | None = None) -> XApp:
    """The app to sign in through: the live one where there is one, unless ``kind`` says otherwise.

    Raises NoApp when that kind is not set up.
    """
    available = kinds(settings)
    wanted = kind or (available[0] if available else AppKind.LIVE)
    if wanted in available:
        app = await (
            queries.live_app(session, settings.x_api_url, settings.x_client_id or "")
            if wanted is AppKind.LIVE
            else queries.sandbox_app(session)
        )
        if app is not None:
            return app
    what = "X app" if wanted is AppKind.LIVE else "sandbox"
    raise NoApp(
        f"No {what} is set up here, so nobody can sign in through it.",
        fix="The operator sets PERCH_X_CLIENT_ID, or PERCH_SANDBOX=on, and restarts Perch.",
    )


def kinds(settings: Settings) -> tuple[AppKind, ...]:
    """The kinds of app that people can choose from, the default first."""
    live = (AppKind.LIVE,) if settings.is_live else ()
    return (*live, AppKind.SANDBOX) if settings.runs_sandbox else live


def credentials(sealer: Sealer, app: XApp) -> Client:
    """What the app shows X's token endpoint. Raises SealBroken."""
    if app.client_secret_sealed is None:
        return Client(app.client_id)
    return Client(app.client_id, sealer.open(app.client_secret_sealed, _secret_place(app)))


async def _ensure(session: AsyncSession, clock: Clock, sealer: Sealer, wanted: _Wanted) -> None:
    app = await queries.app_like(session, wanted.kind, wanted.api_url, wanted.client_id)
    if app is None:
        app = XApp(
            public_id=new_public_id(),
            kind=wanted.kind,
            api_url=wanted.api_url,
            client_id=wanted.client_id,
            created_at=clock.now(),
        )
        session.add(app)
    app.authorize_url = wanted.authorize_url
    app.plan = wanted.plan
    if not _holds(sealer, app, wanted.client_secret):
        app.client_secret_sealed = wanted.client_secret and sealer.seal(
            wanted.client_secret, _secret_place(app)
        )
    await session.flush()


async def _follow_sandbox(session: AsyncSession, sandbox: SandboxApp) -> None:
    """The sandbox may listen elsewhere than last time; it is still the same X with the same people."""
    app = await queries.sandbox_app(session)
    if app is not None and app.client_id == sandbox.client_id and app.api_url != sandbox.api_url:
        await move_identities(session, AppKind.SANDBOX, app.api_url, sandbox.api_url)
        app.api_url = sandbox.api_url
        await session.flush()


def _holds(sealer: Sealer, app: XApp, secret: str | None) -> bool:
    """Whether the row's secret is this one; sealing it anew at each start would be a write for nothing."""
    try:
        kept = credentials(sealer, app).client_secret
    except SealBroken:
        return False
    return hmac.compare_digest((kept or "").encode(), (secret or "").encode())


def _secret_place(app: XApp) -> Place:
    return Place(table="x_app", column="client_secret_sealed", row=app.public_id, owner="instance")

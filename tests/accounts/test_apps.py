from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select

from perch.accounts import apps
from perch.accounts.apps import SandboxApp, app_for_sign_in, credentials, ensure_apps
from perch.accounts.errors import NoApp
from perch.accounts.models import AppKind, XApp
from perch.seal import Sealer
from perch.settings import SandboxMode, Settings, SignIn

PLAYED = SandboxApp("http://127.0.0.1:5001", "http://127.0.0.1:5001/i/oauth2/authorize", client_secret="s")


def _live(**more: Any) -> Settings:
    return Settings(x_client_id="live:ci", x_client_secret=SecretStr("operators-secret"), **more)


@pytest.fixture
def ensure(db: Any, clock: Any, sealer: Sealer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.chdir(tmp_path)

    async def bring(settings: Settings, sandbox: SandboxApp | None = None, by: Sealer = sealer) -> None:
        async with db.write() as session:
            await ensure_apps(session, clock, by, settings, sandbox)

    return bring


async def _app(db: Any, settings: Settings, kind: AppKind | None = None) -> XApp:
    async with db.read() as session:
        return await app_for_sign_in(session, settings, kind)


async def test_the_live_app_is_for_signing_in_where_there_is_one(
    ensure: Any, db: Any, sealer: Sealer
) -> None:
    await ensure(_live())

    app = await _app(db, _live())

    assert (app.kind, app.api_url, app.client_id) == ("live", "https://api.x.com", "live:ci")
    assert credentials(sealer, app).client_secret == "operators-secret"


async def test_the_sandbox_is_for_signing_in_where_there_is_no_live_app(ensure: Any, db: Any) -> None:
    await ensure(Settings(), PLAYED)

    app = await _app(db, Settings())

    assert (app.kind, app.api_url, app.client_id) == ("sandbox", PLAYED.api_url, "perch-sandbox:ci")


async def test_with_both_the_live_app_leads_and_the_sandbox_is_a_choice(ensure: Any, db: Any) -> None:
    both = _live(sandbox=SandboxMode.ON)
    await ensure(both, PLAYED)

    assert apps.kinds(both) == (AppKind.LIVE, AppKind.SANDBOX)
    assert (await _app(db, both)).kind == AppKind.LIVE
    assert (await _app(db, both, AppKind.SANDBOX)).kind == AppKind.SANDBOX


async def test_a_kind_that_is_not_set_up_is_refused(ensure: Any, db: Any) -> None:
    await ensure(Settings(), PLAYED)
    await ensure(_live())

    with pytest.raises(NoApp, match="sandbox"):
        await _app(db, _live(), AppKind.SANDBOX)
    with pytest.raises(NoApp, match="X app"):
        await _app(db, Settings(), AppKind.LIVE)
    with pytest.raises(NoApp, match="X app"):
        await _app(db, Settings(sandbox=SandboxMode.OFF))


async def test_the_secret_is_sealed_and_a_start_without_changes_writes_nothing(
    ensure: Any, db: Any, tmp_path: Path
) -> None:
    await ensure(_live(), PLAYED)
    first = await _app(db, _live())
    await ensure(_live(), PLAYED)
    second = await _app(db, _live())
    await db.close()

    assert first.client_secret_sealed == second.client_secret_sealed
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("perch.db*"))
    assert b"live:ci" in kept
    assert b"operators-secret" not in kept


async def test_a_changed_secret_is_taken_over(ensure: Any, db: Any, sealer: Sealer) -> None:
    await ensure(_live())
    changed = Settings(x_client_id="live:ci", x_client_secret=SecretStr("rotated"))
    await ensure(changed)

    assert credentials(sealer, await _app(db, changed)).client_secret == "rotated"
    public = Settings(x_client_id="live:ci")
    await ensure(public)

    assert credentials(sealer, await _app(db, public)).client_secret is None


async def test_a_secret_sealed_with_a_lost_key_is_sealed_again(ensure: Any, db: Any, sealer: Sealer) -> None:
    await ensure(_live(), by=Sealer("k9:lost"))
    await ensure(_live())

    assert credentials(sealer, await _app(db, _live())).client_secret == "operators-secret"


async def test_another_client_id_is_another_app(ensure: Any, db: Any) -> None:
    await ensure(_live())
    await ensure(Settings(x_client_id="other:ci"))

    assert (await _app(db, Settings(x_client_id="other:ci"))).client_id == "other:ci"
    async with db.read() as session:
        assert await session.scalar(select(func.count()).select_from(XApp)) == 2


async def test_a_sandbox_that_listens_elsewhere_knows_its_people_still(desk: Any) -> None:
    ada = await desk.sign_in("sandbox_ada", SignIn.FIRST)
    there = SandboxApp("http://127.0.0.1:9", "http://127.0.0.1:9/i/oauth2/authorize")
    back = SandboxApp(
        desk.x.url, f"{desk.x.url}/i/oauth2/authorize", client_secret="sandbox-secret-for-tests"
    )

    for sandbox in (there, back):
        async with desk.db.write() as session:
            await ensure_apps(session, desk.clock, desk.sealer, desk.settings, sandbox)
            assert (await app_for_sign_in(session, desk.settings)).api_url == sandbox.api_url

    again = await desk.sign_in("sandbox_ada", SignIn.FIRST)
    assert (again.person_id, again.account_id) == (ada.person_id, ada.account_id)


async def test_an_account_follows_its_holder_to_the_operators_new_app(desk: Any, ensure: Any) -> None:
    world = desk.x.app.world
    old = world.apps["perch-sandbox:ci"]
    ids = []
    for client_id in ("first:ci", "second:ci"):
        world.keep_app(type(old)(client_id, "s", "App", old.callbacks, old.owner_id, world.new_id()))
        live = Settings(
            x_client_id=client_id,
            x_client_secret=SecretStr("s"),
            x_api_url=desk.x.url,
            x_authorize_url=f"{desk.x.url}/i/oauth2/authorize",
        )
        await ensure(live)
        finished = await desk.sign_in("sandbox_ada", SignIn.FIRST, app=await _app(desk.db, live))
        ids.append((finished.person_id, finished.account_id))

    assert ids[0] == ids[1]
    assert await desk.client_for(ids[0][1])


async def test_live_and_sandbox_accounts_of_one_id_are_two(desk: Any, ensure: Any) -> None:
    world = desk.x.app.world
    old = world.apps["perch-sandbox:ci"]
    world.keep_app(
        type(old)("live:ci", "operators-secret", "App", old.callbacks, old.owner_id, world.new_id())
    )
    live = _live(x_api_url=desk.x.url, x_authorize_url=f"{desk.x.url}/i/oauth2/authorize")
    await ensure(live)

    played = await desk.sign_in("sandbox_ada", SignIn.FIRST)
    real = await desk.sign_in("sandbox_ada", SignIn.FIRST, app=await _app(desk.db, live))

    assert real.account_id != played.account_id
    assert real.person_id != played.person_id
    assert real.workspace_id != played.workspace_id

from datetime import timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import func, select

from perch.accounts import queries, revoking
from perch.accounts.disconnecting import Disconnected, disconnect
from perch.accounts.errors import ReconnectNeeded
from perch.accounts.health import Health
from perch.accounts.models import Grant, Revocation
from perch.people import tokens
from perch.people.errors import NotHere
from perch.people.models import TokenKind
from perch.people.tokens import Scope
from perch.seal import Sealer
from perch.x.errors import Unauthorized
from perch.x.users import Me

REVOKE = "/2/oauth2/revoke"


async def _disconnect(desk: Any, workspace_id: int, name: str) -> Disconnected:
    return await disconnect(desk.db.write, desk.clock, desk.sealer, desk.clients, workspace_id, name)


async def _grants(desk: Any) -> int:
    async with desk.db.read() as session:
        return await session.scalar(select(func.count()).select_from(Grant)) or 0


async def test_disconnecting_wipes_the_tokens_here_and_revokes_them_on_x(desk: Any) -> None:
    ada = await desk.sign_in()
    ready = await desk.client_for(ada.account_id)

    gone = await _disconnect(desk, ada.workspace_id, ada.account_public_id)

    assert gone == Disconnected(ada.account_id, "sandbox_ada", revoked=True)
    assert await _grants(desk) == 0
    assert desk.x.count(REVOKE) == 2
    assert not desk.x.app.world.grants
    with pytest.raises(Unauthorized):
        await ready.client.send(Me(), ready.bearer)
    with pytest.raises(ReconnectNeeded, match="disconnected"):
        await desk.client_for(ada.account_id)


async def test_a_disconnected_account_stays_in_the_list_and_can_come_back(desk: Any) -> None:
    ada = await desk.sign_in()
    await _disconnect(desk, ada.workspace_id, "@sandbox_ada")
    async with desk.db.read() as session:
        (view,) = await queries.accounts_of(session, ada.workspace_id, desk.clock.now())
    assert view.health is Health.DISCONNECTED
    assert view.disconnected_at == desk.clock.now()

    again = await desk.sign_in()

    assert again.account_id == ada.account_id
    async with desk.db.read() as session:
        (view,) = await queries.accounts_of(session, ada.workspace_id, desk.clock.now())
    assert (view.health, view.disconnected_at) == (Health.GOOD, None)


async def test_an_x_that_is_down_does_not_keep_the_tokens_here(desk: Any) -> None:
    ada = await desk.sign_in()
    desk.x.spoil(REVOKE, "status", times=2, status=503)

    gone = await _disconnect(desk, ada.workspace_id, ada.account_public_id)

    assert not gone.revoked
    assert await _grants(desk) == 0


async def test_the_access_token_is_revoked_even_when_the_refresh_token_was_not(desk: Any) -> None:
    ada = await desk.sign_in()
    desk.x.spoil(REVOKE, "status", status=503)

    gone = await _disconnect(desk, ada.workspace_id, ada.account_public_id)

    assert not gone.revoked
    kinds = {token.kind for token in desk.x.app.world.tokens.values()}
    assert kinds == {"refresh"}


async def test_tokens_that_cannot_be_opened_are_wiped_too(desk: Any) -> None:
    ada = await desk.sign_in()
    desk.sealer = Sealer("k2:another-key")

    gone = await _disconnect(desk, ada.workspace_id, ada.account_public_id)

    assert not gone.revoked
    assert await _grants(desk) == 0


async def test_disconnecting_twice_is_no_error(desk: Any) -> None:
    ada = await desk.sign_in()

    await _disconnect(desk, ada.workspace_id, ada.account_public_id)

    assert not (await _disconnect(desk, ada.workspace_id, ada.account_public_id)).revoked


async def test_a_stranger_cannot_disconnect_an_account(desk: Any) -> None:
    ada, stranger = await desk.sign_in(), await desk.sign_in("sandbox_ben")

    for name in (ada.account_public_id, "@sandbox_ada"):
        with pytest.raises(NotHere):
            await _disconnect(desk, stranger.workspace_id, name)

    assert await _grants(desk) == 2


async def test_perchs_own_tokens_for_the_account_end_with_it(desk: Any) -> None:
    ada = await desk.sign_in()
    async with desk.db.write() as session:
        issued = [
            await tokens.issue(
                session, desk.clock, TokenKind.GPT, person_id=ada.person_id, workspace_id=ada.workspace_id,
                name="gpt", scopes=[Scope.PUBLISH_DIRECT], account_id=account_id,
            )
            for account_id in (ada.account_id, None)
        ]  # fmt: skip

    await _disconnect(desk, ada.workspace_id, ada.account_public_id)

    async with desk.db.read() as session:
        found = [await tokens.find(session, desk.clock, one.token) for one in issued]
    assert [caller is not None for caller in found] == [False, True]


async def _queue(desk: Any) -> list[Revocation]:
    async with desk.db.read() as session:
        return list(await session.scalars(select(Revocation).order_by(Revocation.id)))


async def _disconnected_while_x_is_down(desk: Any, times: int = 1000) -> Any:
    ada = await desk.sign_in()
    desk.x.spoil(REVOKE, "status", times=times, status=503)
    await _disconnect(desk, ada.workspace_id, ada.account_public_id)
    return ada


async def test_what_waits_to_be_ended_is_sealed_and_in_no_log(desk: Any) -> None:
    with structlog.testing.capture_logs() as logs:
        await _disconnected_while_x_is_down(desk)

    queue = await _queue(desk)
    assert [one.hint for one in queue] == ["refresh_token", "access_token"]
    assert "token_not_revoked" in [log["event"] for log in logs]
    told = repr(logs) + "".join(one.token_sealed for one in queue)
    assert not [token for token in desk.x.tokens if token in told]


async def test_x_is_asked_less_and_less_often_and_for_a_week_at_most(desk: Any) -> None:
    await _disconnected_while_x_is_down(desk)

    asked_at = []
    for _ in range(9 * 24 * 4):
        before = desk.x.count(REVOKE)
        await revoking.sweep(desk.db.write, desk.clock, desk.sealer, desk.clients)
        if desk.x.count(REVOKE) > before:
            asked_at.append(desk.clock.now())
        desk.clock.advance(timedelta(minutes=15))

    assert asked_at[-1] - asked_at[0] > timedelta(days=6)
    assert asked_at[-1] - asked_at[-2] >= timedelta(hours=6)
    assert len(asked_at) < 50
    assert await _queue(desk) == []


async def test_a_new_consent_takes_the_old_tokens_off_the_queue(desk: Any) -> None:
    ada = await _disconnected_while_x_is_down(desk, times=2)

    await desk.sign_in()
    desk.clock.advance(timedelta(hours=1))
    await revoking.sweep(desk.db.write, desk.clock, desk.sealer, desk.clients)

    assert await _queue(desk) == []
    ready = await desk.client_for(ada.account_id)
    assert (await ready.client.send(Me(), ready.bearer)).result.id == ready.x_user_id


async def test_a_token_that_x_knows_no_more_is_done_with(desk: Any) -> None:
    ada = await desk.sign_in()
    refused = {"error": "invalid_request", "error_description": "Value passed for the token was invalid."}
    desk.x.spoil(REVOKE, "status", times=2, status=400, body=refused)

    assert (await _disconnect(desk, ada.workspace_id, ada.account_public_id)).revoked
    assert await _queue(desk) == []

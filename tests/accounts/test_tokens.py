"""The life of an account's tokens, against the sandbox."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import text, update

from perch.accounts import queries, revoking, steps
from perch.accounts.errors import AppBroken, ReconnectNeeded, XUnavailable
from perch.accounts.grants import Held
from perch.accounts.health import Health
from perch.accounts.models import Grant, RefreshState, XApp
from perch.db import Database
from perch.people.errors import NotHere
from perch.x.errors import Unauthorized
from perch.x.users import Me

TOKEN = "/2/oauth2/token"
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def ada(desk: Any) -> Any:
    signed_in = await desk.sign_in()
    desk.clock.advance(timedelta(seconds=1))
    return signed_in


@pytest.fixture
async def nearly_expired(desk: Any, ada: Any) -> Any:
    """Ada's account with nine minutes left on its token."""
    desk.clock.advance(timedelta(minutes=111))
    return ada


def _refreshes(desk: Any) -> int:
    """Calls of the token endpoint after the sign-in's own."""
    calls: int = desk.x.count(TOKEN) - 1
    return calls


async def _works(desk: Any, ready: Any) -> bool:
    return (await ready.client.send(Me(), ready.bearer)).result.id == ready.x_user_id


async def test_a_fresh_token_is_used_without_asking_x(desk: Any, ada: Any) -> None:
    ready = await desk.client_for(ada.account_id)

    assert await _works(desk, ready)
    assert (ready.account_public_id, ready.username) == (ada.account_public_id, "sandbox_ada")
    assert ready.bearer.token not in repr(ready)
    assert _refreshes(desk) == 0


async def test_a_token_about_to_expire_is_renewed_first(desk: Any, nearly_expired: Any) -> None:
    before = await desk.grant(nearly_expired.account_id)

    ready = await desk.client_for(nearly_expired.account_id)

    after = await desk.grant(nearly_expired.account_id)
    assert await _works(desk, ready)
    assert after.generation == before.generation + 1
    assert after.expires_at == desk.clock.now() + timedelta(hours=2)
    assert after.refresh_state == RefreshState.IDLE
    assert after.refresh_owner is None
    assert _refreshes(desk) == 1


async def test_renewal_goes_on_for_as_long_as_it_is_needed(desk: Any, ada: Any) -> None:
    for _ in range(5):
        desk.clock.advance(timedelta(hours=30))
        assert await _works(desk, await desk.client_for(ada.account_id))

    assert _refreshes(desk) == 5


async def test_twenty_at_once_make_one_refresh(desk: Any, nearly_expired: Any) -> None:
    desk.clock.sleeping_moves = False

    ready = await asyncio.gather(*(desk.client_for(nearly_expired.account_id) for _ in range(20)))

    assert _refreshes(desk) == 1
    assert len({one.bearer.token for one in ready}) == 1
    assert await _works(desk, ready[0])


async def test_two_processes_with_ten_each_make_one_refresh(desk: Any, nearly_expired: Any) -> None:
    desk.clock.sleeping_moves = False
    other = Database(str(desk.db.url))

    ready = await asyncio.gather(
        *(desk.client_for(nearly_expired.account_id, db) for db in (desk.db, other) for _ in range(10))
    )
    await other.close()

    assert _refreshes(desk) == 1
    assert len({one.bearer.token for one in ready}) == 1


async def test_a_refresh_ends_even_when_its_caller_goes_away(desk: Any, nearly_expired: Any) -> None:
    desk.x.spoil(TOKEN, "delay", seconds=0.1)
    asking = asyncio.create_task(desk.client_for(nearly_expired.account_id))
    while not desk.x.app.faults.rules[0].applied:
        await asyncio.sleep(0.001)

    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    desk.clock.sleeping_moves = False

    assert await _works(desk, await desk.client_for(nearly_expired.account_id))
    assert _refreshes(desk) == 1


async def test_a_lost_answer_keeps_the_token_until_its_last_minutes(desk: Any, nearly_expired: Any) -> None:
    desk.x.change(refresh_kills_access=False)
    desk.x.spoil(TOKEN, "commit_then_drop")

    first = await desk.client_for(nearly_expired.account_id)
    assert (await desk.grant(nearly_expired.account_id)).refresh_state == RefreshState.UNKNOWN
    desk.clock.advance(5 * MINUTE)
    second = await desk.client_for(nearly_expired.account_id)

    assert first.bearer == second.bearer
    assert await _works(desk, second)
    assert _refreshes(desk) == 1


async def test_after_a_lost_answer_the_old_refresh_token_is_replayed_once_and_then_given_up(
    desk: Any, nearly_expired: Any
) -> None:
    desk.x.spoil(TOKEN, "commit_then_drop")
    await desk.client_for(nearly_expired.account_id)
    desk.clock.advance(6.5 * MINUTE)

    for _ in range(3):
        with pytest.raises(ReconnectNeeded, match="@sandbox_ada"):
            await desk.client_for(nearly_expired.account_id)

    assert _refreshes(desk) == 2
    async with desk.db.read() as session:
        (view,) = await queries.accounts_of(session, nearly_expired.workspace_id, desk.clock.now())
    assert view.health is Health.RECONNECT
    assert not view.is_connected


async def test_a_replay_that_x_answers_brings_the_account_back(desk: Any, nearly_expired: Any) -> None:
    desk.x.spoil(TOKEN, "drop")  # the connection broke before X had spent the token
    await desk.client_for(nearly_expired.account_id)
    desk.clock.advance(7 * MINUTE)

    assert await _works(desk, await desk.client_for(nearly_expired.account_id))
    assert _refreshes(desk) == 2


async def test_a_401_after_a_lost_answer_settles_it_by_a_replay(desk: Any, nearly_expired: Any) -> None:
    desk.x.change(refresh_grace=60)
    desk.x.spoil(TOKEN, "commit_then_drop")
    ready = await desk.client_for(nearly_expired.account_id)
    with pytest.raises(Unauthorized):
        await ready.client.send(Me(), ready.bearer)
    desk.clock.advance(timedelta(seconds=10))

    assert await _works(desk, await desk.refresh_after_401(nearly_expired.account_id, ready.bearer))


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_x_being_broken_never_disconnects(desk: Any, nearly_expired: Any, status: int) -> None:
    desk.x.spoil(TOKEN, "status", times=1000, status=status)

    assert await _works(desk, await desk.client_for(nearly_expired.account_id))
    for _ in range(20):
        desk.clock.advance(10 * MINUTE)
        with pytest.raises(XUnavailable):
            await desk.client_for(nearly_expired.account_id)
    desk.x.app.faults.clear()
    desk.clock.advance(MINUTE)

    assert await _works(desk, await desk.client_for(nearly_expired.account_id))


async def test_nobody_hammers_an_x_that_does_not_answer(desk: Any, nearly_expired: Any) -> None:
    desk.x.spoil(TOKEN, "status", times=1000, status=503)
    desk.clock.advance(20 * MINUTE)

    for _ in range(10):
        with pytest.raises(XUnavailable):
            await desk.client_for(nearly_expired.account_id)

    assert _refreshes(desk) == 1


async def test_an_x_that_cannot_be_reached_leaves_the_grant_as_it_was(desk: Any, nearly_expired: Any) -> None:
    async with desk.db.write() as session:
        await session.execute(update(XApp).values(api_url="http://127.0.0.1:1"))

    await desk.client_for(nearly_expired.account_id)

    assert (await desk.grant(nearly_expired.account_id)).refresh_state == RefreshState.IDLE
    assert _refreshes(desk) == 0


async def test_a_rate_limit_is_waited_out(desk: Any, nearly_expired: Any) -> None:
    reset = desk.clock.now() + 15 * MINUTE
    headers = {
        "x-rate-limit-limit": "1", "x-rate-limit-remaining": "0",
        "x-rate-limit-reset": str(int(reset.timestamp())),
    }  # fmt: skip
    desk.x.spoil(TOKEN, "status", status=429, headers=headers)

    assert await desk.client_for(nearly_expired.account_id)
    desk.clock.advance(14 * MINUTE)
    with pytest.raises(XUnavailable):
        await desk.client_for(nearly_expired.account_id)
    desk.clock.advance(MINUTE)

    assert await _works(desk, await desk.client_for(nearly_expired.account_id))
    assert _refreshes(desk) == 2


async def test_a_grant_ended_on_x_needs_a_new_consent_and_x_is_not_asked_again(
    desk: Any, nearly_expired: Any
) -> None:
    world = desk.x.app.world
    world.drop_grant(next(iter(world.grants)))

    for _ in range(3):
        with pytest.raises(ReconnectNeeded) as needed:
            await desk.client_for(nearly_expired.account_id)
    assert needed.value.fix
    assert _refreshes(desk) == 1
    await desk.sign_in()

    assert await _works(desk, await desk.client_for(nearly_expired.account_id))


async def test_a_wrong_secret_never_costs_an_account_its_grant(desk: Any, nearly_expired: Any) -> None:
    world = desk.x.app.world
    right = world.apps["perch-sandbox:ci"]
    world.keep_app(replace(right, client_secret="another"))

    assert await _works(desk, await desk.client_for(nearly_expired.account_id))
    desk.clock.advance(10 * MINUTE)
    with pytest.raises(AppBroken):
        await desk.client_for(nearly_expired.account_id)
    world.keep_app(right)
    desk.clock.advance(MINUTE)

    assert await _works(desk, await desk.client_for(nearly_expired.account_id))


async def _set(desk: Any, **columns: Any) -> None:
    async with desk.db.write() as session:
        await session.execute(update(Grant).values(**columns))


async def test_a_refresh_abandoned_by_a_dead_worker_counts_as_a_lost_answer(
    desk: Any, nearly_expired: Any
) -> None:
    await _set(
        desk,
        refresh_state=RefreshState.INFLIGHT,
        refresh_owner="dead",
        refresh_until=desk.clock.now() - timedelta(seconds=1),
    )

    assert await _works(desk, await desk.client_for(nearly_expired.account_id))
    assert _refreshes(desk) == 0
    desk.clock.advance(7 * MINUTE)

    assert await _works(desk, await desk.client_for(nearly_expired.account_id))
    assert _refreshes(desk) == 1


async def _held(desk: Any, account_id: int) -> Held:
    async with desk.db.read() as session:
        (held,) = await queries.grants_held(session, [account_id])
    return held


async def test_an_answer_that_outlived_its_lease_is_kept_unless_a_newer_pair_is_there(
    desk: Any, ada: Any
) -> None:
    held = await _held(desk, ada.account_id)
    pair: Any = {"access_token_sealed": held.access_token_sealed}
    storing = steps.StorePair(held, held.scope, pair, keeps_refusals=False)
    await _set(desk, refresh_state=RefreshState.DEAD)

    async with desk.db.write() as session:
        assert await steps.store_pair(session, [storing]) == [True]
        assert await steps.store_pair(session, [storing]) == [False]

    assert (await desk.grant(ada.account_id)).refresh_state == RefreshState.IDLE


async def test_a_database_that_is_full_for_a_moment_does_not_cost_the_new_pair(
    desk: Any, nearly_expired: Any
) -> None:
    async def make_room() -> None:
        async with desk.db.write() as session:
            await session.execute(text("DROP TRIGGER IF EXISTS full"))

    async with desk.db.write() as session:
        await session.execute(
            text(
                "CREATE TRIGGER full BEFORE UPDATE OF generation ON x_grant "
                "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
            )
        )
    desk.clock.before_sleep = make_room
    with structlog.testing.capture_logs() as logs:
        ready = await desk.client_for(nearly_expired.account_id)

    assert await _works(desk, ready)
    assert "pair_not_stored" in [log["event"] for log in logs]
    assert not [token for token in desk.x.tokens if token in repr(logs)]
    assert _refreshes(desk) == 1


async def test_a_new_consent_wins_over_a_refresh_under_way(desk: Any, nearly_expired: Any) -> None:
    desk.clock.sleeping_moves = False
    desk.x.spoil(TOKEN, "delay", seconds=0.15)
    asking = asyncio.create_task(desk.client_for(nearly_expired.account_id))
    while not desk.x.app.faults.rules[0].applied:
        await asyncio.sleep(0.001)

    await desk.sign_in()

    assert await _works(desk, await asking)
    grant = await desk.grant(nearly_expired.account_id)
    assert (grant.refresh_state, grant.generation) == (RefreshState.IDLE, 2)


async def test_a_refused_token_is_renewed_once(desk: Any, ada: Any) -> None:
    ready = await desk.client_for(ada.account_id)
    world = desk.x.app.world
    for token in [token for token in world.tokens.values() if token.kind == "access"]:
        world.drop_token(token.hash)
    with pytest.raises(Unauthorized):
        await ready.client.send(Me(), ready.bearer)

    renewed = await desk.refresh_after_401(ada.account_id, ready.bearer)

    assert await _works(desk, renewed)
    assert _refreshes(desk) == 1


async def test_whoever_was_refused_with_an_old_token_takes_the_siblings_new_one(desk: Any, ada: Any) -> None:
    ready = await desk.client_for(ada.account_id)
    first = await desk.refresh_after_401(ada.account_id, ready.bearer)

    second = await desk.refresh_after_401(ada.account_id, ready.bearer)

    assert second.bearer == first.bearer
    assert _refreshes(desk) == 1


async def test_without_offline_access_the_connection_ends_with_its_token(desk: Any, ada: Any) -> None:
    await _set(desk, refresh_token_sealed=None)

    ready = await desk.client_for(ada.account_id)
    desk.clock.advance(timedelta(hours=2))

    with pytest.raises(ReconnectNeeded, match="cannot be renewed"):
        await desk.client_for(ada.account_id)
    with pytest.raises(ReconnectNeeded):
        await desk.refresh_after_401(ada.account_id, ready.bearer)
    assert _refreshes(desk) == 0


async def test_sealed_tokens_open_in_their_own_row_only(desk: Any, ada: Any) -> None:
    ben = await desk.sign_in("sandbox_ben")
    one, other = await desk.grant(ada.account_id), await desk.grant(ben.account_id)

    async with desk.db.write() as session:
        for grant, foreign in ((one, other), (other, one)):
            await session.execute(
                update(Grant)
                .where(Grant.id == grant.id)
                .values(
                    access_token_sealed=foreign.access_token_sealed,
                    refresh_token_sealed=foreign.refresh_token_sealed,
                )
            )

    for who in (ada, ben):
        with pytest.raises(ReconnectNeeded, match="cannot be opened"):
            await desk.client_for(who.account_id)


async def test_an_access_token_does_not_open_as_a_refresh_token(desk: Any, nearly_expired: Any) -> None:
    grant = await desk.grant(nearly_expired.account_id)
    await _set(desk, refresh_token_sealed=grant.access_token_sealed)

    with pytest.raises(ReconnectNeeded, match="cannot be opened"):
        await desk.client_for(nearly_expired.account_id)
    assert _refreshes(desk) == 0


async def test_no_token_gets_into_logs_or_errors(desk: Any, nearly_expired: Any) -> None:
    secrets = set(desk.x.tokens)
    desk.x.spoil(TOKEN, "garbage", kind="html")
    with structlog.testing.capture_logs() as logs:
        await desk.client_for(nearly_expired.account_id)
        desk.clock.advance(7 * MINUTE)
        with pytest.raises(ReconnectNeeded) as needed:
            await desk.client_for(nearly_expired.account_id)

    told = repr(logs) + repr(needed.value) + needed.value.sentence
    assert "grant_not_renewed" in told
    secrets |= set(desk.x.tokens)
    assert len(secrets) == 4
    assert not [token for token in secrets if token in told]


async def test_an_unknown_account_is_not_here(desk: Any) -> None:
    with pytest.raises(NotHere):
        await desk.client_for(4711)


async def test_a_client_belongs_to_the_server_of_its_app(desk: Any, ada: Any) -> None:
    ready = await desk.client_for(ada.account_id)

    assert ready.client is desk.clients.at(desk.x.url)
    assert ready.client is not desk.clients.at("https://api.x.com")


async def test_two_tasks_of_one_process_share_a_refresh_whose_storing_takes_longer_than_its_claim(
    desk: Any, nearly_expired: Any
) -> None:
    async def forget_the_fault() -> None:
        desk.clock.advance(timedelta(seconds=60))
        async with desk.db.write() as session:
            await session.execute(text("DROP TRIGGER IF EXISTS full"))

    async with desk.db.write() as session:
        await session.execute(
            text(
                "CREATE TRIGGER full BEFORE UPDATE OF generation ON x_grant "
                "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
            )
        )
    desk.clock.before_sleep = forget_the_fault
    desk.clock.advance(10 * MINUTE)
    keyring = desk.keyring()

    ready = await asyncio.gather(*(keyring.client_for(nearly_expired.account_id) for _ in range(5)))

    assert len({one.bearer.token for one in ready}) == 1
    assert await _works(desk, ready[0])
    assert _refreshes(desk) == 1


async def test_a_process_that_slept_between_claim_and_socket_sends_nothing(
    desk: Any, nearly_expired: Any
) -> None:
    class Sleepy(type(desk.clock)):  # type: ignore[misc]
        """Each look at it is a minute after the one before."""

        def elapsed(self) -> float:
            self.advance(MINUTE)
            return float(super().elapsed())

    keyring = desk.keyring()
    sleepy = replace(keyring, refresher=replace(keyring.refresher, clock=Sleepy()))
    before = await desk.grant(nearly_expired.account_id)
    held = await _held(desk, nearly_expired.account_id)

    assert await sleepy.refresher.refresh(held) is None

    after = await desk.grant(nearly_expired.account_id)
    assert _refreshes(desk) == 0
    assert (after.generation, after.refresh_state) == (before.generation, RefreshState.IDLE)
    assert await _works(desk, await desk.client_for(nearly_expired.account_id))


async def _refused(desk: Any, account_id: int) -> Any:
    ready = await desk.client_for(account_id)
    return await desk.refresh_after_401(account_id, ready.bearer)


async def test_an_x_that_refuses_every_token_is_not_asked_for_one_after_another(desk: Any, ada: Any) -> None:
    await _refused(desk, ada.account_id)

    for _ in range(9):
        desk.clock.advance(MINUTE)
        with pytest.raises(XUnavailable, match="should accept"):
            await _refused(desk, ada.account_id)
    assert _refreshes(desk) == 1
    desk.clock.advance(2 * MINUTE)

    assert await _refused(desk, ada.account_id)
    assert _refreshes(desk) == 2


async def test_only_an_hour_of_refusals_asks_for_a_new_consent(desk: Any, ada: Any) -> None:
    await _refused(desk, ada.account_id)
    asked_after = []
    for minutes in range(5, 90, 5):
        desk.clock.advance(5 * MINUTE)
        try:
            await _refused(desk, ada.account_id)
        except XUnavailable:
            continue
        except ReconnectNeeded:
            asked_after.append(minutes)

    assert asked_after[0] >= 60
    assert (await desk.grant(ada.account_id)).refresh_state == RefreshState.IDLE


async def test_refusals_that_are_far_apart_are_no_outage(desk: Any, ada: Any) -> None:
    for _ in range(6):
        desk.clock.advance(25 * MINUTE)
        assert await _refused(desk, ada.account_id)


async def test_a_new_consent_forgets_the_refusals(desk: Any, ada: Any) -> None:
    await _refused(desk, ada.account_id)
    desk.clock.advance(MINUTE)

    await desk.sign_in()

    grant = await desk.grant(ada.account_id)
    assert (grant.refused_since, grant.refused_at) == (None, None)


REVOKE = "/2/oauth2/revoke"


async def test_nothing_is_revoked_before_a_refresh_unless_asked_for(desk: Any, nearly_expired: Any) -> None:
    await desk.client_for(nearly_expired.account_id)

    assert desk.x.count(REVOKE) == 0


async def test_where_asked_for_a_token_that_still_works_is_revoked_before_it_is_renewed(
    desk: Any, nearly_expired: Any
) -> None:
    desk.x.change(refresh_kills_access=False)
    keyring = desk.keyring(revokes_first=True)
    old = await desk.grant(nearly_expired.account_id)

    ready = await keyring.client_for(nearly_expired.account_id)

    assert desk.x.count(REVOKE) == 1
    assert await _works(desk, ready)
    assert (await desk.grant(nearly_expired.account_id)).generation == old.generation + 1
    kinds = [token.kind for token in desk.x.app.world.tokens.values()]
    assert kinds.count("access") == 1


async def test_a_token_that_has_ended_is_not_revoked(desk: Any, ada: Any) -> None:
    desk.clock.advance(timedelta(hours=3))

    await desk.keyring(revokes_first=True).client_for(ada.account_id)

    assert desk.x.count(REVOKE) == 0


async def test_a_revocation_that_fails_does_not_stop_the_refresh(desk: Any, nearly_expired: Any) -> None:
    desk.x.spoil(REVOKE, "status", status=503)

    ready = await desk.keyring(revokes_first=True).client_for(nearly_expired.account_id)

    assert await _works(desk, ready)


async def test_tokens_at_hand_are_read_together_and_stale_ones_left_out(desk: Any, ada: Any) -> None:
    ben = await desk.sign_in("sandbox_ben")
    desk.clock.advance(timedelta(minutes=100))
    cleo = await desk.sign_in("sandbox_cleo")
    desk.clock.advance(timedelta(minutes=15))

    found = await desk.keyring().at_hand([ada.account_id, ben.account_id, cleo.account_id, 4711])

    assert list(found) == [cleo.account_id]
    assert await _works(desk, found[cleo.account_id])


async def test_a_pair_won_for_an_account_that_was_disconnected_meanwhile_is_ended_on_x(
    desk: Any, nearly_expired: Any
) -> None:
    desk.clock.sleeping_moves = False
    desk.x.spoil(TOKEN, "delay", seconds=0.3)
    asking = asyncio.create_task(desk.client_for(nearly_expired.account_id))
    while not desk.x.app.faults.rules[0].applied:
        await asyncio.sleep(0.001)
    async with desk.db.write() as session:
        await queries.wipe_grant(session, nearly_expired.account_id, desk.clock.now())

    with pytest.raises(ReconnectNeeded):
        await asking
    assert desk.x.app.world.grants
    desk.clock.advance(2 * MINUTE)
    await revoking.sweep(desk.db.write, desk.clock, desk.sealer, desk.clients)

    assert not desk.x.app.world.grants

"""Signing in with X, end to end against the sandbox."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import func, select, update

from perch.accounts import connecting, errors, queries
from perch.accounts.connecting import Requester
from perch.accounts.health import Health
from perch.accounts.models import Grant, LoginAttempt, LoginFace, RefreshState, XAccount, XApp
from perch.people import inviting
from perch.people.errors import InvitationUnusable, NotAllowed, NotInvited
from perch.people.models import Identity, Membership, Person, Role, Workspace
from perch.seal import Sealer
from perch.settings import SignIn
from perch.x.errors import Forbidden
from perch.x.users import Me


async def _count(desk: Any, table: type) -> int:
    async with desk.db.read() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def _account(desk: Any, account_id: int) -> XAccount:
    async with desk.db.read() as session:
        return await queries.account_with_id(session, account_id)


async def test_a_sign_in_connects_the_account_and_lets_its_holder_in(desk: Any) -> None:
    finished = await desk.sign_in(next_path="/compose?text=hi", zone="Europe/Berlin")

    assert finished.signs_in
    assert finished.next_path == "/compose?text=hi"
    assert finished.face is LoginFace.BROWSER
    assert finished.username == "sandbox_ada"
    assert set(finished.scope.split()) >= {"tweet.write", "media.write", "offline.access"}
    assert (finished.missing_scopes, finished.warnings) == ((), ())
    async with desk.db.read() as session:
        (view,) = await queries.accounts_of(session, finished.workspace_id, desk.clock.now())
    assert (view.public_id, view.username, view.zone) == (
        finished.account_public_id,
        "sandbox_ada",
        "Europe/Berlin",
    )
    assert view.health is Health.GOOD
    assert view.avatar_url


async def test_the_way_to_x_carries_state_and_challenge_and_no_verifier(desk: Any) -> None:
    begun = await desk.begin()

    asked = parse_qs(urlsplit(begun.authorize_url).query)
    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["state"] == [begun.state]
    assert len(begun.state) == 43
    assert "code_verifier" not in asked
    assert begun.state not in repr(begun)


async def test_state_browser_and_verifier_are_not_in_the_database(desk: Any, tmp_path: Path) -> None:
    begun = await desk.begin()
    async with desk.db.read() as session:
        attempt = (await session.scalars(select(LoginAttempt))).one()
    await desk.db.close()

    kept = b"".join(path.read_bytes() for path in tmp_path.glob("perch.db*"))
    assert attempt.state_hash.encode() in kept
    assert begun.state.encode() not in kept
    assert begun.browser_token.encode() not in kept


async def test_no_token_of_x_is_in_the_database(desk: Any, tmp_path: Path) -> None:
    await desk.sign_in()
    await desk.sign_in("sandbox_ben")
    await desk.db.close()

    kept = b"".join(path.read_bytes() for path in tmp_path.glob("perch.db*"))
    assert len(desk.x.tokens) == 4
    assert not [token for token in desk.x.tokens if token.encode() in kept]


@pytest.mark.parametrize("face", [LoginFace.JSON, LoginFace.TERMINAL])
async def test_a_sign_in_without_a_browser_is_not_bound_to_one(desk: Any, face: LoginFace) -> None:
    begun = await desk.begin(face)

    assert begun.browser_token is None
    finished = await desk.finish(await desk.x.consent(begun, "sandbox_ada"), None)

    assert finished.face is face


async def test_the_face_is_known_after_the_sign_in_failed_too(desk: Any) -> None:
    begun = await desk.begin(LoginFace.JSON)
    with pytest.raises(errors.ConsentDenied):
        await desk.finish(await desk.x.consent(begun, "sandbox_ada", allow=False), None)

    async with desk.db.read() as session:
        assert await connecting.face_of(session, begun.state) is LoginFace.JSON
        assert await connecting.face_of(session, "made-up") is None
        assert await connecting.face_of(session, None) is None


@pytest.mark.parametrize(
    ("spend_first", "browser", "error"),
    [
        (False, "own", None),
        (False, "none", errors.OtherBrowser),
        (False, "made-up", errors.OtherBrowser),
        (False, "attackers", errors.OtherBrowser),
        (True, "own", errors.StateSpent),
        (True, "none", errors.OtherBrowser),
        (True, "made-up", errors.OtherBrowser),
        (True, "attackers", errors.OtherBrowser),
    ],
)
async def test_a_callback_counts_once_and_in_its_own_browser_only(
    desk: Any, spend_first: bool, browser: str, error: type[Exception] | None
) -> None:
    attacker = await desk.begin()
    victim = await desk.begin()
    tokens = {
        "own": victim.browser_token, "none": None, "made-up": "x" * 43, "attackers": attacker.browser_token
    }  # fmt: skip
    query = await desk.x.consent(victim, "sandbox_ada")
    if spend_first:
        await desk.finish(query, victim.browser_token)
    people = await _count(desk, Person)

    if error is None:
        assert await desk.finish(query, tokens[browser])
        return
    with pytest.raises(error):
        await desk.finish(query, tokens[browser])

    assert await _count(desk, Person) == people


async def test_an_attackers_callback_does_nothing_in_a_victims_browser(desk: Any) -> None:
    attacker, victim = await desk.begin(), await desk.begin()
    planted = await desk.x.consent(attacker, "sandbox_ben")

    with pytest.raises(errors.OtherBrowser):
        await desk.finish(planted, victim.browser_token)

    assert await _count(desk, XAccount) == 0
    assert await desk.finish(planted, attacker.browser_token)


async def test_another_browser_does_not_use_up_a_sign_in(desk: Any) -> None:
    begun = await desk.begin()
    query = await desk.x.consent(begun, "sandbox_ada")
    with pytest.raises(errors.OtherBrowser):
        await desk.finish(query, None)

    assert await desk.finish(query, begun.browser_token)


async def test_two_tabs_of_one_browser_can_sign_in_side_by_side(desk: Any) -> None:
    first = await desk.begin()
    second = await desk.begin(browser_token=first.browser_token)

    assert second.browser_token == first.browser_token
    assert await desk.finish(await desk.x.consent(first, "sandbox_ada"), second.browser_token)
    assert await desk.finish(await desk.x.consent(second, "sandbox_ada"), second.browser_token)


@pytest.mark.parametrize("planted", ["", "short", "x" * 44, "ü" * 43])
async def test_a_browser_token_of_an_odd_shape_is_replaced(desk: Any, planted: str) -> None:
    begun = await desk.begin(browser_token=planted)

    assert begun.browser_token != planted
    assert len(begun.browser_token) == 43


async def test_ten_minutes_a_replay_and_a_wrong_state_are_told_apart(desk: Any) -> None:
    slow, used = await desk.begin(), await desk.begin()
    slow_query = await desk.x.consent(slow, "sandbox_ada")
    used_query = await desk.x.consent(used, "sandbox_ada")
    await desk.finish(used_query, used.browser_token)

    desk.clock.advance(timedelta(minutes=10))

    with pytest.raises(errors.StateExpired, match="ten minutes"):
        await desk.finish(slow_query, slow.browser_token)
    with pytest.raises(errors.StateSpent, match="used already"):
        await desk.finish(used_query, used.browser_token)
    with pytest.raises(errors.StateUnknown, match="not begun here"):
        await desk.finish([("code", "c"), ("state", "made-up")], slow.browser_token)


async def test_a_sign_in_just_inside_ten_minutes_works(desk: Any) -> None:
    begun = await desk.begin()
    desk.clock.advance(timedelta(minutes=9, seconds=59))

    assert await desk.finish(await desk.x.consent(begun, "sandbox_ada"), begun.browser_token)


async def test_old_sign_ins_are_forgotten_after_a_day(desk: Any) -> None:
    begun = await desk.begin()
    desk.clock.advance(timedelta(days=1, minutes=11))
    await desk.begin()

    assert await _count(desk, LoginAttempt) == 1
    with pytest.raises(errors.StateUnknown):
        await desk.finish([("code", "c"), ("state", begun.state)], begun.browser_token)


async def test_denial_is_told_and_uses_the_sign_in_up(desk: Any) -> None:
    begun = await desk.begin()
    query = await desk.x.consent(begun, "sandbox_ada", allow=False)

    with pytest.raises(errors.ConsentDenied) as denied:
        await desk.finish(query, begun.browser_token)
    with pytest.raises(errors.StateSpent):
        await desk.finish(query, begun.browser_token)

    assert denied.value.status == 403
    assert "not allowed" in denied.value.sentence


async def test_markup_in_an_error_is_not_repeated(desk: Any) -> None:
    begun = await desk.begin()

    with pytest.raises(errors.ConsentDenied) as denied:
        await desk.finish(
            [("error", "<script>alert(1)</script>"), ("state", begun.state)], begun.browser_token
        )

    assert "<" not in denied.value.sentence


@pytest.mark.parametrize("query", [[], [("code", "c")], [("error", ""), ("code", "c")]])
async def test_a_callback_without_state_is_no_sign_in(desk: Any, query: list[tuple[str, str]]) -> None:
    begun = await desk.begin()

    with pytest.raises(errors.CallbackBroken, match="missing"):
        await desk.finish(query, begun.browser_token)


async def test_a_callback_without_code_is_no_sign_in(desk: Any) -> None:
    begun = await desk.begin()

    with pytest.raises(errors.CallbackBroken, match="missing"):
        await desk.finish([("state", begun.state)], begun.browser_token)


async def test_a_denial_that_comes_without_its_state_is_told_as_one(desk: Any) -> None:
    with pytest.raises(errors.ConsentDenied):
        await desk.finish([("error", "access_denied")], None)


async def test_what_x_gives_as_a_reason_is_repeated(desk: Any) -> None:
    begun = await desk.begin()

    with pytest.raises(errors.ConsentDenied, match="temporarily_unavailable"):
        await desk.finish([("error", "temporarily_unavailable"), ("state", begun.state)], begun.browser_token)


async def test_a_code_that_is_too_old_is_refused(desk: Any) -> None:
    begun = await desk.begin()
    query = await desk.x.consent(begun, "sandbox_ada")
    desk.clock.advance(timedelta(seconds=31))

    with pytest.raises(errors.CodeRefused, match="30 seconds"):
        await desk.finish(query, begun.browser_token)

    assert await _count(desk, Person) == 0


async def test_a_code_of_another_sign_in_is_refused_by_its_verifier(desk: Any) -> None:
    begun, other = await desk.begin(), await desk.begin()
    stolen = dict(await desk.x.consent(other, "sandbox_ben"))["code"]

    with pytest.raises(errors.CodeRefused):
        await desk.finish([("code", stolen), ("state", begun.state)], begun.browser_token)


async def test_a_wrong_secret_is_the_operators_matter(desk: Any) -> None:
    world = desk.x.app.world
    world.keep_app(replace(world.apps["perch-sandbox:ci"], client_secret="another"))

    with pytest.raises(errors.AppBroken, match="no account is at fault"):
        await desk.sign_in()


async def test_a_sandbox_that_is_down_is_told_as_such(desk: Any) -> None:
    begun = await desk.begin()
    query = await desk.x.consent(begun, "sandbox_ada")
    async with desk.db.write() as session:
        await session.execute(update(XApp).values(api_url="http://127.0.0.1:1"))

    with pytest.raises(errors.XUnavailable):
        await desk.finish(query, begun.browser_token)


@pytest.mark.parametrize(
    ("action", "more"),
    [("status", {"status": 503}), ("commit_then_drop", {}), ("garbage", {"kind": "html"}), ("cut", {})],
)
async def test_no_answer_to_the_code_ends_the_sign_in_cleanly(
    desk: Any, action: str, more: dict[str, Any]
) -> None:
    desk.x.spoil("/2/oauth2/token", action, **more)

    with pytest.raises(errors.XUnavailable):
        await desk.sign_in()

    assert desk.x.count("/2/oauth2/token") == 1
    assert await _count(desk, Person) == 0
    assert await desk.sign_in()


async def test_the_question_who_this_is_is_asked_once_more(desk: Any) -> None:
    desk.x.spoil("/2/users/me", "status", status=503)

    assert await desk.sign_in()
    desk.x.spoil("/2/users/me", "status", status=503, times=2)

    with pytest.raises(errors.XUnavailable):
        await desk.sign_in()


async def test_a_suspended_account_hears_what_x_said(desk: Any) -> None:
    begun = await desk.begin()
    query = await desk.x.consent(begun, "sandbox_ada")
    desk.x.spoil(
        "/2/users/me", "status", status=403,
        body={"title": "Forbidden", "detail": "The user used for authentication is suspended"},
    )  # fmt: skip

    with pytest.raises(Forbidden, match="suspended"):
        await desk.finish(query, begun.browser_token)


async def _sign_in_with(desk: Any, scope: str) -> Any:
    begun = await desk.begin()
    query = parse_qs(urlsplit(begun.authorize_url).query)
    asked = "&".join(
        f"{name}={scope.replace(' ', '%20') if name == 'scope' else value[0]}"
        for name, value in query.items()
    )
    begun = replace(begun, authorize_url=f"{begun.authorize_url.partition('?')[0]}?{asked}")
    return await desk.finish(await desk.x.consent(begun, "sandbox_ada"), begun.browser_token)


@pytest.mark.parametrize("missing", ["tweet.read", "users.read", "tweet.write"])
async def test_without_what_posting_needs_nothing_is_connected(desk: Any, missing: str) -> None:
    scopes = {"tweet.read", "tweet.write", "users.read", "media.write", "offline.access"} - {missing}

    with pytest.raises(errors.MissingScopes, match=missing.replace(".", r"\.")):
        await _sign_in_with(desk, " ".join(scopes))

    assert await _count(desk, XAccount) == 0


async def test_without_media_write_it_is_connected_with_a_warning(desk: Any) -> None:
    finished = await _sign_in_with(desk, "tweet.read tweet.write users.read offline.access")

    assert finished.missing_scopes == ("media.write",)
    assert finished.warnings == ("Pictures and videos cannot be attached.",)
    async with desk.db.read() as session:
        (view,) = await queries.accounts_of(session, finished.workspace_id, desk.clock.now())
    assert view.is_connected
    assert view.missing_scopes == ("media.write",)
    assert view.warnings == finished.warnings


async def test_signing_in_again_keeps_account_and_zone_and_replaces_the_grant(desk: Any) -> None:
    first = await desk.sign_in(zone="Europe/Berlin")
    async with desk.db.read() as session:
        before = await queries.grant_of(session, first.account_id)

    again = await desk.sign_in(zone="Asia/Tokyo")

    assert (again.account_id, again.person_id) == (first.account_id, first.person_id)
    assert (await _account(desk, again.account_id)).zone == "Europe/Berlin"
    async with desk.db.read() as session:
        after = await queries.grant_of(session, first.account_id)
    assert await _count(desk, Grant) == 1
    assert before is not None
    assert after is not None
    assert after.generation == before.generation + 1
    assert after.access_token_sealed != before.access_token_sealed


@pytest.mark.parametrize(
    "zone", [None, "", "Mars/Olympus", "../../etc/passwd", "Europe", "/etc/localtime", "\x00"]
)
async def test_a_zone_that_is_none_becomes_utc(desk: Any, zone: str | None) -> None:
    finished = await desk.sign_in(zone=zone)

    assert (await _account(desk, finished.account_id)).zone == "UTC"


async def test_first_come_first_owner_and_a_refusal_keeps_nothing(desk: Any) -> None:
    await desk.sign_in("sandbox_ada", SignIn.FIRST)

    with pytest.raises(NotInvited):
        await desk.sign_in("sandbox_ben", SignIn.FIRST)

    assert await _count(desk, XAccount) == 1
    assert await _count(desk, Person) == 1
    assert await desk.sign_in("sandbox_ada", SignIn.FIRST)


async def test_of_two_who_come_first_at_once_one_becomes_owner(desk: Any) -> None:
    outcomes = await asyncio.gather(
        *(desk.sign_in(name, SignIn.FIRST) for name in ("sandbox_ada", "sandbox_ben", "sandbox_cleo")),
        return_exceptions=True,
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Finished", "NotInvited", "NotInvited"]
    assert await _count(desk, Workspace) == 1


async def test_of_two_tabs_of_one_person_both_get_in_to_one_workspace(desk: Any) -> None:
    outcomes = await asyncio.gather(*(desk.sign_in("sandbox_ada", SignIn.FIRST) for _ in range(2)))

    assert outcomes[0].account_id == outcomes[1].account_id
    assert await _count(desk, Workspace) == await _count(desk, Person) == 1


async def test_a_callback_that_arrives_twice_at_once_counts_once(desk: Any) -> None:
    begun = await desk.begin()
    query = await desk.x.consent(begun, "sandbox_ada")

    outcomes = await asyncio.gather(
        *(desk.finish(query, begun.browser_token) for _ in range(5)), return_exceptions=True
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Finished", *["StateSpent"] * 4]
    assert desk.x.count("/2/oauth2/token") == 1


async def _invite(desk: Any, workspace_id: int, role: Role) -> str:
    async with desk.db.write() as session:
        return await inviting.invite(session, desk.clock, workspace_id, role)


async def test_an_invited_teammate_lands_in_the_owners_workspace(desk: Any) -> None:
    owner = await desk.sign_in("sandbox_ada", SignIn.FIRST)
    link = await _invite(desk, owner.workspace_id, Role.WRITER)

    teammate = await desk.sign_in("sandbox_ben", SignIn.FIRST, invitation=link)

    assert teammate.workspace_id == owner.workspace_id
    assert teammate.person_id != owner.person_id
    with pytest.raises(InvitationUnusable):
        await desk.begin(invitation=link)


async def _connect(desk: Any, who: Any, username: str, account_id: int | None = None) -> Any:
    requester = Requester(who.person_id, who.workspace_id, account_id)
    return await desk.sign_in(username, SignIn.FIRST, requester=requester)


async def test_an_owner_connects_a_second_account_which_is_no_login(desk: Any) -> None:
    owner = await desk.sign_in("sandbox_ada", SignIn.FIRST)

    connected = await _connect(desk, owner, "sandbox_ben")

    assert not connected.signs_in
    assert connected.person_id == owner.person_id
    assert (await _account(desk, connected.account_id)).workspace_id == owner.workspace_id
    assert await _count(desk, Identity) == 1
    with pytest.raises(NotInvited):
        await desk.sign_in("sandbox_ben", SignIn.FIRST)


async def test_the_first_account_of_its_kind_of_app_signs_in_whoever_connects_it(desk: Any) -> None:
    owner = await desk.sign_in("sandbox_ada", SignIn.FIRST)
    async with desk.db.write() as session:  # as if the owner had come through the other kind of app
        here = await session.scalar(select(Identity.app_kind))
        await session.execute(update(Identity).values(app_kind="live" if here == "sandbox" else "sandbox"))

    connected = await _connect(desk, owner, "sandbox_ben")

    again = await desk.sign_in("sandbox_ben", SignIn.FIRST)
    assert (again.person_id, again.workspace_id) == (owner.person_id, owner.workspace_id)
    assert again.account_id == connected.account_id
    with pytest.raises(NotInvited):
        await desk.sign_in("sandbox_cleo", SignIn.FIRST)


async def test_a_teammate_who_is_no_owner_cannot_connect_accounts(desk: Any) -> None:
    owner = await desk.sign_in("sandbox_ada", SignIn.FIRST)
    link = await _invite(desk, owner.workspace_id, Role.EDITOR)
    teammate = await desk.sign_in("sandbox_ben", SignIn.FIRST, invitation=link)

    with pytest.raises(NotAllowed):
        await _connect(desk, teammate, "sandbox_cleo")


async def test_a_stranger_cannot_connect_into_a_workspace(desk: Any) -> None:
    owner, stranger = await desk.sign_in("sandbox_ada"), await desk.sign_in("sandbox_ben")

    with pytest.raises(NotAllowed):
        await _connect(desk, replace(stranger, workspace_id=owner.workspace_id), "sandbox_cleo")


async def test_whoever_was_removed_meanwhile_connects_nothing(desk: Any) -> None:
    owner = await desk.sign_in("sandbox_ada")
    begun = await desk.begin(requester=Requester(owner.person_id, owner.workspace_id))
    query = await desk.x.consent(begun, "sandbox_ben")
    async with desk.db.write() as session:
        await session.execute(update(Membership).values(role=Role.VIEWER))

    with pytest.raises(NotAllowed):
        await desk.finish(query, begun.browser_token)

    assert await _count(desk, XAccount) == 1


async def test_an_account_of_another_workspace_is_not_taken_over(desk: Any) -> None:
    ada, ben = await desk.sign_in("sandbox_ada"), await desk.sign_in("sandbox_ben")

    with pytest.raises(errors.AccountTaken, match="@sandbox_ben already belongs"):
        await _connect(desk, ada, "sandbox_ben")

    assert (await _account(desk, ben.account_id)).workspace_id == ben.workspace_id


async def test_the_holder_of_an_account_somebody_else_connected_is_refused_with_a_reason(desk: Any) -> None:
    ada = await desk.sign_in("sandbox_ada")
    await _connect(desk, ada, "sandbox_ben")

    with pytest.raises(errors.AccountTaken):
        await desk.sign_in("sandbox_ben", SignIn.OPEN)

    assert await _count(desk, Workspace) == 1


async def test_reconnecting_as_somebody_else_changes_nothing(desk: Any) -> None:
    ada = await desk.sign_in("sandbox_ada")

    with pytest.raises(errors.DifferentAccount, match=r"reconnect @sandbox_ada, but .* @sandbox_ben"):
        await _connect(desk, ada, "sandbox_ben", ada.account_id)
    assert await _count(desk, XAccount) == 1

    assert (await _connect(desk, ada, "sandbox_ada", ada.account_id)).account_id == ada.account_id


async def test_who_came_instead_of_the_one_to_reconnect_stays_signed_in_too(desk: Any) -> None:
    ada = await desk.sign_in("sandbox_ada")
    ben = await _connect(desk, ada, "sandbox_ben")

    with pytest.raises(errors.DifferentAccount):
        await _connect(desk, ada, "sandbox_ben", ada.account_id)

    for finished in (ada, ben):
        ready = await desk.client_for(finished.account_id)
        assert (await ready.client.send(Me(), ready.bearer)).result.id == ready.x_user_id


async def _lost(desk: Any) -> Any:
    """An owner whose sign-in X has ended."""
    ada = await desk.sign_in("sandbox_ada")
    world = desk.x.app.world
    world.drop_grant(next(iter(world.grants)))
    desk.clock.advance(timedelta(hours=2))
    with pytest.raises(errors.ReconnectNeeded):
        await desk.client_for(ada.account_id)
    return ada


async def test_an_owner_reconnects_and_the_grant_is_replaced_whole(desk: Any) -> None:
    ada = await _lost(desk)
    before = await desk.grant(ada.account_id)

    await _connect(desk, ada, "sandbox_ada", ada.account_id)

    after = await desk.grant(ada.account_id)
    assert (after.refresh_state, after.refresh_owner, after.refresh_until) == (RefreshState.IDLE, None, None)
    assert after.generation == before.generation + 1
    assert after.granted_at == desk.clock.now()
    ready = await desk.client_for(ada.account_id)
    assert (await ready.client.send(Me(), ready.bearer)).result.id == ready.x_user_id


async def test_a_teammate_who_may_connect_reconnects_for_everybody(desk: Any) -> None:
    ada = await _lost(desk)
    async with desk.db.write() as session:
        link = await inviting.invite(session, desk.clock, ada.workspace_id, Role.OWNER)
    teammate = await desk.sign_in("sandbox_ben", invitation=link)

    await _connect(desk, replace(teammate, workspace_id=ada.workspace_id), "sandbox_ada", ada.account_id)

    assert (await desk.client_for(ada.account_id)).username == "sandbox_ada"


async def test_a_stranger_reconnects_nobody(desk: Any) -> None:
    ada = await _lost(desk)
    stranger = await desk.sign_in("sandbox_ben")

    with pytest.raises(errors.AccountTaken):
        await _connect(desk, stranger, "sandbox_ada", ada.account_id)

    assert (await desk.grant(ada.account_id)).refresh_state == RefreshState.DEAD


async def test_a_verifier_sealed_with_a_lost_key_does_not_open(desk: Any) -> None:
    begun = await desk.begin()
    query = await desk.x.consent(begun, "sandbox_ada")
    desk.sealer = Sealer("k2:another-key")

    with pytest.raises(Exception, match="PERCH_SECRET_KEY"):
        await desk.finish(query, begun.browser_token)

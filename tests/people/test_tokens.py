import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from perch.db import Database
from perch.people import queries, tokens
from perch.people.errors import NotAllowed, NotHere
from perch.people.joining import Admitted
from perch.people.models import Membership, Role, TokenKind
from perch.people.tokens import Caller, Issued, Scope

Admit = Callable[..., Awaitable[Admitted]]


@pytest.fixture
def issue(db: Database, clock: Any) -> Callable[..., Awaitable[Issued]]:
    async def make(who: Admitted, *scopes: Scope, kind: TokenKind = TokenKind.KEY) -> Issued:
        async with db.write() as session:
            return await tokens.issue(
                session, clock, kind,
                person_id=who.person_id, workspace_id=who.workspace_id, name="my bot", scopes=scopes,
            )  # fmt: skip

    return make


@pytest.fixture
def find(db: Database, clock: Any) -> Callable[[str], Awaitable[Caller | None]]:
    async def look(bearer: str) -> Caller | None:
        async with db.read() as session:
            return await tokens.find(session, clock, bearer)

    return look


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (TokenKind.GPT, r"perch_gpt_[A-Za-z0-9_-]{43}"),
        (TokenKind.KEY, r"perch_pat_[A-Za-z0-9_-]{43}"),
    ],
)
async def test_a_token_says_what_it_is_and_no_more(
    admit: Admit, issue: Any, kind: TokenKind, shape: str
) -> None:
    issued = await issue(await admit("1"), Scope.POSTS_READ, kind=kind)

    assert re.fullmatch(shape, issued.token)
    assert issued.token not in repr(issued)


async def test_a_token_speaks_for_its_person_within_its_scope(admit: Admit, issue: Any, find: Any) -> None:
    ada = await admit("1")

    issued = await issue(ada, Scope.PUBLISH_DIRECT, Scope.POSTS_READ)
    caller = await find(issued.token)

    assert issued.scope == "posts:read publish:direct"
    assert (caller.person_id, caller.workspace_id) == (ada.person_id, ada.workspace_id)
    assert caller.allows(Scope.POSTS_READ)
    assert caller.allows(Scope.PUBLISH_DIRECT)
    assert not caller.allows(Scope.DRAFTS_WRITE)
    with pytest.raises(NotAllowed, match="drafts:write"):
        caller.require(Scope.DRAFTS_WRITE)


async def test_a_scope_never_reaches_further_than_the_role(
    admit: Admit, issue: Any, find: Any, db: Database
) -> None:
    ada = await admit("1")
    issued = await issue(ada, Scope.PUBLISH_DIRECT)

    async with db.write() as session:
        await session.execute(update(Membership).values(role=Role.WRITER))

    assert not (await find(issued.token)).allows(Scope.PUBLISH_DIRECT)


async def test_only_a_hash_of_the_token_is_kept(
    admit: Admit, issue: Any, tmp_path: Path, db: Database
) -> None:
    issued = await issue(await admit("1"))
    await db.close()

    kept = b"".join(path.read_bytes() for path in tmp_path.glob("perch.db*"))
    assert issued.token.encode() not in kept
    assert issued.token.removeprefix("perch_pat_").encode() not in kept


@pytest.mark.parametrize(
    "bearer", ["", "perch_pat_", "perch_pat_made-up", "Bearer", "\x00", "perch_gpt_" + "x" * 43]
)
async def test_made_up_tokens_speak_for_nobody(admit: Admit, issue: Any, find: Any, bearer: str) -> None:
    await issue(await admit("1"))

    assert await find(bearer) is None


async def test_a_token_expires(admit: Admit, issue: Any, find: Any, clock: Any) -> None:
    issued = await issue(await admit("1"))

    clock.advance(tokens.LIFETIME - timedelta(seconds=1))
    assert await find(issued.token) is not None
    clock.advance(timedelta(seconds=1))

    assert await find(issued.token) is None


async def test_an_owner_revokes_a_token_and_a_stranger_cannot(
    admit: Admit, issue: Any, find: Any, clock: Any, db: Database
) -> None:
    owner, stranger = await admit("1"), await admit("2")
    issued = await issue(owner)

    with pytest.raises(NotHere):
        async with db.write() as session:
            await tokens.revoke(session, clock, stranger.workspace_id, issued.public_id)
    assert await find(issued.token) is not None
    async with db.write() as session:
        await tokens.revoke(session, clock, owner.workspace_id, issued.public_id)

    assert await find(issued.token) is None
    with pytest.raises(NotHere):
        async with db.write() as session:
            await tokens.revoke(session, clock, owner.workspace_id, issued.public_id)


async def test_the_list_of_tokens_is_the_workspaces_own(
    admit: Admit, issue: Any, clock: Any, db: Database
) -> None:
    owner, stranger = await admit("1"), await admit("2")
    kept, revoked, _foreign = await issue(owner), await issue(owner), await issue(stranger)
    async with db.write() as session:
        await tokens.revoke(session, clock, owner.workspace_id, revoked.public_id)

    async with db.read() as session:
        listed = await queries.api_tokens_of(session, owner.workspace_id)

    assert [token.public_id for token in listed] == [kept.public_id]


async def test_use_is_noted_every_ten_minutes_only(
    admit: Admit, issue: Any, find: Any, clock: Any, db: Database
) -> None:
    issued = await issue(await admit("1"))

    caller = await find(issued.token)
    assert caller.unseen
    async with db.write() as session:
        await tokens.touch(session, clock, caller)
    assert not (await find(issued.token)).unseen
    clock.advance(timedelta(minutes=10))

    assert (await find(issued.token)).unseen

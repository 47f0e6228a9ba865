"""Brakes put on and taken off: the rows of accounts and X apps, their posts, and what people are told.

A step of the committer, so that every brake of a moment is in one transaction. Nothing here commits.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts.models import XAccount, XApp
from perch.notices import telling
from perch.notices.telling import News
from perch.posts import chain
from perch.posts.models import Post
from perch.posts.pausing import Brake, Mended, Pause, Rest, UnsaidRest, Whose, is_app_wide, words

_PROBE = "a post that went out"
_LINKS = {Whose.ACCOUNT: "/accounts", Whose.APP: None}


@dataclass(frozen=True, slots=True)
class Braking:
    """What an answer to this account's post means for the account and its app."""

    account_id: int
    at: datetime
    brakes: tuple[Brake, ...]


async def put_on(session: AsyncSession, brakings: Sequence[Braking]) -> list[None]:
    """Note every brake, and tell of each cause once."""
    if not brakings:
        return []
    rows = await _locked(session, {braking.account_id for braking in brakings})
    for braking in brakings:
        account, app = rows[braking.account_id]
        for brake in braking.brakes:
            await _put_on(session, account, app, brake, braking.at)
    await session.flush()
    return [None] * len(brakings)


async def release_account(
    session: AsyncSession, account: XAccount, reasons: Collection[str], now: datetime, name: str
) -> list[int]:
    """Its own pause is over if it is for one of these reasons; its posts go on. Returns their ids."""
    if account.paused_reason in reasons:
        account.paused_reason = account.paused_until = None
        await session.flush()
    own = [reason for reason in reasons if not is_app_wide(reason)]
    await telling.mended(session, [cause(reason, Whose.ACCOUNT, account) for reason in own], now)
    return await _free(session, Post.account_id == account.id, own, now, name)


async def release_app(
    session: AsyncSession, app: XApp, reasons: Collection[str], now: datetime, name: str
) -> list[int]:
    """Its pause is over if it is for one of these reasons; all its posts go on. Returns their ids."""
    if app.paused_reason in reasons:
        app.paused_reason = app.paused_until = None
        await session.flush()
    wide = [reason for reason in reasons if is_app_wide(reason)]
    await telling.mended(session, [cause(reason, Whose.APP, app) for reason in wide], now)
    theirs = select(XAccount.id).where(XAccount.app_id == app.id)
    return await _free(session, Post.account_id.in_(theirs), wide, now, name)


def cause(reason: str, whose: Whose, row: XAccount | XApp) -> str:
    """The name of a pause's cause, by which it is told once."""
    return f"{reason}:{whose}:{row.public_id}"


async def _locked(session: AsyncSession, account_ids: Collection[int]) -> dict[int, tuple[XAccount, XApp]]:
    found = await session.execute(
        select(XAccount, XApp)
        .join(XApp, XApp.id == XAccount.app_id)
        .where(XAccount.id.in_(account_ids))
        .order_by(XApp.id, XAccount.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {account.id: (account, app) for account, app in found}


async def _put_on(session: AsyncSession, account: XAccount, app: XApp, brake: Brake, now: datetime) -> None:
    match brake:
        case Pause(whose=whose):
            await _pause(session, account, app if whose is Whose.APP else account, brake, now)
        case Rest(whose=whose, until=until):
            row = app if whose is Whose.APP else account
            row.rests_until = max(row.rests_until or until, until)
        case UnsaidRest(whose=whose):
            _rest(app if whose is Whose.APP else account, brake)
        case Mended():
            await _mended(session, account, app, now)
        case never:
            assert_never(never)


async def _pause(
    session: AsyncSession, account: XAccount, row: XAccount | XApp, pause: Pause, now: datetime
) -> None:
    row.paused_reason, row.paused_until = pause.reason, pause.probe_at
    sentence, fix = words(pause, account.username)
    news = News(
        cause=cause(pause.reason, pause.whose, row),
        kind=pause.reason,
        sentence=sentence,
        fix=fix,
        workspace_id=account.workspace_id if pause.whose is Whose.ACCOUNT else None,
        link=_LINKS[pause.whose],
    )
    await telling.tell(session, [news], now)


def _rest(row: XAccount | XApp, brake: UnsaidRest) -> None:
    # After as long a quiet time as the last rest took, the next one is a first one again.
    last = brake.waits[min(row.rests, len(brake.waits)) - 1] if row.rests else brake.waits[0]
    in_a_row = row.rests if row.rests_until and brake.since <= row.rests_until + last else 0
    row.rests_until = brake.since + brake.waits[min(in_a_row, len(brake.waits) - 1)]
    row.rests = in_a_row + 1


async def _mended(session: AsyncSession, account: XAccount, app: XApp, now: datetime) -> None:
    """X took a probe's post: whatever held account and app is over."""
    if app.paused_reason is not None:
        await release_app(session, app, [app.paused_reason], now, _PROBE)
    if account.paused_reason is not None:
        await release_account(session, account, [account.paused_reason], now, _PROBE)


async def _free(
    session: AsyncSession, theirs: ColumnElement[bool], reasons: Collection[str], now: datetime, name: str
) -> list[int]:
    """Posts that met the cause themselves wait no longer, and their stories say why."""
    waiting = await session.scalars(
        select(Post.id).where(theirs, Post.paused_reason.in_(reasons)).order_by(Post.id).with_for_update()
    )
    if not (ids := list(waiting.all())):
        return []
    await session.execute(
        update(Post).where(Post.id.in_(ids)).values(paused_reason=None, try_at=None),
        execution_options={"synchronize_session": False},
    )
    await chain.append(session, [chain.Happening(one, now, "resumed", {"name": name}) for one in ids])
    return ids

"""Recurring posts: made, changed, paused and ended. Their occurrences are ordinary posts."""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts.models import XAccount
from perch.clock import Clock
from perch.jobs import Engine
from perch.notices import telling
from perch.posts import chain, queries, rhythms
from perch.posts.errors import PostNotFound
from perch.posts.growing import cause_of, grow, locked
from perch.posts.models import Post, PostState, Recurrence, RecurrenceState
from perch.posts.refrains import (
    Refrain,
    Rhythm,
    columns,
    first_local,
    read_refrain,
    require_sayable,
    require_texts,
    write_variants,
)
from perch.posts.walls import Wall


async def create(
    session: AsyncSession, clock: Clock, engine: Engine, refrain: Refrain, rhythm: Rhythm
) -> Recurrence:
    """A recurring post with its first occurrences.

    Raises RuleBroken, WrongRule, WrongRecurrence, UnknownZone, PostNotFound.
    """
    require_texts(refrain)
    now, first = clock.now(), refrain.variants[0]
    account = await session.get_one(XAccount, first.account_id)
    made = Recurrence(
        workspace_id=first.workspace_id, account_id=account.id, author_kind=first.author.kind,
        author_id=first.author.id, author_name=first.author.name, state=RecurrenceState.ON, made=0,
        created_at=now, updated_at=now, **columns(rhythm, account, now),
    )  # fmt: skip
    await require_sayable(session, clock, refrain, made)
    session.add(made)
    await session.flush()
    await write_variants(session, made.id, refrain)
    await grow(session, clock, engine, made)
    await session.flush()
    return made


async def change(
    session: AsyncSession,
    clock: Clock,
    engine: Engine,
    recurrence: Recurrence,
    name: str,
    *,
    refrain: Refrain | None = None,
    rhythm: Rhythm | None = None,
) -> None:
    """Other words or another rhythm, also to take up again what was paused: what is not sent is made anew."""
    now = clock.now()
    row = await locked(session, recurrence.id)
    await _withdraw(session, row, now, name)
    if rhythm:
        account = await session.get_one(XAccount, row.account_id)
        for column, value in columns(rhythm, account, now).items():
            setattr(row, column, value)
    await require_sayable(session, clock, refrain or await read_refrain(session, row), row)
    if refrain:
        await write_variants(session, row.id, refrain)
    row.state, row.why, row.updated_at = RecurrenceState.ON, None, now
    row.next_local = first_local(row.rule, row.zone, max(now, row.starts_at))
    await telling.mended(session, [cause_of(row)], now)
    await session.flush()
    await grow(session, clock, engine, row)
    await session.flush()


async def pause(session: AsyncSession, clock: Clock, recurrence: Recurrence, name: str) -> None:
    """Nothing more of it goes out until it is changed or resumed."""
    await _end(session, clock, recurrence, RecurrenceState.PAUSED, f"Paused by {name}.", name)


async def stop(session: AsyncSession, clock: Clock, recurrence: Recurrence, name: str) -> None:
    """It ends here; what was sent stays."""
    await _end(session, clock, recurrence, RecurrenceState.ENDED, f"Ended by {name}.", name)


def upcoming(recurrence: Recurrence, now: datetime, count: int) -> list[Wall]:
    """Its next times from now on, made already or not. Pure."""
    if recurrence.state != RecurrenceState.ON:
        return []
    since = max(now, recurrence.starts_at)
    walls = list(islice(rhythms.readings(recurrence.rule, recurrence.zone, None, since), count))
    return [wall for wall in walls if recurrence.ends_at is None or wall.at <= recurrence.ends_at]


async def of_workspace(session: AsyncSession, workspace_id: int) -> Sequence[Recurrence]:
    """Every recurring post of a workspace, the newest first."""
    found = await session.scalars(
        select(Recurrence).where(Recurrence.workspace_id == workspace_id).order_by(Recurrence.id.desc())
    )
    return found.all()


async def named(session: AsyncSession, workspace_id: int, public_id: str) -> Recurrence:
    """Raises PostNotFound for those of other workspaces too."""
    found = await session.scalar(
        select(Recurrence).where(Recurrence.workspace_id == workspace_id, Recurrence.public_id == public_id)
    )
    if found is None:
        raise PostNotFound("There is no such recurring post here.", fix="Look at the list of them.")
    return found


async def _end(
    session: AsyncSession,
    clock: Clock,
    recurrence: Recurrence,
    state: RecurrenceState,
    why: str,
    name: str,
) -> None:
    row = await locked(session, recurrence.id)
    await _withdraw(session, row, clock.now(), name)
    row.state, row.why, row.next_local, row.updated_at = state, why, None, clock.now()
    await telling.mended(session, [cause_of(row)], clock.now())
    await session.flush()


async def _withdraw(session: AsyncSession, recurrence: Recurrence, now: datetime, name: str) -> None:
    """Occurrences to come are cancelled, and their times are free to be made anew."""
    found = await session.scalars(
        select(Post.id)
        .where(Post.recurrence_id == recurrence.id, Post.state == PostState.SCHEDULED, Post.due_at > now)
        .order_by(Post.id)
        .with_for_update()
    )
    withdrawn = await session.scalars(
        update(Post)
        .where(Post.id.in_(found.all()), Post.state == PostState.SCHEDULED, ~queries.is_under_way())
        .values(
            state=PostState.CANCELLED, occurrence=None, version=Post.version + 1,
            why="The recurring post it came from was changed.", finished_at=now, updated_at=now,
        )
        .returning(Post.id),
        execution_options={"synchronize_session": False},
    )  # fmt: skip
    ids = sorted(withdrawn)
    recurrence.made -= len(ids)
    await chain.append(session, [chain.Happening(one, now, "withdrawn", {"name": name}) for one in ids])

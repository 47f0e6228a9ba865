"""An account's weekly slots, its zone, and what becomes of its late posts, for programs."""

from datetime import datetime
from typing import Any

from fastapi import Request
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts import preferring
from perch.accounts.models import XAccount
from perch.clock import Clock
from perch.people.tokens import Scope
from perch.posts import queries, slots
from perch.web.accepting import account_for
from perch.web.api.asking import Heard, routes
from perch.web.api.describing import with_body
from perch.web.deps import Composition
from perch.web.json_bodies import JsonBody, read_json

router = routes("/accounts/{id}/slots")
_ANSWER: dict[str, Any] = {"response_description": "The slots, as they are now."}


class SlotsWish(JsonBody):
    """What is to be different; what is left out stays."""

    slots: str | None = Field(default=None, description="Such as “mon-fri 09:00,17:30; sat 10:00”.")
    zone: str | None = Field(default=None, description="The account's time zone, as IANA names it.")
    missed_policy: str | None = Field(default=None, description="send or ask.")


class Place(BaseModel):
    """A weekly place."""

    weekday: str
    time: str


class Slots(BaseModel):
    """The slots of an account, in words and one by one. next_free is null where there is none."""

    account: str
    zone: str
    missed_policy: str
    words: str
    slots: list[Place]
    next_free: datetime | None


@router.get("", summary="The weekly slots of an account", **_ANSWER)
async def read_slots(id: str, perch: Composition, asker: Heard) -> Slots:  # noqa: A002
    """By the wall of the account's zone."""
    asker.require(Scope.POSTS_READ)
    async with perch.db.read() as session:
        account = await account_for(session, perch, asker, id)
        return await _told(session, perch.clock, account)


@router.put("", summary="Change the weekly slots of an account", **_ANSWER, **with_body(SlotsWish))
async def write_slots(id: str, request: Request, perch: Composition, asker: Heard) -> Slots:  # noqa: A002
    """Posts that are scheduled keep their time."""
    body = await read_json(request, SlotsWish)
    asker.require(Scope.PUBLISH_DIRECT)
    async with perch.db.write() as session:
        account = await account_for(session, perch, asker, id)
        await preferring.prefer(session, account, zone_name=body.zone, missed=body.missed_policy)
        if body.slots is not None:
            await slots.replace(session, account.id, slots.parse(body.slots))
        return await _told(session, perch.clock, account)


async def _told(session: AsyncSession, clock: Clock, account: XAccount) -> Slots:
    places, now = await slots.of_account(session, account.id), clock.now()
    taken = await queries.due_instants(session, account.id, now)
    free = (wall.at for wall in slots.upcoming(places, account.zone, now) if wall.at not in taken)
    return Slots(
        account=f"@{account.username}",
        zone=account.zone,
        missed_policy=account.missed_policy,
        words=slots.show(places),
        slots=[Place(weekday=slots.DAYS[place.weekday], time=place.time) for place in places],
        next_free=next(free, None),
    )

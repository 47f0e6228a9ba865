"""Recurring posts, for programs: a rule, texts that are taken in turn, and the next times."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts.models import XAccount
from perch.people.tokens import Scope
from perch.posts import recurring
from perch.posts.drafting import Draft
from perch.posts.errors import PostNotFound
from perch.posts.models import Recurrence
from perch.posts.refrains import Refrain, Rhythm, read_refrain
from perch.web.accepting import Order, account_for, draft_for
from perch.web.api.asking import Heard, routes
from perch.web.api.describing import with_body
from perch.web.api.due import instant
from perch.web.api.orders import Card, cards_of
from perch.web.callers import Asker
from perch.web.deps import Composition
from perch.web.json_bodies import BodyRefused, Fault, JsonBody, read_json
from perch.wiring import Perch

router = routes("/recurrences")
_ANSWER: dict[str, Any] = {"response_description": "The recurring post, as it stands now."}
_NEXT = 3


class Variant(JsonBody):
    """One of the texts that are taken in turn: a single text or a thread."""

    text: str | None = None
    thread: list[Card] | None = Field(default=None, min_length=1, max_length=100)


class RecurrenceWish(JsonBody):
    """A recurring post; of one that is there already, what is to be different."""

    account: str | None = Field(default=None, description="@handle or id; cannot be changed later.")
    rule: str | None = Field(
        default=None, description="“daily 09:00”, “mon,thu 17:30”, or cron: “0 9 * * 1-5”."
    )
    zone: str | None = Field(default=None, description="Whose wall clock; the account's unless said.")
    variants: list[Variant] | None = Field(default=None, min_length=1, max_length=100)
    jitter_minutes: int | None = Field(default=None, ge=0, le=120)
    missed_policy: str | None = Field(default=None, description="send, ask or skip what is late.")
    starts_at: str | None = None
    ends_at: str | None = None
    most: int | None = Field(default=None, ge=1, description="How many times at most.")
    state: str | None = Field(default=None, description="on or paused.")

    @property
    def changes_rhythm(self) -> bool:
        return bool(self.model_fields_set & _RHYTHM)


_RHYTHM = {"rule", "zone", "jitter_minutes", "missed_policy", "starts_at", "ends_at", "most"}


class VariantText(BaseModel):
    """One of its texts, card by card."""

    texts: list[str]


class RecurringPost(BaseModel):
    """A recurring post. why says what paused or ended it; made counts the posts that came of it."""

    id: str
    state: str
    why: str | None
    account: str
    rule: str
    zone: str
    jitter_minutes: int
    missed_policy: str
    starts_at: datetime
    ends_at: datetime | None
    most: int | None
    made: int
    variants: list[VariantText]
    next: list[datetime]


class RecurringPosts(BaseModel):
    """The recurring posts of a workspace, the newest first."""

    recurrences: list[RecurringPost]


class NextTimes(BaseModel):
    """The next times, from now on."""

    next: list[datetime]


@router.post("", status_code=201, summary="Make a recurring post", **_ANSWER, **with_body(RecurrenceWish))
async def make_recurrence(request: Request, perch: Composition, asker: Heard) -> RecurringPost:
    """Its next two occurrences within a week are posts like any other; later ones follow by themselves.

    The same words come again after six days at the earliest: give it enough variants (X004).
    """
    body = await read_json(request, RecurrenceWish)
    asker.require(Scope.PUBLISH_DIRECT)
    variants = _whole(body)
    async with perch.db.write() as session:
        account = await account_for(session, perch, asker, body.account)
        refrain = await _refrain(session, perch, asker, account, variants)
        made = await recurring.create(session, perch.clock, perch.engine, refrain, _rhythm(body, None))
        return await _told(session, perch, made)


@router.get("", summary="The recurring posts", response_description="All of them.")
async def list_recurrences(perch: Composition, asker: Heard) -> RecurringPosts:
    """The newest first."""
    asker.require(Scope.POSTS_READ)
    async with perch.db.read() as session:
        found = await recurring.of_workspace(session, asker.workspace_id)
        mine = [one for one in found if asker.may_see(one.account_id)]
        return RecurringPosts(recurrences=[await _told(session, perch, one) for one in mine])


@router.get("/{id}", summary="A recurring post", **_ANSWER)
async def read_recurrence(id: str, perch: Composition, asker: Heard) -> RecurringPost:  # noqa: A002
    """With its texts and its next times."""
    asker.require(Scope.POSTS_READ)
    async with perch.db.read() as session:
        return await _told(session, perch, await _named(session, asker, id))


@router.get("/{id}/next", summary="The next times of a recurring post", response_description="Instants.")
async def next_times(
    id: str,  # noqa: A002
    perch: Composition,
    asker: Heard,
    n: Annotated[int, Query(ge=1, le=100)] = 10,
) -> NextTimes:
    """As many as are asked for, or as there are."""
    asker.require(Scope.POSTS_READ)
    async with perch.db.read() as session:
        row = await _named(session, asker, id)
    return NextTimes(next=[wall.at for wall in recurring.upcoming(row, perch.clock.now(), n)])


@router.patch("/{id}", summary="Change a recurring post", **_ANSWER, **with_body(RecurrenceWish))
async def change_recurrence(
    id: str,  # noqa: A002
    request: Request,
    perch: Composition,
    asker: Heard,
) -> RecurringPost:
    """What is not sent is taken back and made anew. A paused one goes on, unless state is paused."""
    body = await read_json(request, RecurrenceWish)
    asker.require(Scope.PUBLISH_DIRECT)
    _require_changeable(body)
    async with perch.db.write() as session:
        row = await _named(session, asker, id)
        await _change(session, perch, asker, row, body)
        return await _told(session, perch, row)


@router.delete("/{id}", summary="End a recurring post", **_ANSWER)
async def end_recurrence(id: str, perch: Composition, asker: Heard) -> RecurringPost:  # noqa: A002
    """What is not sent yet is cancelled; what was sent stays."""
    asker.require(Scope.PUBLISH_DIRECT)
    async with perch.db.write() as session:
        row = await _named(session, asker, id)
        await recurring.stop(session, perch.clock, row, asker.author.name)
        return await _told(session, perch, row)


def _whole(body: RecurrenceWish) -> list[Variant]:
    """The texts of a new one that lacks nothing, and says nothing that would come to nothing."""
    if body.rule is None or body.variants is None:
        missing = "rule" if body.rule is None else "variants"
        raise BodyRefused([Fault(missing, f"The field {missing!r} is missing.")])
    if body.state not in (None, "on"):
        raise BodyRefused([Fault("state", "A new one is on; pause it once it is made.")])
    return body.variants


def _require_changeable(body: RecurrenceWish) -> None:
    if body.account is not None:
        raise BodyRefused(
            [Fault("account", "The account cannot be changed: end this one, and make another.")]
        )
    if body.state not in (None, "on", "paused"):
        raise BodyRefused([Fault("state", "The state can be set to on or paused.")])
    if body.state == "paused" and body.model_fields_set != {"state"}:
        raise BodyRefused([Fault("state", "Pausing changes nothing else: leave the other fields out.")])


async def _change(
    session: AsyncSession, perch: Perch, asker: Asker, row: Recurrence, body: RecurrenceWish
) -> None:
    if body.state == "paused":
        await recurring.pause(session, perch.clock, row, asker.author.name)
        return
    account = await session.get_one(XAccount, row.account_id)
    refrain = body.variants and await _refrain(session, perch, asker, account, body.variants)
    rhythm = _rhythm(body, row) if body.changes_rhythm else None
    await recurring.change(
        session, perch.clock, perch.engine, row, asker.author.name, refrain=refrain or None, rhythm=rhythm
    )


async def _refrain(
    session: AsyncSession, perch: Perch, asker: Asker, account: XAccount, variants: list[Variant]
) -> Refrain:
    orders = [Order(account.public_id, cards_of(one.text, one.thread)) for one in variants]
    drafts: list[Draft] = [await draft_for(session, perch, asker, order) for order in orders]
    return Refrain(tuple(drafts))


def _rhythm(body: RecurrenceWish, row: Recurrence | None) -> Rhythm:
    """What is said, and of a row what is not said."""
    kept = {
        "rule": row.rule, "zone": row.zone, "jitter": timedelta(seconds=row.jitter_s),
        "missed_policy": row.missed_policy, "starts_at": row.starts_at, "ends_at": row.ends_at,
        "most": row.most,
    } if row else {}  # fmt: skip
    said: dict[str, Any] = {name: getattr(body, name) for name in _RHYTHM & body.model_fields_set}
    for name in ("starts_at", "ends_at"):
        if said.get(name) is not None:
            said[name] = instant(said[name], name)
    if "jitter_minutes" in said:
        said["jitter"] = timedelta(minutes=said.pop("jitter_minutes") or 0)
    unset = ("rule", "missed_policy", "zone")
    return Rhythm(
        **{**kept, **{name: one for name, one in said.items() if one is not None or name not in unset}}
    )


async def _named(session: AsyncSession, asker: Asker, public_id: str) -> Recurrence:
    row = await recurring.named(session, asker.workspace_id, public_id)
    if not asker.may_see(row.account_id):
        raise PostNotFound("There is no such recurring post here.", fix="This token sees one account only.")
    return row


async def _told(session: AsyncSession, perch: Perch, row: Recurrence) -> RecurringPost:
    account = await session.get_one(XAccount, row.account_id)
    refrain = await read_refrain(session, row)
    return RecurringPost(
        id=row.public_id, state=row.state, why=row.why, account=f"@{account.username}",
        rule=row.rule, zone=row.zone, jitter_minutes=row.jitter_s // 60, missed_policy=row.missed_policy,
        starts_at=row.starts_at, ends_at=row.ends_at, most=row.most, made=row.made,
        variants=[VariantText(texts=[card.text for card in draft.segments]) for draft in refrain.variants],
        next=[wall.at for wall in recurring.upcoming(row, perch.clock.now(), _NEXT)],
    )  # fmt: skip

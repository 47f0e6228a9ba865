"""What a recurring post says and when: its texts and its rhythm, checked, and as rows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from perch.accounts.models import MissedPolicy, XAccount, XApp
from perch.clock import Clock, zone
from perch.errors import PerchError
from perch.posts import dues, rhythms
from perch.posts.drafting import Author, Draft, DraftMedia, DraftSegment
from perch.posts.errors import RuleBroken
from perch.posts.findings import Finding, Severity
from perch.posts.missing import SKIP
from perch.posts.models import AuthorKind, Recurrence, RecurrenceVariant
from perch.posts.scheduling import check, require_sound

POLICIES = (MissedPolicy.SEND, MissedPolicy.ASK, SKIP)
MOST_VARIANTS = 100
_MOST_CARDS = 300
"""Of all its texts together: each of them is looked at anew whenever it changes."""
_MOST_TIMES = 100_000
REPEAT_AFTER = timedelta(days=6)
"""The same words come again after this at the earliest: X takes sooner ones for spam. A week is enough."""


class WrongRecurrence(PerchError):
    """A recurring post that could never go out as it is described."""

    code = "wrong_recurrence"
    status = 422


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When it comes again. ``rule`` is cron or words for it, ``zone`` None means the account's."""

    rule: str
    zone: str | None = None
    jitter: timedelta = timedelta()
    missed_policy: str = MissedPolicy.SEND
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Refrain:
    """What comes again, and whose it is: each draft is one of the texts that are taken in turn."""

    variants: tuple[Draft, ...]


async def read_refrain(session: AsyncSession, recurrence: Recurrence) -> Refrain:
    """Its texts, in the order they were given."""
    found = sorted(await variants(session, recurrence.id), key=lambda variant: variant.position)
    return Refrain(tuple(draft_of(recurrence, variant) for variant in found))


def columns(rhythm: Rhythm, account: XAccount, now: datetime) -> dict[str, Any]:
    """What its row says of when it comes. Raises WrongRecurrence, WrongRule, WrongTime, UnknownZone."""
    if rhythm.missed_policy not in POLICIES:
        raise WrongRecurrence("A late turn is sent, asked about or skipped.", fix="Say send, ask or skip.")
    if rhythm.most is not None and not 1 <= rhythm.most <= _MOST_TIMES:
        raise WrongRecurrence(
            f"It may come 1 to {_MOST_TIMES:,} times.", fix="For no end, leave the number out."
        )
    rule, zone_name = rhythms.compiled(rhythm.rule), zone(rhythm.zone or account.zone).key
    starts_at = max(rhythm.starts_at or now, now)
    dues.require_soon(starts_at, now)
    if rhythm.ends_at is not None and rhythm.ends_at <= starts_at:
        raise WrongRecurrence("It would end before it begins.", fix="Name a later end.")
    return {
        "rule": rule, "zone": zone_name, "starts_at": starts_at, "ends_at": rhythm.ends_at,
        "jitter_s": int(rhythm.jitter.total_seconds()), "missed_policy": rhythm.missed_policy,
        "most": rhythm.most, "next_local": first_local(rule, zone_name, starts_at),
    }  # fmt: skip


def first_local(rule: str, zone_name: str, since: datetime) -> str | None:
    """The first reading from an instant on, as rows keep it."""
    first = next(rhythms.readings(rule, zone_name, None, since), None)
    return first.iso if first else None


async def require_sayable(
    session: AsyncSession, clock: Clock, refrain: Refrain, recurrence: Recurrence
) -> None:
    """Raises RuleBroken when X would refuse a text, or the same one would come again too soon."""
    require_texts(refrain)
    app, hashes = await app_of(session, recurrence.account_id), set()
    for variant in refrain.variants:
        checked = await check(session, clock, variant, app.plan)
        require_sound(checked)
        hashes.add(checked.draft.content_hash())
    since, texts = max(clock.now(), recurrence.starts_at), len(hashes)
    gap = rhythms.shortest_gap(recurrence.rule, recurrence.zone, since, texts, recurrence.ends_at)
    is_short = recurrence.most is not None and recurrence.most <= texts
    if gap is not None and gap < REPEAT_AFTER and not is_short:
        raise RuleBroken([_too_soon(gap, texts)])


def require_texts(refrain: Refrain) -> None:
    """Raises WrongRecurrence for none, or too many."""
    if not 0 < len(refrain.variants) <= MOST_VARIANTS:
        raise WrongRecurrence(
            f"A recurring post has 1 to {MOST_VARIANTS} texts.", fix="Give it at least one."
        )
    if sum(len(variant.segments) for variant in refrain.variants) > _MOST_CARDS:
        raise WrongRecurrence(
            f"Its texts have more than {_MOST_CARDS} cards together.", fix="Make two recurring posts of it."
        )


async def write_variants(session: AsyncSession, recurrence_id: int, refrain: Refrain) -> None:
    """In place of those it had."""
    await session.execute(delete(RecurrenceVariant).where(RecurrenceVariant.recurrence_id == recurrence_id))
    for position, draft in enumerate(refrain.variants):
        cards = [
            {"text": card.text, "media": [[media.asset_id, media.alt_text] for media in card.media]}
            for card in draft.segments
        ]
        session.add(
            RecurrenceVariant(recurrence_id=recurrence_id, position=position, cards=json.dumps(cards))
        )
    await session.flush()


async def variants(session: AsyncSession, recurrence_id: int) -> Sequence[RecurrenceVariant]:
    """The least used first."""
    found = await session.scalars(
        select(RecurrenceVariant)
        .where(RecurrenceVariant.recurrence_id == recurrence_id)
        .order_by(RecurrenceVariant.uses, RecurrenceVariant.position)
    )
    return found.all()


def draft_of(recurrence: Recurrence, variant: RecurrenceVariant) -> Draft:
    """One of its texts as somebody could have written it."""
    author = Author(AuthorKind(recurrence.author_kind), recurrence.author_id, recurrence.author_name)
    cards = tuple(
        DraftSegment(card["text"], tuple(DraftMedia(*media) for media in card["media"]))
        for card in json.loads(variant.cards)
    )
    return Draft(recurrence.workspace_id, recurrence.account_id, author, cards)


async def app_of(session: AsyncSession, account_id: int) -> XApp:
    """The X app of an account."""
    account = await session.get_one(XAccount, account_id)
    return await session.get_one(XApp, account.app_id)


def _too_soon(gap: timedelta, texts: int) -> Finding:
    span = f"{gap.days} days" if gap.days > 1 else f"{round(gap.total_seconds() / 3600)} hours"
    with_ = "its one text" if texts == 1 else f"{texts} different texts"
    sentence = f"With {with_} this rule would say the same words again after {span}."
    return Finding("X004", Severity.ERROR, sentence, "Add other texts, or let it come less often.")

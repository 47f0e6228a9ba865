"""``perch recurring``: posts that come again."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from perch.cli.beside import choose_account, open_perch
from perch.cli.output import say, say_json, say_table
from perch.cli.sending import THE_COMMAND_LINE
from perch.cli.threads import cards_in, text_of
from perch.clock import zone
from perch.people.queries import workspace_ids
from perch.posts import recurring
from perch.posts.drafting import Draft, DraftSegment
from perch.posts.errors import PostNotFound
from perch.posts.models import Recurrence
from perch.posts.refrains import Refrain, Rhythm
from perch.posts.walls import Wall
from perch.settings import Settings
from perch.wiring import Perch


@dataclass(frozen=True, slots=True)
class Wish:
    """What ``perch recurring add`` asks for. Each file is one of the texts."""

    rule: str
    texts: tuple[str, ...]
    files: tuple[Path, ...]
    account: str | None
    zone: str | None
    jitter: int
    late: str
    most: int | None


async def add(settings: Settings, wish: Wish, *, as_json: bool) -> None:
    """Make one, and show its next times."""
    variants = [(text,) for text in wish.texts] + [cards_in(text_of(file)) for file in wish.files]
    rhythm = Rhythm(
        wish.rule, wish.zone, timedelta(minutes=wish.jitter), missed_policy=wish.late, most=wish.most
    )
    async with open_perch(settings) as perch:
        workspace_id, account = await choose_account(perch, wish.account)
        drafts = [
            Draft(workspace_id, account.id, THE_COMMAND_LINE, tuple(map(DraftSegment, cards)))
            for cards in variants
        ]
        async with perch.db.write() as session:
            made = await recurring.create(session, perch.clock, perch.engine, Refrain(tuple(drafts)), rhythm)
        _tell(made, recurring.upcoming(made, perch.clock.now(), 3), as_json=as_json)


async def show(settings: Settings, *, as_json: bool) -> None:
    """All of them."""
    async with open_perch(settings) as perch:
        found = await _every(perch)
    if as_json:
        say_json([_for_machines(one) for one in found])
    elif found:
        say_table(("rule", "zone", "state", "made", "id"), [_row(one) for one in found])
        say(*(f"{one.public_id}: {one.why}" for one in found if one.why))
    else:
        say("Nothing comes again.")


async def upcoming(settings: Settings, name: str, count: int, *, as_json: bool) -> None:
    """The next times of one."""
    async with open_perch(settings) as perch:
        row = _named(await _every(perch), name)
        walls = recurring.upcoming(row, perch.clock.now(), count)
    if as_json:
        say_json([wall.at.isoformat() for wall in walls])
    else:
        say(*(_shown(wall) for wall in walls) if walls else ("It does not come again.",))


async def stop(settings: Settings, name: str, *, as_json: bool) -> None:
    """End one."""
    async with open_perch(settings) as perch:
        row = _named(await _every(perch), name)
        async with perch.db.write() as session:
            await recurring.stop(session, perch.clock, row, THE_COMMAND_LINE.name)
        row = _named(await _every(perch), name)
    if as_json:
        say_json(_for_machines(row))
    else:
        say("It has ended; what was sent stays.")


async def _every(perch: Perch) -> list[Recurrence]:
    async with perch.db.read() as session:
        homes = await workspace_ids(session)
        return [one for home in homes for one in await recurring.of_workspace(session, home)]


def _named(found: list[Recurrence], name: str) -> Recurrence:
    for one in found:
        if one.public_id == name:
            return one
    raise PostNotFound("There is no such recurring post.", fix="Look at perch recurring list.")


def _tell(made: Recurrence, walls: list[Wall], *, as_json: bool) -> None:
    if as_json:
        say_json({**_for_machines(made), "next": [wall.at.isoformat() for wall in walls]})
        return
    say(f"Comes again by “{made.rule}”, times in {made.zone}. Its id is {made.public_id}.")
    say(*(f"  {_shown(wall)}" for wall in walls))
    if made.why:
        say(made.why)


def _shown(wall: Wall) -> str:
    return f"{wall.at.astimezone(zone(wall.zone)):%a %d %b %Y %H:%M %Z}"


def _row(one: Recurrence) -> tuple[str, ...]:
    return one.rule, one.zone, one.state, str(one.made), one.public_id


def _for_machines(one: Recurrence) -> dict[str, object]:
    return {
        "id": one.public_id, "state": one.state, "why": one.why, "rule": one.rule, "zone": one.zone,
        "made": one.made, "most": one.most, "ends_at": one.ends_at.isoformat() if one.ends_at else None,
    }  # fmt: skip

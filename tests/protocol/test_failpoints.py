"""Every failpoint with every kind of fault, for single posts, threads and media, on both databases.

A crash is the end of the process at that await; another one works on when the lease has passed. A freeze is a
process that stands still past its lease while another one works, and then goes on as if nothing had happened.
"""

from typing import Any

import pytest
from tests.protocol.conftest import FAULTS, FREEZABLE, KINDS_OF_FAULT, POINTS

KINDS = {"single": 1, "thread": 3, "media": 1}
DOOMS = [("", False), *((point, False) for point in POINTS), *((point, True) for point in FREEZABLE)]


def named(doom: tuple[str, bool]) -> str:
    point, is_freeze = doom
    return f"{'frozen' if is_freeze else 'crashed'} {point}" if point else "unharmed"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", KINDS_OF_FAULT)
@pytest.mark.parametrize("end", DOOMS, ids=named)
async def test_nothing_is_lost_or_sent_twice(world: Any, doom: Any, end: Any, fault: str, kind: str) -> None:
    await survives(world, doom, end, fault, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in KINDS_OF_FAULT])
async def test_every_spelling_of_a_fault_ends_well(world: Any, doom: Any, fault: str, kind: str) -> None:
    await survives(world, doom, ("after answer", False), fault, kind)


async def survives(world: Any, doom: Any, end: Any, fault: str, kind: str) -> None:
    point, is_freeze = end
    account = await world.connect()
    texts = [f"{kind} {card} of {account.id}" for card in range(KINDS[kind])]
    await world.write(account, *texts, has_media=kind == "media")
    world.faults.append(fault)

    async def another_works() -> None:
        world.time.advance(world.pace.lease + 1)
        await world.until_rest(account.id)

    mortal = world.worker(doom(point, is_freeze, meanwhile=another_works if is_freeze else None))
    await world.until_rest(account.id, mortal)
    world.faults.clear()
    await world.check(account)

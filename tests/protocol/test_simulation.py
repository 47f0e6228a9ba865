"""A season of accidents in a virtual world, decided by a seed: any seed replays.

``SEEDS=200 pytest tests/protocol/test_simulation.py`` tries more of them; a failure names its seed.
"""

import os
import random
from typing import Any

import pytest
from tests.protocol.conftest import FAULTS, FREEZABLE, LATEST, POINTS, Crashed

SEEDS = range(int(os.environ.get("SEEDS", "6")))
LOOK_FAULTS = ("none", "none", "none", "503", "lost before", "unreachable", "cut")
HARMFUL = tuple(fault for fault in FAULTS if fault not in ("none", "400"))


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_season_of_accidents(begin: Any, doom: Any, seed: int) -> None:
    chance = random.Random(seed)
    world = await begin(seed, timeline_lag_s=119, visibility_lag_s=10, lags_vary=True)
    world.lateness = lambda: chance.uniform(0, LATEST)
    accounts = [await world.connect() for _ in range(3)]
    cancelled: set[int] = set()
    written: list[tuple[Any, int]] = []
    worker = world.worker()
    for turn in range(40):
        if chance.random() < 0.5:
            account = chance.choice(accounts)
            texts = [f"{seed} {turn} {card}" for card in range(chance.choice((1, 1, 3)))]
            has_media, due_in = chance.random() < 0.2, chance.choice((0.0, 0.0, 5.0, 60.0))
            written.append((account, await world.write(account, *texts, has_media=has_media, due_in=due_in)))
        if written and chance.random() < 0.15:
            post_id = chance.choice(written)[1]
            if await world.cancel(post_id):
                cancelled.add(post_id)
        if chance.random() < 0.6:
            world.faults.append(chance.choice(HARMFUL))
        world.look_faults.append(chance.choice(LOOK_FAULTS))
        if worker.doom.is_dead or chance.random() < 0.3:
            worker = await _successor(world, worker, doom, chance, chance.choice(accounts))
        try:
            await worker.work(chance.choice(accounts).id)
        except Crashed:
            continue
        await world.deliver()
        world.time.advance(chance.choice((0.1, 1.0, 5.0, 45.0, 200.0)))
    world.faults.clear()
    world.look_faults.clear()
    for account in accounts:
        await world.until_rest(account.id)
        await world.check(account, frozenset(cancelled))


async def _successor(world: Any, old: Any, doom: Any, chance: random.Random, account: Any) -> Any:
    """Another worker beside the old one or after it, with an end of its own."""

    async def another_works() -> None:
        world.time.advance(world.pace.lease + chance.uniform(0, 300))
        await world.deliver()
        await world.worker().work(account.id)

    is_freeze = chance.random() < 0.3
    point = chance.choice(FREEZABLE if is_freeze else POINTS)
    meanwhile = another_works if is_freeze else None
    return world.worker(doom(point, is_freeze, nth=chance.randint(1, 3), meanwhile=meanwhile))

"""Anybody may do anything at any time: Hypothesis looks for the order of things that breaks a promise."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from tests.protocol.conftest import FREEZABLE, KINDS_OF_FAULT, POINTS, Crashed, Doom, make_world

TRIED = settings(
    max_examples=12, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
)


class Publishing(RuleBasedStateMachine):
    """One account, its posts, and workers that come and go."""

    template: Path
    folder: Path
    made = 0

    def __init__(self) -> None:
        super().__init__()
        Publishing.made += 1
        self.file = self.folder / f"{Publishing.made}.db"
        shutil.copy(self.template, self.file)
        self.runner = asyncio.Runner()
        url = f"sqlite+aiosqlite:///{self.file}"
        self.world = self.do(make_world(url, timeline_lag_s=110, visibility_lag_s=8, lags_vary=True))
        self.account = self.do(self.world.connect())
        self.posts: list[int] = []
        self.cancelled: set[int] = set()

    def do(self, work: Any) -> Any:
        return self.runner.run(work)

    @rule(cards=st.integers(1, 3), has_media=st.booleans(), due_in=st.sampled_from((0.0, 3.0, 90.0)))
    def somebody_writes(self, cards: int, has_media: bool, due_in: float) -> None:
        texts = [f"{len(self.posts)} {card}" for card in range(cards)]
        post = self.world.write(self.account, *texts, has_media=has_media, due_in=due_in)
        self.posts.append(self.do(post))

    @precondition(lambda self: self.posts)
    @rule(data=st.data())
    def somebody_cancels(self, data: Any) -> None:
        post_id = data.draw(st.sampled_from(self.posts))
        if self.do(self.world.cancel(post_id)):
            self.cancelled.add(post_id)

    @rule(fault=st.sampled_from(KINDS_OF_FAULT), lateness=st.floats(0, 180))
    def x_has_a_bad_moment(self, fault: str, lateness: float) -> None:
        self.world.lateness = lambda: lateness
        self.world.faults.append(fault)

    @rule(fault=st.sampled_from(("503", "lost before", "unreachable", "cut")))
    def a_look_fails(self, fault: str) -> None:
        self.world.look_faults.append(fault)

    @rule(seconds=st.sampled_from((0.5, 6.0, 41.0, 130.0, 301.0)))
    def time_passes(self, seconds: float) -> None:
        self.world.time.advance(seconds)
        self.do(self.world.deliver())

    @rule()
    def a_worker_works(self) -> None:
        self.do(self._work(Doom()))

    @rule(point=st.sampled_from(POINTS), nth=st.integers(1, 3))
    def a_worker_dies(self, point: str, nth: int) -> None:
        self.do(self._work(Doom(point, nth=nth)))

    @rule(point=st.sampled_from(FREEZABLE), seconds=st.sampled_from((1.0, 50.0, 400.0)))
    def a_worker_freezes(self, point: str, seconds: float) -> None:
        async def meanwhile() -> None:
            self.world.time.advance(seconds)
            await self.world.deliver()
            await self._work(Doom())

        self.do(self._work(Doom(point, is_freeze=True, meanwhile=meanwhile)))

    async def _work(self, doom: Doom) -> None:
        try:
            await self.world.worker(doom).work(self.account.id)
        except Crashed:
            return

    def teardown(self) -> None:
        self.world.faults.clear()
        self.world.look_faults.clear()
        try:
            self.do(self.world.until_rest(self.account.id))
            self.do(self.world.check(self.account, frozenset(self.cancelled)))
        finally:
            self.do(self.world.db.close())
            self.runner.close()
            self.file.unlink()


def test_whatever_happens_in_whatever_order(template_database: Path, tmp_path: Path) -> None:
    Publishing.template, Publishing.folder = template_database, tmp_path
    run_state_machine_as_test(Publishing, settings=TRIED)

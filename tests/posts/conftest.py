"""Somebody who writes posts in a house, and looks at what became of them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from perch.accounts.models import XApp
from perch.posts import receipts
from perch.posts.drafting import Author, Draft, DraftSegment
from perch.posts.models import Attempt, AuthorKind, Post, Segment
from perch.posts.receipts import Receipt
from perch.posts.repeats import Key
from perch.posts.scheduling import accept, check

AUTHOR = Author(AuthorKind.PERSON, "someone", "Someone")


@dataclass
class Writer:
    """A connected account of a house, and the posts of it."""

    house: Any
    person: Any

    def draft(self, *cards: str | DraftSegment) -> Draft:
        segments = tuple(DraftSegment(card) if isinstance(card, str) else card for card in cards)
        return Draft(self.person.workspace_id, self.person.account_id, AUTHOR, segments)

    async def write(
        self, *cards: str | DraftSegment, due_in: float | None = 0.0, key: Key | None = None
    ) -> Post:
        perch = self.house.perch
        async with perch.db.write() as session:
            checked = await check(session, perch.clock, self.draft(*cards), perch.settings.x_plan)
            due_at = None if due_in is None else perch.clock.now() + timedelta(seconds=due_in)
            return await accept(session, perch.clock, perch.engine, checked, due_at, key=key)

    async def read(self, post: Post) -> Receipt:
        async with self.house.perch.db.read() as session:
            return await receipts.read(session, self.person.workspace_id, post.public_id)

    async def settled(
        self,
        post: Post,
        until: Callable[[Post], Any] = lambda post: post.state not in {"scheduled", "publishing"},
    ) -> Receipt:
        for _ in range(1000):
            receipt = await self.read(post)
            if until(receipt.post):
                return receipt
            await asyncio.sleep(0.02)
        raise AssertionError(f"still {receipt.post.state}: {[line.sentence for line in receipt.lines]}")

    async def attempts(self, post: Post) -> list[Attempt]:
        async with self.house.perch.db.read() as session:
            found = await session.scalars(
                select(Attempt).join(Segment, Segment.id == Attempt.segment_id)
                .where(Segment.post_id == post.id).order_by(Segment.position, Attempt.n)
            )  # fmt: skip
            return list(found.all())

    async def move_x(self, url: str) -> None:
        """Point the app at another address, as when X is down."""
        async with self.house.perch.db.write() as session:
            await session.execute(update(XApp).values(api_url=url))


@pytest.fixture
async def house(build_house: Any) -> Any:
    """At this pace a call may take 1.5 s and half a second may pass before it: a busy machine is no fault."""
    return await build_house(pace=0.05)


@pytest.fixture
async def ada(house: Any) -> Writer:
    return Writer(house, await house.connect("sandbox_ada"))


@pytest.fixture
async def ben(house: Any) -> Writer:
    return Writer(house, await house.connect("sandbox_ben"))


@pytest.fixture
def writer() -> type[Writer]:
    """For a house with settings of its own."""
    return Writer

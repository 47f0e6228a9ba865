"""Questions of the same moment share an answer."""

import asyncio

import pytest

from perch.jobs import Gatherer


class Library:
    """Answers slowly, and knows how often it was asked."""

    def __init__(self):
        self.asked = []
        self.opens = asyncio.Event()

    async def look_up(self, keys):
        self.asked.append(sorted(keys))
        await self.opens.wait()
        if "burnt" in keys:
            raise LookupError
        return {key: key.upper() for key in keys if key != "missing"}


async def test_what_is_asked_together_is_answered_together():
    library = Library()
    library.opens.set()
    gatherer = Gatherer(library.look_up)
    answers = await asyncio.gather(*(gatherer.ask(key) for key in ("a", "b", "a", "missing")))
    assert answers == ["A", "B", "A", None]
    assert library.asked == [["a", "b", "missing"]]


async def test_what_is_asked_meanwhile_goes_into_the_next_question():
    library = Library()
    gatherer = Gatherer(library.look_up)
    first = asyncio.create_task(gatherer.ask("a"))
    await asyncio.sleep(0.01)
    others = [asyncio.create_task(gatherer.ask(key)) for key in ("a", "b")]
    await asyncio.sleep(0.01)
    others[1].cancel()
    library.opens.set()
    assert [await first, await others[0]] == ["A", "A"]
    assert library.asked == [["a"], ["a", "b"]]


async def test_a_question_that_fails_fails_for_those_who_asked_it_only():
    library = Library()
    library.opens.set()
    gatherer = Gatherer(library.look_up)
    with pytest.raises(LookupError):
        await gatherer.ask("burnt")
    assert await gatherer.ask("a") == "A"

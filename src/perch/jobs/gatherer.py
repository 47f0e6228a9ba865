"""Questions that come up at the same moment share one answer, as the steps of many lanes share a commit."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Gatherer(Generic[Key, Value]):
    """Asks for all keys together that were wanted while it waited for the answer about others."""

    def __init__(self, answer: Callable[[list[Key]], Awaitable[Mapping[Key, Value]]]) -> None:
        self._answer = answer
        self._wanted: dict[Key, asyncio.Future[Value | None]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def ask(self, key: Key) -> Value | None:
        """What the answer holds for this key. Raises what asking raised."""
        if key not in self._wanted:
            self._wanted[key] = asyncio.get_running_loop().create_future()
        future = self._wanted[key]
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        # Another one may wait for the same key: who goes away must not take the answer along.
        return await asyncio.shield(future)

    async def _ask(self) -> None:
        while self._wanted:
            asked, self._wanted = self._wanted, {}
            try:
                found = await self._answer(list(asked))
            except Exception as error:  # noqa: BLE001 - belongs to those who asked
                for future in asked.values():
                    future.set_exception(error)
            else:
                for key, future in asked.items():
                    future.set_result(found.get(key))

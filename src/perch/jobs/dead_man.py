"""A timer that kills a process which was stopped for longer than its lease.

A stopped process (SIGSTOP, a frozen container) wakes in the middle of what it did, and might send what
another worker has taken over. The kernel counts on meanwhile, and its signal comes before anything else.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_LEAST = 2.0
"""Seconds. Below it the timer would meet a busy machine, not a stopped process."""


@asynccontextmanager
async def armed(lease: float) -> AsyncIterator[None]:
    """While the block runs, the loop has to turn at least once a lease (in seconds)."""
    patience = max(lease, _LEAST)
    arming = asyncio.create_task(_keep_arming(patience))
    try:
        yield
    finally:
        arming.cancel()
        signal.setitimer(signal.ITIMER_REAL, 0)


async def _keep_arming(patience: float) -> None:
    while True:
        # Nothing handles SIGALRM: its default action ends the process.
        signal.setitimer(signal.ITIMER_REAL, patience)
        await asyncio.sleep(patience / 8)

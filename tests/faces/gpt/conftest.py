"""A custom GPT's requests wait for their post, so its site keeps a calmer pace."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest


@pytest.fixture
async def site(build_site: Callable[..., Awaitable[Any]]) -> Any:
    return await build_site(pace=0.3)

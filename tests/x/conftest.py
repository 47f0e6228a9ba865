import json
from collections.abc import Callable

import pytest

from perch.x.wire import Answer


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def answer() -> Callable[..., Answer]:
    def make(status: int, body: object = b"", **headers: str) -> Answer:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)

    return make

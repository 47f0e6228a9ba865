"""How often: X's rate limits for pay-per-use, counted in fixed windows."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from perch.sandbox.config import BadSetting
from perch.sandbox.problems import too_many
from perch.sandbox.world import World

QUARTER = 900
DAY = 86_400


class Window(NamedTuple):
    """So many requests in so many seconds."""

    limit: int
    seconds: int


class Rates(NamedTuple):
    """What X allows one person and one app. ``user_24h`` is a second, sometimes present limit per person."""

    user: Window | None
    app: Window | None = None
    user_24h: Window | None = None


def _rates(user: int, app: int | None = None, app_seconds: int = DAY) -> Rates:
    return Rates(Window(user, QUARTER), Window(app, app_seconds) if app else None)


# https://docs.x.com/x-api/fundamentals/rate-limits, pay-per-use
RATES = {
    "POST /2/tweets": _rates(100, 10_000),
    "DELETE /2/tweets/:id": _rates(50),
    "GET /2/users/me": _rates(75),
    "GET /2/users/:id": _rates(900, 300, QUARTER),
    "GET /2/users/by/username/:username": _rates(900, 300, QUARTER),
    "GET /2/users/:id/tweets": _rates(900, 10_000, QUARTER),
    "GET /2/tweets": _rates(5_000, 3_500, QUARTER),
    "GET /2/tweets/:id": _rates(900, 450, QUARTER),
    "POST /2/media/upload": _rates(500, 50_000),
    "GET /2/media/upload": _rates(1_000, 100_000),
    "POST /2/media/upload/initialize": _rates(1_875, 180_000),
    "POST /2/media/upload/:id/append": _rates(1_875, 180_000),
    "POST /2/media/upload/:id/finalize": _rates(1_875, 180_000),
    "POST /2/media/metadata": _rates(500, 50_000),
}


def check(limits: Any) -> None:
    """Refuse a value of the setting ``limits`` that could not be counted by."""
    try:
        for operation, changed in limits.items():
            RATES[operation]._replace(**{name: Window(*pair) for name, pair in changed.items() if pair})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadSetting(
            'limits looks like {"POST /2/tweets": {"user": [100, 900], "app": null}}.'
        ) from error


def rates_of(world: World, operation: str) -> Rates:
    """The limits in force: the table's, with those of the setting ``limits`` laid over it."""
    rates = RATES[operation]
    changed: Mapping[str, list[int] | None] = world.settings.limits.get(operation, {})
    return rates._replace(**{name: Window(*pair) if pair else None for name, pair in changed.items()})


def count(world: World, operation: str, person_id: str, client_id: str) -> dict[str, str]:
    """Count one request; returns the headers for its answer, or refuses with 429 and the same headers.

    The ``x-rate-limit-*`` speak of the person's window; 24-hour ones come where such a limit exists.
    """
    if not world.settings.rate_limits:
        return {}
    rates = rates_of(world, operation)
    now = world.now() // 1000
    headers: dict[str, str] = {}
    full = False
    for prefix, who, window in (
        ("x-rate-limit", person_id, rates.user),
        ("x-app-limit-24hour", client_id, rates.app),
        ("x-user-limit-24hour", f"{person_id}/24h", rates.user_24h),
    ):
        if window is not None:
            left, reset = _take(world, (operation, who, prefix), window, now)
            full = full or left < 0
            if prefix == "x-rate-limit" or window.seconds == DAY:
                headers |= _headers(prefix, window.limit, max(left, 0), reset)
    if full:
        raise too_many(headers)
    return headers


def _take(world: World, key: tuple[str, str, str], window: Window, now: int) -> tuple[int, int]:
    """How many are left after this one (negative when it was one too many), and when the window ends."""
    held = world.windows.get(key)
    if held is None or now >= held[0] + window.seconds:
        held = world.windows[key] = [now, 0]
    held[1] += 1
    return window.limit - held[1], held[0] + window.seconds


def _headers(prefix: str, limit: int, remaining: int, reset: int) -> dict[str, str]:
    return {
        f"{prefix}-limit": str(limit),
        f"{prefix}-remaining": str(remaining),
        f"{prefix}-reset": str(reset),
    }

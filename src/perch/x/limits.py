"""The rate limits that an answer of X tells of, refused or not.

https://docs.x.com/x-api/fundamentals/rate-limits documents the ``x-rate-limit-*`` headers. The
``x-app-limit-24hour-*`` and ``x-user-limit-24hour-*`` headers are undocumented, sent now and then, and can
be spent while the documented window still looks open: the strictest one wins.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class Scope(StrEnum):
    """Whose calls a limit counts."""

    WINDOW = "window"
    """The 15-minute window of this endpoint; X does not say whether per app or per user."""
    APP_DAY = "app_day"
    USER_DAY = "user_day"
    UNSAID = "unsaid"


_PREFIXES = {
    Scope.WINDOW: "x-rate-limit-",
    Scope.APP_DAY: "x-app-limit-24hour-",
    Scope.USER_DAY: "x-user-limit-24hour-",
}


@dataclass(frozen=True, slots=True)
class Window:
    """One limit as X counted it at the time of the answer; what X left out is None."""

    scope: Scope
    limit: int | None
    remaining: int | None
    resets_at: datetime | None

    @property
    def spent(self) -> bool:
        return self.remaining is not None and self.remaining <= 0


@dataclass(frozen=True, slots=True)
class Limits:
    """Every limit named by one answer; empty when X sent no such header."""

    windows: tuple[Window, ...] = ()

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> "Limits":
        """Read the limits from headers whose names are in lower case."""
        return cls(tuple(_windows(headers)))

    def strictest(self) -> Window | None:
        """The window that holds longest among the spent ones, or the one with the least left."""
        spent = [window for window in self.windows if window.spent]
        if spent:
            return max(spent, key=lambda window: window.resets_at or datetime.min.replace(tzinfo=UTC))
        counted = [window for window in self.windows if window.remaining is not None]
        return min(counted, key=lambda window: window.remaining or 0, default=None)

    def blocking(self) -> Window | None:
        """The window to wait for after a 429: the strictest spent one, or one whose rest X did not say."""
        strictest = self.strictest()
        if strictest is not None and strictest.spent:
            return strictest
        return next((window for window in self.windows if window.remaining is None), None)


def _windows(headers: Mapping[str, str]) -> Iterator[Window]:
    for scope, prefix in _PREFIXES.items():
        limit = _whole(headers.get(prefix + "limit"))
        remaining = _whole(headers.get(prefix + "remaining"))
        reset = _whole(headers.get(prefix + "reset"))
        if (limit, remaining, reset) != (None, None, None):
            yield Window(scope, limit, remaining, _epoch(reset))


def _whole(value: str | None) -> int | None:
    # Nineteen digits hold every honest figure; int() would refuse some longer ones with an exception.
    return int(value) if value and value.isascii() and value.isdigit() and len(value) <= 19 else None


def _epoch(seconds: int | None) -> datetime | None:
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None

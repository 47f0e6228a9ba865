"""How often somebody may ask: a moving window a name, in memory."""

from collections import deque

from fastapi import Request

from perch.clock import Clock
from perch.errors import PerchError
from perch.web.deps import composition

_SWEEP_AT = 10_000


class TooMany(PerchError):
    """Asked too often; the next try is heard after ``retry_after_seconds``."""

    code = "too_many_requests"
    status = 429

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("That was asked too often.", fix=f"Try again in {retry_after_seconds} seconds.")
        self.retry_after_seconds = retry_after_seconds


class Window:
    """Lets each name through ``most`` times in any ``seconds``."""

    def __init__(self, clock: Clock, most: int, seconds: float = 60.0) -> None:
        self._clock = clock
        self._most = most
        self._seconds = seconds
        self._seen: dict[str, deque[float]] = {}

    def pass_through(self, name: str) -> None:
        """Count one request of this name. Raises TooMany, and then does not count it."""
        now = self._clock.elapsed()
        if len(self._seen) >= _SWEEP_AT:
            self._forget(now)
        seen = self._seen.setdefault(name, deque(maxlen=self._most))
        if len(seen) == self._most and now - seen[0] < self._seconds:
            raise TooMany(int(seen[0] + self._seconds - now) + 1)
        seen.append(now)

    def _forget(self, now: float) -> None:
        """Drop names that have been silent for a whole window, so that strangers cannot fill the memory."""
        self._seen = {name: seen for name, seen in self._seen.items() if now - seen[-1] < self._seconds}


def window(request: Request, face: str, most: int) -> Window:
    """The window of a face of this application: ``most`` requests a minute."""
    state = request.app.state
    if not hasattr(state, "windows"):
        state.windows = {}
    windows: dict[str, Window] = state.windows
    return windows.setdefault(face, Window(composition(request).clock, most))

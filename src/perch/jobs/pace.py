"""Every waiting time of the publisher, in seconds, in one place."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Pace:
    """Waiting times. ``http`` < ``lease``: a lane outlives the call that runs in it."""

    http: float = 30.0
    lease: float = 40.0
    sweep: float = 5.0
    hint_ahead: float = 60.0
    retry_first: float = 5.0
    retry_most: float = 900.0
    rate_unknown: float = 900.0

    def scaled(self, factor: float) -> "Pace":
        """The same proportions, faster; for tests against the sandbox only."""
        return Pace(**{field.name: getattr(self, field.name) * factor for field in fields(self)})

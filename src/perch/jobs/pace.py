"""Every waiting time of the publisher, in seconds, in one place."""

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Pace:
    """Waiting times. ``http`` < ``lease``: a lane outlives the call that runs in it.

    ``looks`` after sending may find a post; its absence counts from two looks made ``latest_arrival`` plus
    ``visibility`` after sending and ``second_look`` later. ``parent_waits`` are for a parent X does not see.
    A post is ``late`` after that long, and ``missed`` after that long it is not sent without a person; late
    ones of an account go out ``catch_up`` apart.
    """

    http: float = 30.0
    lease: float = 40.0
    sweep: float = 5.0
    beat: float = 15.0
    hint_ahead: float = 60.0
    retry_first: float = 5.0
    retry_most: float = 900.0
    rate_unknown: float = 900.0
    rate_most: float = 14400.0
    rate_spread: float = 30.0
    probe: float = 3600.0
    looks: tuple[float, ...] = (5.0, 30.0, 120.0)
    latest_arrival: float = 180.0
    visibility: float = 120.0
    second_look: float = 60.0
    parent_waits: tuple[float, ...] = (5.0, 20.0, 60.0)
    late: float = 900.0
    missed: float = 21600.0
    catch_up: float = 60.0
    clock_jump: float = 60.0
    upkeep: float = 60.0

    def scaled(self, factor: float) -> "Pace":
        """The same proportions, faster; for tests against the sandbox only."""
        return Pace(**{field.name: _scaled(getattr(self, field.name), factor) for field in fields(self)})


def _scaled(waits: float | tuple[float, ...], factor: float) -> Any:
    return tuple(wait * factor for wait in waits) if isinstance(waits, tuple) else waits * factor

"""How a sandbox is started, and the switches that can be moved while it runs."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, Self

CALLBACK_PATHS = ("/auth/x", "/auth/twitter", "/oauth/callback", "/callback")
DEFAULT_CALLBACKS = tuple(f"http://127.0.0.1:5000{path}" for path in CALLBACK_PATHS)
DEFAULT_SCOPE = "tweet.read tweet.write users.read media.write offline.access"


class BadSetting(ValueError):
    """A switch that does not exist, or a value it cannot take."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What X does not promise, and what tests want to bend. Names ending in ``_s`` are seconds.

    The lives of codes, tokens and media are real seconds; everything else is scaled by the sandbox's pace.
    """

    code_ttl_s: float = 30
    access_ttl_s: float = 7200
    refresh_ttl_s: float = 15_552_000
    refresh_kills_access: bool = True  # unknown at X; the stricter answer finds more mistakes
    refresh_grace: float = 0  # seconds in which a spent refresh token is answered once more
    family_revoke: bool = False  # a replayed refresh token ends the whole grant
    duplicate_window_s: float = 43_200
    duplicate_counts_deleted: bool = False
    trim_text: bool = True
    self_serve: bool = True  # replies, quotes and cashtags are restricted as on self-serve plans
    rate_limits: bool = True
    limits: Mapping[str, Mapping[str, list[int] | None]] = field(default_factory=dict)
    credits: float = 1_000_000  # USD
    media_ttl_s: float = 86_400
    processing_s: float = 2
    processing_error: str = ""  # name of the error that processing ends with; empty means it succeeds
    processing_error_rate: float = 1  # which share of uploads that error hits, by seed
    video_max_s: float = 140
    timeline_lag_s: float = 0
    visibility_lag_s: float = 0  # how long a fresh post cannot be replied to
    lags_vary: bool = False  # every post has a part of these lags of its own, by seed
    delete_missing: Literal["false", "404"] = "false"
    names: Literal["old", "new"] = "old"
    clock_offset_s: float = 0

    def profiled(self, name: str) -> Self:
        """These settings with a named set of changes applied; BadSetting when there is none."""
        if name not in PROFILES:
            raise BadSetting(f"name is one of {', '.join(PROFILES)}.")
        return self.merged(PROFILES[name])

    def merged(self, changes: Mapping[str, Any]) -> Self:
        """These settings with ``changes`` applied; BadSetting names what is wrong."""
        known = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise BadSetting(f"There is no setting named {name!r}.")
            _check(name, known[name], value)
        return replace(self, **changes)


# What a measurement must not run into: X's 10,000 posts a day and app, and its prices.
PROFILES: Mapping[str, Mapping[str, Any]] = {
    "no-limits": {"rate_limits": False, "credits": 1_000_000_000},
    "pay-per-use": {"rate_limits": True, "limits": {}, "credits": 1_000_000},
}
CHOICES = {"delete_missing": ("false", "404"), "names": ("old", "new")}


def _check(name: str, old: Any, value: Any) -> None:
    if name in CHOICES and value not in CHOICES[name]:
        raise BadSetting(f"{name} is one of {', '.join(CHOICES[name])}.")
    if isinstance(old, bool) != isinstance(value, bool) or not isinstance(value, _kinds(old)):
        raise BadSetting(f"{name} cannot be {value!r}.")


def _kinds(old: Any) -> tuple[type, ...]:
    if isinstance(old, bool):
        return (bool,)
    if isinstance(old, int | float):
        return (int, float)
    return (str,) if isinstance(old, str) else (Mapping,)


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """Everything a sandbox is built from. ``data`` is an SQLite file; without it nothing is kept."""

    url: str = "http://127.0.0.1:5001"
    client_id: str = "perch-sandbox:ci"
    client_secret: str = field(default="perch-sandbox-secret", repr=False)
    public_client_id: str = "perch-sandbox:na"
    callbacks: tuple[str, ...] = DEFAULT_CALLBACKS
    data: Path | None = None
    pace: float = 1.0
    seed: int = 0
    reveal: bool = False
    settings: Settings = field(default_factory=Settings)
    clock: Callable[[], float] = time.time

"""What the sandbox does to a campaign's requests. Shares are of all sends, by the sandbox's seed."""

from typing import Any

SEND = {"method": "POST", "path": "/2/tweets"}
LOOK = {"method": "GET", "path": "/2/users/*/tweets"}
REFRESH = {"method": "POST", "path": "/2/oauth2/token"}
UNAVAILABLE = {"title": "Service Unavailable", "type": "about:blank", "status": 503}
# How the faulted sends divide. Nearly all leave the sender without a verdict: that is what is hard.
SENDS: tuple[tuple[float, dict[str, Any]], ...] = (
    (0.20, {"action": "commit_then_drop"}),
    (0.12, {"action": "drop"}),
    (0.12, {"action": "late_commit", "seconds": 0, "at_most": 180}),
    (0.10, {"action": "commit_then_status", "status": 503, "body": UNAVAILABLE}),
    (0.07, {"action": "commit_then_status", "status": 500}),
    (0.06, {"action": "status", "status": 503, "body": UNAVAILABLE}),
    (0.03, {"action": "status", "status": 404}),
    (0.08, {"action": "cut"}),
    (0.04, {"action": "garbage", "kind": "html"}),
    (0.04, {"action": "garbage", "kind": "gzip"}),
    (0.04, {"action": "slow_drip", "seconds": 60}),
    (0.04, {"action": "delay", "seconds": 0, "at_most": 90}),
    (0.04, {"action": "status", "status": 429, "resets_in": 60}),
    (0.02, {"action": "status", "status": 401}),
)
BESIDE: tuple[dict[str, Any], ...] = (
    {"match": LOOK, "rate": 0.08, "action": "status", "status": 503, "body": UNAVAILABLE},
    {"match": LOOK, "rate": 0.04, "action": "drop"},
    {"match": LOOK, "rate": 0.02, "action": "garbage", "kind": "html"},
    {"match": REFRESH, "rate": 0.05, "action": "commit_then_drop"},
    {"match": REFRESH, "rate": 0.03, "action": "status", "status": 503},
)
# No duplicate window: X's refusal of equal texts must not hide a second send.
SETTINGS: dict[str, Any] = {
    "duplicate_window_s": 0,
    "timeline_lag_s": 119,
    "visibility_lag_s": 10,
    "lags_vary": True,
    "refresh_grace": 30,
    "access_ttl_s": 640,
}


def rules(share: float) -> list[dict[str, Any]]:
    """Rules are asked in order, so each one's rate is its part of what the ones before left over."""
    made, left = [], 1.0
    for part, fault in SENDS:
        wanted = part * share
        made.append({"match": SEND, "rate": wanted / left, **fault})
        left -= wanted
    return [*made, *BESIDE]

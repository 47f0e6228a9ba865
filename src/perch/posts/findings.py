"""A finding: one rule that a post breaks or comes close to, in words."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """``error``: X would refuse it. ``warning``: worth knowing before it goes out."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """``rule`` is a stable id, ``position`` the number of the card counted from 0."""

    rule: str
    severity: Severity
    sentence: str
    fix: str
    position: int = 0

"""What the confined process says about a file, on its way to the one that asked."""

import json
from dataclasses import asdict
from pathlib import Path

from perch.media.errors import MediaRefused, MediaTooLarge, MediaTypeRefused
from perch.media.limits import Inspected

CLEAN = "clean"
PREVIEW = "preview.webp"
_VERDICT = "verdict.json"
_REFUSALS = {refusal.code: refusal for refusal in (MediaRefused, MediaTooLarge, MediaTypeRefused)}


def write(folder: Path, outcome: Inspected | MediaRefused) -> None:
    """Leave the verdict where ``read`` finds it."""
    (folder / _VERDICT).write_text(json.dumps(_told(outcome)), encoding="utf-8")


def read(folder: Path) -> Inspected:
    """The verdict of a process that ended well. Raises the MediaRefused it came to."""
    told = json.loads((folder / _VERDICT).read_text(encoding="utf-8"))
    if "code" in told:
        raise _REFUSALS[told["code"]](told["sentence"], fix=told["fix"], rule=told["rule"])
    return Inspected(**told)


def _told(outcome: Inspected | MediaRefused) -> dict[str, object]:
    if isinstance(outcome, Inspected):
        return asdict(outcome)
    return {
        "code": outcome.code,
        "sentence": outcome.sentence,
        "fix": outcome.fix,
        "rule": outcome.rule,
    }

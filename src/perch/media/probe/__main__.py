"""Confine this process first, then look at the file."""

import resource
import sys
from pathlib import Path

from perch.media import limits
from perch.media.errors import MediaRefused
from perch.media.limits import Inspected
from perch.media.probe import verdict

_LONGEST_HEAD = 64
_CONFINES = {
    resource.RLIMIT_AS: 1 << 30,
    resource.RLIMIT_CPU: 60,
    resource.RLIMIT_FSIZE: limits.VIDEO_BYTES + (64 << 20),
    resource.RLIMIT_NOFILE: 64,
    resource.RLIMIT_CORE: 0,
}


def main(source: Path, folder: Path) -> None:
    """Write the verdict. Anything but a refusal ends the process with an error: that is a verdict too."""
    for what, most in _CONFINES.items():
        resource.setrlimit(what, (most, most))
    outcome: Inspected | MediaRefused
    try:
        outcome = _look(source, folder)
    except MediaRefused as refused:
        outcome = refused
    verdict.write(folder, outcome)


def _look(source: Path, folder: Path) -> Inspected:
    # The first bytes only choose who decodes; that it decodes is what counts. Late imports save time.
    with source.open("rb") as file:
        head = file.read(_LONGEST_HEAD)
    if not head:
        raise limits.damaged()
    if head[4:8] == b"ftyp":
        from perch.media.probe import video

        return video.look(source, folder)
    from perch.media.probe import image

    return image.look(source, folder, head)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

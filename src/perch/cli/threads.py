"""``perch thread``: a file becomes a thread, checked whole before its first card is sent."""

import re
import sys
from pathlib import Path

from perch.cli.beside import choose_account, open_perch
from perch.cli.sending import THE_COMMAND_LINE, WrongWish, report, send, tell
from perch.posts.drafting import Draft, DraftSegment
from perch.posts.scheduling import check
from perch.settings import Settings

_BETWEEN = re.compile(r"^---[ \t]*$", re.MULTILINE)


def cards_in(text: str) -> tuple[str, ...]:
    """The cards of a text, parted by lines of three dashes; empty ones are none."""
    return tuple(card for part in _BETWEEN.split(text) if (card := part.strip()))


async def run(
    settings: Settings, file: Path, at: str | None, account: str | None, *, dry_run: bool, as_json: bool
) -> int:
    """0 when it is out, scheduled or waiting for its turn; 1 when it was refused or needs somebody."""
    cards = cards_in(text_of(file))
    if not cards:
        raise WrongWish(f"There is nothing to post in {file}.", fix="Part the cards by lines of ---.")
    async with open_perch(settings) as perch:
        workspace_id, chosen = await choose_account(perch, account)
        draft = Draft(workspace_id, chosen.id, THE_COMMAND_LINE, tuple(map(DraftSegment, cards)))
        async with perch.db.read() as session:
            checked = await check(session, perch.clock, draft, settings.x_plan)
        if dry_run:
            return report(checked, as_json=as_json)
        return tell(settings, await send(perch, at, checked), perch.clock.now(), as_json=as_json)


def text_of(file: Path) -> str:
    """What is in a file, or for ``-`` on standard input. Raises WrongWish."""
    if str(file) == "-":
        return sys.stdin.read()
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongWish(f"{file} is not a file with text.", fix="Check the path.") from error

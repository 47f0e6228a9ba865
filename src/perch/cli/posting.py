"""``perch post``: check, accept, and see it out."""

import sys
from dataclasses import dataclass
from pathlib import Path

from perch.cli.beside import choose_account, open_perch
from perch.cli.sending import THE_COMMAND_LINE, WrongWish, report, send, tell
from perch.media import adding
from perch.posts.drafting import Draft, DraftMedia, DraftSegment
from perch.posts.scheduling import Checked, check
from perch.settings import Settings
from perch.wiring import Perch


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for."""

    text: str
    media: tuple[Path, ...]
    alt: tuple[str, ...]
    at: str | None
    account: str | None
    dry_run: bool


async def run(settings: Settings, wish: Wish, *, as_json: bool) -> int:
    """0 when it is out, scheduled or waiting for its turn; 1 when it was refused or needs somebody."""
    _fits(wish)
    async with open_perch(settings) as perch:
        checked = await _checked(perch, wish)
        if wish.dry_run:
            return report(checked, as_json=as_json)
        return tell(settings, await send(perch, wish.at, checked), perch.clock.now(), as_json=as_json)


def _fits(wish: Wish) -> None:
    if len(wish.alt) > len(wish.media):
        raise WrongWish(
            "There are more descriptions than files.", fix="Give one --alt for each --media, in order."
        )
    for path in wish.media:
        if not path.is_file():
            raise WrongWish(f"{path} is not a file.", fix="Check the path.")


async def _checked(perch: Perch, wish: Wish) -> Checked:
    workspace_id, account = await choose_account(perch, wish.account)
    text = sys.stdin.read().rstrip("\n") if wish.text == "-" else wish.text
    media = []
    for number, path in enumerate(wish.media):
        asset = await adding.add(perch.db.write, perch.clock, perch.store, workspace_id, path, path.name)
        media.append(DraftMedia(asset.public_id, wish.alt[number] if number < len(wish.alt) else ""))
    draft = Draft(workspace_id, account.id, THE_COMMAND_LINE, (DraftSegment(text, tuple(media)),))
    async with perch.db.read() as session:
        return await check(session, perch.clock, draft, perch.settings.x_plan)

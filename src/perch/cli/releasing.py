"""``perch release``: somebody has looked what is on X, and what was held back goes out."""

from perch.cli.beside import open_perch
from perch.cli.output import say, say_json
from perch.posts import restoring
from perch.settings import Settings


async def run(settings: Settings, *, as_json: bool) -> None:
    """Posts that are out already should have been cancelled before."""
    async with open_perch(settings) as perch, perch.db.write() as session:
        released = await restoring.release(session, perch.clock.now(), "the command line")
    if as_json:
        say_json({"released": released})
    else:
        posts = "1 post goes" if released == 1 else f"{released} posts go"
        say(f"{posts} out now." if released else "Nothing was held back.")

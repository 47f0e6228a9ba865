"""``perch verify``: is every story whole, and do the rows agree with what is told?"""

from perch.cli.beside import open_perch
from perch.cli.output import progress, say, say_json
from perch.posts import queries
from perch.posts.errors import PostNotFound
from perch.posts.verifying import Break, verify
from perch.settings import Settings


async def run(settings: Settings, public_id: str | None, *, as_json: bool) -> int:
    """0 when nothing is missing. Raises PostNotFound."""
    posts, lines, breaks = 0, 0, list[Break]()
    async with open_perch(settings) as perch:
        async with perch.db.read() as session:
            total = 1 if public_id else await queries.how_many(session)
        with progress(perch.clock, "Verifying", total) as advance:
            async for found in verify(perch.db, public_id):
                posts, lines = posts + found.posts, lines + found.lines
                breaks += found.breaks
                advance(found.posts)
    if public_id and not posts:
        raise PostNotFound(f"There is no post {public_id}.", fix="Take the id from its receipt.")
    _tell(posts, lines, breaks, as_json=as_json)
    return 1 if breaks else 0


def _tell(posts: int, lines: int, breaks: list[Break], *, as_json: bool) -> None:
    if as_json:
        said = [{"post": one.post, "detail": one.sentence} for one in breaks]
        say_json({"posts": posts, "lines": lines, "is_whole": not breaks, "breaks": said})
        return
    say(*(f"✕ {one.post}  {one.sentence}" for one in breaks))
    counted = f"{posts:,} {'post' if posts == 1 else 'posts'}, {lines:,} lines"
    end = "one thing does not hold" if len(breaks) == 1 else f"{len(breaks):,} things do not hold"
    say(f"{counted}: {end if breaks else 'nothing is missing, nothing was altered'}.")

"""``perch secrets rotate``: everything at rest sealed with the first key, so that the others can go."""

from collections.abc import Sequence

from perch import wiring
from perch.accounts.resealing import Resealed
from perch.cli.beside import open_perch
from perch.cli.output import say, say_json
from perch.settings import Settings


async def run(settings: Settings, *, as_json: bool) -> int:
    """0 when every secret is sealed with the first key. Raises WrongKey and KeyStillNeeded."""
    async with open_perch(settings) as perch:
        columns = await wiring.rotate(perch)
        kid, *older = perch.sealer.kids
    done, broken = sum(column.done for column in columns), sum(column.broken for column in columns)
    if as_json:
        counts = {column.column: {"done": column.done, "broken": column.broken} for column in columns}
        say_json({"key": kid, "older": older, "done": done, "broken": broken, "columns": counts})
    else:
        say(*_sentences(kid, older, columns, done, broken))
    return 1 if broken else 0


def _sentences(kid: str, older: list[str], columns: Sequence[Resealed], done: int, broken: int) -> list[str]:
    said = [f"{column.column}: {column.done}" for column in columns if column.done]
    said.append(f"{done} sealed anew with {kid}." if done else f"Every secret is sealed with {kid} already.")
    if broken:
        return [*said, f"{broken} open with no key there is. Connect those accounts again: perch accounts."]
    if older:
        return [*said, f"Once every Perch runs with these keys, take {', '.join(older)} out of them."]
    return [*said, "To change the key, put a new one in front, as in k2:NEW,k1:OLD, and restart Perch first."]

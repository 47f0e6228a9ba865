"""What a campaign does, decided by its seed before anything runs."""

import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Self

Base = Literal["sqlite", "postgres"]
WORDS = (
    "amber",
    "birch",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "heron",
    "islet",
    "juniper",
    "kelp",
    "lark",
)


class BadPlan(ValueError):
    """A variable that cannot be understood."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The variables of ``make chaos``. ``faults`` and ``threads`` are shares, ``pace`` scales all waiting."""

    posts: int = 300
    kills: int = 10
    seed: int = 1
    base: Base = "sqlite"
    faults: float = 0.22
    threads: float = 0.3
    pace: float = 0.02
    accounts: int = 40

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> Self:
        """Raises BadPlan."""
        base = variables.get("DB") or "sqlite"
        if base not in ("sqlite", "postgres"):
            raise BadPlan("DB is sqlite or postgres.")
        default = cls()
        return cls(
            posts=int(_number(variables, "POSTS", default.posts)),
            kills=int(_number(variables, "KILLS", default.kills)),
            seed=int(_number(variables, "SEED", default.seed)),
            base="postgres" if base == "postgres" else "sqlite",
            faults=_number(variables, "FAULTS", default.faults),
            threads=_number(variables, "THREADS", default.threads),
            pace=_number(variables, "PACE", default.pace),
        )

    @property
    def workers(self) -> int:
        return 1 if self.base == "sqlite" else 2

    @property
    def seconds_of_feeding(self) -> float:
        """Posts come due for as long as there are kills: each costs about a start of the worker."""
        return max(10.0, self.kills * 2.5)

    def chance(self, purpose: str) -> random.Random:
        """A source of its own for each purpose, so that one more question of one changes no other."""
        return random.Random(f"{self.seed}/{purpose}")


@dataclass(frozen=True, slots=True)
class Wish:
    """One post to be: whose, its texts, how long after its acceptance it is due, what happens to it then."""

    number: int
    account: int
    texts: tuple[str, ...]
    due_in: float
    then: Literal["nothing", "cancel"]


def wishes(plan: Plan) -> Iterator[Wish]:
    """Every text is unlike every other, so that the ledger tells which card it is."""
    chance = plan.chance("wishes")
    for number in range(plan.posts):
        cards = chance.randint(2, 4) if chance.random() < plan.threads else 1
        texts = tuple(_text(chance, number, card) for card in range(cards))
        due_in = 0.0 if chance.random() < 0.3 else chance.uniform(0.0, 8.0)
        then: Literal["nothing", "cancel"] = "cancel" if chance.random() < 0.04 else "nothing"
        yield Wish(number, chance.randrange(plan.accounts), texts, due_in, then)


def _text(chance: random.Random, number: int, card: int) -> str:
    """Some with what X rewrites: a link, an ampersand, an accent in two code points."""
    ends = ("", " see https://perch.example/a?b=1&c=2", " fish & chips <3", " cafe\u0301")
    words = " ".join(chance.choices(WORDS, k=5))
    return f"{words} {number}/{card}{chance.choice(ends)}"


def _number(variables: Mapping[str, str], name: str, default: float) -> float:
    given = variables.get(name) or default
    try:
        value = float(given)
    except ValueError as error:
        raise BadPlan(f"{name} is a number.") from error
    if value < 0:
        raise BadPlan(f"{name} is not negative.")
    return value

"""How many posts a second `perch.text.weigh` weighs, beside twitter-text-parser in the same run."""

import json
import random
import sys
import time
import types
from collections.abc import Callable
from importlib import resources

from perch.text import weigh

SEED = 20_261
TEXTS = 400
SECONDS = 0.6

WORDS = (
    "Perch",
    "ships",
    "a",
    "small",
    "release",
    "today,",
    "because",
    "people",
    "asked",
    "for",
    "it.",
    "Thanks!",
)
LINKS = (
    "https://example.com/blog/2026/{}",
    "perch.example.org/a?b={}",
    "http://t.co/abc{}",
    "docs.python.org",
)
SIGNS = "日本語の文章を書く人はここにもいます。안녕하세요".strip()
EMOJI = ("😀", "🙋🏽", "👨‍👩‍👧‍👦", "1️⃣", "🇯🇵", "❤️", "🎉")


def _words(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(8, 40)))


def _with_links(rng: random.Random) -> str:
    words = _words(rng).split()
    for _ in range(rng.randint(1, 3)):
        words.insert(rng.randrange(len(words)), rng.choice(LINKS).format(rng.randint(1, 9999)))
    return " ".join(words)


def _with_emoji(rng: random.Random) -> str:
    signs = "".join(rng.choices(SIGNS, k=rng.randint(20, 100)))
    return signs + " ".join(rng.choices(EMOJI, k=rng.randint(1, 8)))


SAMPLES: dict[str, Callable[[random.Random], str]] = {
    "weigh_ascii": _words,
    "weigh_links": _with_links,
    "weigh_emoji_cjk": _with_emoji,
}


def _peer() -> Callable[[str], object]:
    """twitter-text-parser's counter, which finds its data through a part of setuptools that is gone."""
    former = types.ModuleType("pkg_resources")
    former.__dict__["resource_string"] = lambda module, name: (
        resources.files(module.rpartition(".")[0]).joinpath(name).read_bytes()
    )
    sys.modules.setdefault("pkg_resources", former)
    import twitter_text

    parse: Callable[[str], object] = twitter_text.parse_tweet
    return parse


def _rate(weigher: Callable[[str], object], texts: list[str]) -> float:
    """Texts a second, over whole rounds and at least ``SECONDS``."""
    done = 0
    started = time.perf_counter()
    while (passed := time.perf_counter() - started) < SECONDS:
        for text in texts:
            weigher(text)
        done += len(texts)
    return done / passed


def run() -> None:
    """Print one JSON line for each kind of text."""
    peer = _peer()
    for name, make in SAMPLES.items():
        rng = random.Random(SEED)
        texts = [make(rng) for _ in range(TEXTS)]
        value, baseline = _rate(weigh, texts), _rate(peer, texts[:20])
        line = {
            "bench": name,
            "value": round(value),
            "unit": "texts/s",
            "baseline": round(baseline),
            "ratio": round(value / baseline, 1),
        }
        print(json.dumps(line))


if __name__ == "__main__":
    run()

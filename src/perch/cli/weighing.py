"""``perch weigh``: a text's length and price, and what X would mind."""

import sys
from datetime import UTC, datetime

from perch.budget.prices import quote
from perch.cli.output import say, say_json
from perch.posts.rules import Card, check
from perch.settings import Settings
from perch.text import weigh


def run(settings: Settings, text: str, *, as_json: bool) -> int:
    """0 when X would take it, 1 when not."""
    text = sys.stdin.read().rstrip("\n") if text == "-" else text
    weight = weigh(text)
    price = quote(text, at=datetime.now(UTC).date(), plan=settings.x_plan).total
    findings = check([Card(text)])
    if as_json:
        said = [{"rule": one.rule, "sentence": one.sentence, "fix": one.fix} for one in findings]
        length = {"weight": weight.weighted_length, "limit": weight.limit, "valid": weight.valid}
        say_json({**length, "price_usd": str(price.usd), "findings": said})
    else:
        say(f"{weight.weighted_length} of {weight.limit}, {price.show()}")
        say(*(f"{one.rule} {one.sentence} {one.fix}" for one in findings))
    return 1 if findings else 0

"""``python -m chaos``: POSTS, KILLS, SEED, DB, FAULTS, THREADS and PACE say what kind of storm."""

import asyncio
import json
import os
import sys

from chaos import campaign
from chaos.cluster import NoPostgres
from chaos.plan import BadPlan, Plan


def main() -> int:
    """The last line is the report; 1 when a promise was broken, 2 when nothing could be tried."""
    try:
        plan = Plan.read()
        report = asyncio.run(campaign.run(plan, keep=bool(os.environ.get("KEEP"))))
    except (BadPlan, NoPostgres) as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(report))
    return 0 if campaign.is_clean(report) else 1


if __name__ == "__main__":
    sys.exit(main())

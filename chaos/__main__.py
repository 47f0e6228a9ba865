"""``python -m chaos``: POSTS, KILLS, SEED, DB, FAULTS, THREADS and PACE say what kind of storm."""

import asyncio
import json
import os
import signal
import sys
from typing import Any

from chaos import campaign, mutants
from chaos.cluster import NoPostgres
from chaos.plan import BadPlan, Plan


def main() -> int:
    """The last line is the report; 1 when a promise was broken, 2 when nothing could be tried."""
    if sys.argv[1:2] == ["mutants"]:
        return mutants.run(sys.argv[2:])
    try:
        plan = Plan.read()
        report = asyncio.run(_until_told_to_stop(plan))
    except (BadPlan, NoPostgres) as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(report))
    return 0 if campaign.is_clean(report) else 1


async def _until_told_to_stop(plan: Plan) -> dict[str, Any]:
    """A campaign that is ended from outside takes its processes along."""
    running = asyncio.ensure_future(campaign.run(plan, keep=bool(os.environ.get("KEEP"))))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    return await running


if __name__ == "__main__":
    sys.exit(main())

"""Run the benchmarks, or the one named: each prints JSON lines with a baseline from the same run."""

import importlib
import sys
from pathlib import Path


def main() -> None:
    here = Path(__file__).parent
    names = sys.argv[1:] or sorted(path.stem for path in here.glob("*.py") if not path.stem.startswith("_"))
    for name in names:
        if not (here / f"{name}.py").is_file():
            sys.exit(f"There is no benchmark {name}.")
        importlib.import_module(f"bench.{name}").run()


if __name__ == "__main__":
    main()

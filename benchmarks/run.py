"""`make bench`: the platform beside its own unavoidable parts and beside the same job done the conventional way.

usage: python benchmarks/run.py [--quick] [--only NAME]…      last line: one JSON object; every figure is of this run alone
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

from registry import Row, Run, rows, say


def measured(wanted: Sequence[Row], quick: bool) -> dict[str, float]:
    run = Run(quick)
    try:
        return {row.name: _measured(row, run) for row in wanted}
    finally:
        run.close()


def _measured(row: Row, run: Run) -> float:
    began = time.monotonic()
    found = round(row.measure(run), 2)
    say(f"{row.name} = {found} ({time.monotonic() - began:.0f} s)")
    return found


def main() -> int:
    every = rows()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 50 s, without the rows that need long")
    parser.add_argument(
        "--only", action="append", choices=[row.name for row in every], help="this row; may be repeated"
    )
    given = parser.parse_args()
    wanted = [row for row in every if row.name in given.only] if given.only else every
    if given.quick and not given.only:
        wanted = [row for row in wanted if not row.long]
    began = time.monotonic()
    found = measured(wanted, given.quick)
    targets = {row.name: row.target for row in wanted}
    say(f"\n{'figure':28} {'here':>8}  target")
    for name, value in found.items():
        say(f"{name:28} {value:8.2f}  {targets[name]}")
    say(f"{time.monotonic() - began:.0f} s")
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())

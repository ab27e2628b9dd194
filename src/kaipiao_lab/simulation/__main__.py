"""`make simulate`: many seeds in several processes, some of them once more on SQLite; the last line is one JSON object.

usage: python -m kaipiao_lab.simulation [--seeds N] [--from N] [--quick] [--jobs N]
       python -m kaipiao_lab.simulation --seed N [--trace] [--ledger sqlite]
"""

from __future__ import annotations

import argparse
import os
import sys

from kaipiao_lab.simulation.runs import alone, many

FULL, QUICK = 10_000, 150


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, help=f"how many ({FULL}; with --quick {QUICK})")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--until-broken", action="store_true", help="stop at the first seed that fails")
    parser.add_argument("--sqlite", type=int, help="so many seeds are replayed on SQLite (20; with --quick 2)")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--trace", action="store_true", help="tell its whole story")
    given = parser.parse_args(arguments)
    if given.seed is not None:
        return alone(given.seed, trace=given.trace)
    seeds = given.seeds or (QUICK if given.quick else FULL)
    replayed = given.sqlite if given.sqlite is not None else min(seeds, 2 if given.quick else 20)
    return many(range(given.first, given.first + seeds), given.jobs, replayed, until_broken=given.until_broken)


if __name__ == "__main__":
    sys.exit(main())

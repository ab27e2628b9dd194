"""Seeds run: one with its story, or many in several processes with a line of progress and a last line in JSON."""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from kaipiao_lab.simulation.replay import differences
from kaipiao_lab.simulation.seed import Result, run
from kaipiao_lab.simulation.verdict import BELIEVED_WRONG, DOUBLED, LOST

PROGRESS = 5.0  # seconds between two lines


def alone(seed: int, *, trace: bool) -> int:
    result, world = run(seed)
    if trace:
        print("\n".join(world.story.lines))  # noqa: T201 — the output
    _tell(result)
    end = "BROKEN" if result.promise else "kept"
    print(f"seed {seed} · {result.invoices} invoices · trace {result.digest} · {end}")  # noqa: T201
    return 1 if result.promise else 0


def many(seeds: Sequence[int], jobs: int, replayed: int, *, until_broken: bool = False) -> int:
    """All of the seeds, then some of them on SQLite. 1 when a promise was broken."""
    began = time.monotonic()
    counts: Counter[str] = Counter()
    failing: list[int] = []
    told = began
    for done, result in enumerate(_results(seeds, jobs), start=1):
        counts.update(result.counts)
        counts["invoices"] += result.invoices
        if result.promise:
            counts[result.promise] += 1
            failing.append(result.seed)
            _tell(result)
            if until_broken:
                break
        if time.monotonic() > told + PROGRESS:
            told = time.monotonic()
            _say(f"{done}/{len(seeds)} seeds, {counts['invoices']} invoices, {len(failing)} failing")
    differing = _on_sqlite(seeds[:replayed])
    last = {
        "seeds": len(seeds), "invoices": counts["invoices"], "faults": counts["faults"], "kills": counts["kills"],
        "lost": counts[LOST], "doubled": counts[DOUBLED], "believed_wrong": counts[BELIEVED_WRONG],
        "failing_seeds": failing[:50], "sqlite_seeds": replayed, "sqlite_differs": differing,
        "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip
    print(json.dumps(last))  # noqa: T201
    return 1 if failing or differing else 0


def _results(seeds: Sequence[int], jobs: int) -> Iterator[Result]:
    if jobs == 1:
        yield from map(result_of, seeds)
        return
    with multiprocessing.get_context("forkserver").Pool(jobs, maxtasksperchild=500) as pool:
        yield from pool.imap_unordered(result_of, seeds, chunksize=4)


def result_of(seed: int) -> Result:
    return run(seed)[0]


def _on_sqlite(seeds: Sequence[int]) -> list[int]:
    differing = []
    for place, seed in enumerate(seeds, start=1):
        found = differences(seed)
        _say(f"SQLite {place}/{len(seeds)}: seed {seed} {'differs' if found else 'ends the same'}")
        for line in found[:10]:
            _say(f"  {line}")
        if found:
            differing.append(seed)
    return differing


def _tell(result: Result) -> None:
    """What failed, how to see it again, and what was last heard of it."""
    if result.promise is None:
        return
    _say(f"seed {result.seed}: {result.fact}")
    for line in result.lines:
        _say(f"    {line}")
    _say(f"  again: python -m kaipiao_lab.simulation --seed {result.seed} --trace")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 — progress and findings; the last line alone is on stdout

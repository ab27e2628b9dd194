"""`make policy-matrix`: the named policies and ours, each against a bureau of its own, with the same day of faults.

The last line on stdout is one JSON object keyed by policy: doubled, held_but_denied, not_issued, human, p99_s (`judge`).
All policies run at the same time. Traffic stays on loopback; the run is bounded in time and ends what it started. Exit code
0: ours is clean and each other shows its fault; 1: it is not so; 3: time was up, so that the figures count what was not
done as well and prove nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from kaipiao_lab.bench import Bench
from kaipiao_lab.policies import book, ours
from kaipiao_lab.policies.bureau import Bureau
from kaipiao_lab.policies.day import FULL, QUICK, Day
from kaipiao_lab.policies.judge import Figures, judge
from kaipiao_lab.policies.rules import BASELINES, OURS, Rule
from kaipiao_lab.processes import Command

GRACE = 15.0  # real seconds that a client may take beyond its patience
LOOK = 0.02
WRONG, CUT = 1, 3  # exit codes
MEMORY = Path("/dev/shm")  # noqa: S108 — a directory of our own is made in it


@dataclass(frozen=True, slots=True)
class Outcome:
    """`undone`: sales whose outcome the client did not know when its time was up; the figures count them as well."""

    figures: Figures
    undone: int


def of_baseline(place: Path, rule: Rule, day: Day) -> Outcome:
    """One policy's day. Raises `NotStarted`."""
    place.mkdir(parents=True)
    process = Bureau.command(place, day)
    info = process.start()
    client = _client(place, info, rule, day)
    try:
        bureau = Bureau(info, place / "bureau", day)
        bureau.order_faults(0, out=False)
        outages = bureau.go_through(client.start()["begin"], client.running)
        _wait(client, day.patience + GRACE)
        outages.join()
        ended_at = bureau.now()
        _tell(place, bureau)
    finally:
        client.stop()
        process.stop()
    return _judged(place, bureau, list(book.read(place / "client.ndjson")), ended_at)


def _judged(place: Path, bureau: Bureau, sold: list[book.Sold], ended_at: float) -> Outcome:
    undone = sum(each.believes == "open" for each in sold)
    return Outcome(judge(sold, bureau.close_books(place), ended_at), undone)


def _client(place: Path, info: dict[str, object], rule: Rule, day: Day) -> Command:
    printed = place / "bureau.json"
    printed.write_text(json.dumps(info), encoding="utf-8")
    arguments = ["--rule", rule.name, "--bureau", str(printed), "--day", json.dumps(asdict(day))]
    arguments += ["--book", str(place / "client.ndjson")]
    return Command(arguments, place / "client.log", ("kaipiao_lab.policies.client",))


def _wait(client: Command, seconds: float) -> None:
    end = time.monotonic() + seconds
    while client.running() and time.monotonic() < end:
        time.sleep(LOOK)


def of_ours(place: Path, day: Day) -> Outcome:
    """Ours, on the same day. Raises `NotStarted`."""
    bench = Bench(place, ours.sizes(day))
    try:
        bench.set_up()
        bureau = Bureau(bench.bureau.info, place / "bureau", day)
        bureau.order_faults(0, out=False)
        sold = ours.sell(bench, bureau, day, day.patience)
        ended_at = bureau.now()
        _tell(place, bureau)
    finally:
        bench.close()
    book.write(place / "client.ndjson", sold)
    return _judged(place, bureau, sold, ended_at)


def _tell(place: Path, bureau: Bureau) -> None:
    bureau.count()
    sys.stderr.write(f"{place.name}: {json.dumps(bureau.hits.counts)}\n")


def matrix(directory: Path, day: Day, rules: Sequence[Rule] = BASELINES) -> dict[str, Outcome]:
    """What became of every policy, ours first."""
    tasks: dict[str, Callable[[], Outcome]] = {OURS: lambda: of_ours(directory / OURS, day)}
    for rule in rules:
        tasks[rule.name] = lambda rule=rule: of_baseline(directory / rule.name, rule, day)  # type: ignore[misc]
    with ThreadPoolExecutor(len(tasks)) as threads:
        running = {name: threads.submit(task) for name, task in tasks.items()}
        return {name: future.result() for name, future in running.items()}


def faults_of(figures: dict[str, Figures], rules: Sequence[Rule] = BASELINES) -> list[str]:
    """What makes the run worthless or us wrong: ours is not clean, or a baseline does not show its fault."""
    wrong = [] if figures[OURS].clean() else [f"{OURS}: {figures[OURS]}"]
    blind = [rule for rule in rules if not getattr(figures[rule.name], rule.shows)]
    return wrong + [f"{rule.name}: its fault ({rule.shows}) was not seen, the run was blind" for rule in blind]


def cut_of(outcomes: dict[str, Outcome]) -> list[str]:
    """Whose time was up before its sales were done."""
    return [
        f"{name}: time was up before {each.undone} sales had an outcome: its figures are too large"
        for name, each in outcomes.items()
        if each.undone
    ]


def in_memory() -> Path | None:
    """Where files are in memory, if there is such a place: policies are compared here, not disks."""
    return MEMORY if os.access(MEMORY, os.W_OK) else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2,000 invoices a policy, under 50 s")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep all books and logs in this directory")
    options = parser.parse_args()
    day = replace(QUICK if options.quick else FULL, seed=options.seed)
    with tempfile.TemporaryDirectory(prefix="kaipiao-policies-", dir=in_memory()) as scratch:
        outcomes = matrix(options.keep or Path(scratch), day)
    figures = {name: each.figures for name, each in outcomes.items()}
    cut, faults = cut_of(outcomes), faults_of(figures)
    sys.stderr.writelines(f"{line}\n" for line in cut + faults)
    sys.stdout.write(json.dumps({name: each.as_dict() for name, each in figures.items()}) + "\n")
    return CUT if cut else WRONG if faults else 0


if __name__ == "__main__":
    sys.exit(main())

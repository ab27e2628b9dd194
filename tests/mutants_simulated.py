"""The known mistakes once more: each that lies in the reach of the simulation must be found by it, within so many seeds.

usage: python tests/mutants_simulated.py [--again] [--seeds N] [NAME …]     exit 1 if one survives

What a finished run found is kept in `.mutants-simulated.json` by the text that it was found in: a run that was cut off
goes on where it was, and after a change only what it may concern is run again. `--again` forgets it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mutants import MUTANTS, ROOT, Mutant, mutated

KEPT = ROOT / ".mutants-simulated.json"
SEEDS, ON_SQLITE = 150, 12  # at the most: in memory, and replayed on SQLite
LIMIT = 240.0  # seconds for one mutant
AT_ONCE = 2  # processes

# Why a mistake cannot be seen by the simulation, by the place where it is made; a longer place goes before a shorter one.
PLACES = {
    "access/": "people, passwords, tokens: no part of issuing",
    "api/": "HTTP: the simulation calls the issuer beneath it",
    "app/": "the start of a process with its files and sockets",
    "authority/": "bytes on a wire: the simulated line answers above it",
    "cli/": "the command line and the server's sockets",
    "delivery/": "messages to people",
    "intake/": "the bytes of a request",
    "operations/": "measuring the machine",
    "ledger/postgresql/": "PostgreSQL: its dialect, its sessions, its pools",
    "ledger/login_counts.py": "people, passwords, tokens: no part of issuing",
    "ledger/requests.py": "HTTP: keys of requests",
    "ledger/sqlite/accounts.py": "people, passwords, tokens: no part of issuing",
    "ledger/sqlite/alarms.py": "messages to people",
    "ledger/memory/alarms.py": "messages to people",
    "issuing/ports.py": "threads: the simulation has none",
    "issuing/reconciler.py": "the simulated bureau gives no lists of a month",
    "issuing/month_end.py": "the simulated bureau confirms no months",
    "issuing/repair": "what people decide by hand",
    "issuing/outage": "reports for people",
}
# And of mistakes in the places that the simulation runs.
NAMES = {
    "unused numbers counted before the epoch is raised (SQLite)": "two commits of SQLite at the same moment: it is asked one thing after the other",
    "a number may be given twice (SQL, within a group)": "two admissions in one commit of SQLite: it is asked one thing after the other",
    "changes of one invoice in one call are written out of their order (SQLite)": "no caller changes an invoice twice in one call",
    "an upload that came too late says so without words": "words for people",
    "a machine that was asleep takes its lease for its own": "the machine's own clocks",
    "a ledger that does not answer fills the memory": "4,096 commits under way at once",
    "callers wait behind the numbering of accepted orders": "how long callers wait: `make bench` and the named test",
    "accepted orders wait for as long as there is a crowd": "a crowd that stays: the named test",
    "after a slow batch accepted orders rest without end": "a crowd that stays: the named test",
    "numbers of an earlier lease stay in memory": "the epoch check stands behind it, and they are dropped when it refuses one",
    "a number may be given twice (memory)": "the epoch check stands before it: two lines of defence",
    "quota of another month booked as this one's": "the check of the grant stands behind it: two lines of defence",
    "a round waits for its slowest call": "how long others wait: the named test",
    "what the channel cannot carry takes its batch along for ever": "how long others wait: the named test",
    "a call that was left open waits for an idle moment": "how long others wait: the named test",
    "one order that cannot be numbered stops its taxpayer": "rules that refuse later what they took: the world has none",
    "orders of a taxpayer that only another node knows are refused": "all nodes of a world know all taxpayers",
    "a bureau that answers slowly is taken for one that is gone": "how long others wait: the named test",
    "calls that hung since before the breaker closed open it again": "how long others wait: the named test",
    "an event for every ask that fails": "how much is written: the named test",
    "what was never sent is told of the invoice": "how much is written: the named test",
    "a bureau that is back is found out by the longest pause": "how long others wait: the named test",
    "calls of a node of before the leases are cut while they are under way": "a program of an earlier version beside this one",
}


@dataclass(frozen=True)
class Found:
    """What a run of one mutant came to. `seed`: the one that caught it."""

    name: str
    seed: int | None
    how: str
    seconds: float


def out_of_reach(mutant: Mutant) -> str | None:
    """Why the simulation cannot find it; None when it must."""
    if mutant.name in NAMES:
        return NAMES[mutant.name]
    places = [place for place in PLACES if mutant.file.startswith(place)]
    return PLACES[max(places, key=len)] if places else None


def hunt(mutant: Mutant, seeds: int) -> Found:
    """Live through seeds until one shows the mistake."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kaipiao-mutant-") as scratch:
        copy = mutated(mutant, Path(scratch))
        if isinstance(copy, str):
            return Found(mutant.name, None, copy, 0.0)
        on_sqlite = "sqlite/" in mutant.file or mutant.file == "ledger/desk.py"
        count, replayed = (ON_SQLITE, ON_SQLITE) if on_sqlite else (seeds, 0)
        command = [
            sys.executable, "-m", "kaipiao_lab.simulation", "--seeds", str(count), "--jobs", "1", "--until-broken",
            "--sqlite", str(replayed),
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(
                command, cwd=scratch, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
            )
        except subprocess.TimeoutExpired:
            return Found(mutant.name, None, f"no end within {LIMIT:.0f} s", LIMIT)
    return _found(mutant, done, time.monotonic() - began)


def _found(mutant: Mutant, done: subprocess.CompletedProcess[str], seconds: float) -> Found:
    if not done.stdout.strip():
        return Found(mutant.name, None, f"it could not run: {done.stderr[-300:]}", seconds)
    last = json.loads(done.stdout.splitlines()[-1])
    caught = last["failing_seeds"] or last["sqlite_differs"]
    if not caught:
        return Found(mutant.name, None, f"SURVIVED {last['seeds']} seeds", seconds)
    words = [line for line in done.stderr.splitlines() if line.startswith(f"seed {caught[0]}:")]
    return Found(mutant.name, caught[0], words[0].split(": ", 1)[1] if words else "SQLite answers otherwise", seconds)


def _key(mutant: Mutant) -> str:
    """Of the mistake and the text it is made in, and of the simulation."""
    digest = hashlib.sha256(f"{mutant.old}\0{mutant.new}".encode())
    files = [ROOT / "src/kaipiao" / mutant.file, *sorted((ROOT / "src/kaipiao_lab/simulation").glob("*.py"))]
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    given = parser.parse_args()
    kept: dict[str, list[object]] = {}
    if KEPT.exists() and not given.again:
        kept = json.loads(KEPT.read_text(encoding="utf-8"))
    chosen = [m for m in MUTANTS if not given.names or any(name in m.name for name in given.names)]
    within = [m for m in chosen if out_of_reach(m) is None]
    todo = [m for m in within if _key(m) not in kept]
    for mutant in within:
        if mutant not in todo:
            print(f"✓ {mutant.name}: seed {kept[_key(mutant)][0]} (known)")
    bad = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for mutant, found in zip(todo, pool.map(lambda m: hunt(m, given.seeds), todo), strict=True):
            bad += found.seed is None
            sign = "✗" if found.seed is None else f"✓ seed {found.seed}:"
            print(f"{sign} {found.name} ({found.seconds:.0f} s): {found.how}", flush=True)
            if found.seed is not None:
                kept[_key(mutant)] = [found.seed, found.name, found.how]
                KEPT.write_text(json.dumps(kept, ensure_ascii=False, indent=1), encoding="utf-8")
    for mutant in chosen:
        if (reason := out_of_reach(mutant)) is not None and given.names:
            print(f"– {mutant.name}: out of reach, {reason}")
    print(
        f"{len(within) - bad} found, {bad} not found, {len(chosen) - len(within)} out of reach (caught by their tests)"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

"""`make bench`: the platform beside its own unavoidable parts and beside the same job done the conventional way.

usage: python benchmarks/run.py [--quick]      last line: one JSON object; every figure is a ratio within this run
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import rows
from parts import parts
from stand import Stand

TARGETS = {
    "cpu_over_parts_sqlite": "≤ 1.8",
    "async_over_sync": "≥ 2.5",
    "over_conventional": "≥ 15",
    "over_conventional_same_sm2": "",
    "uploader_share": "≥ 0.4",
    "hanging_over_up_p99": "≤ 1.2",
}


def say(text: str) -> None:
    print(text, flush=True)


def measured(quick: bool) -> dict[str, float]:
    alone = parts(2 if quick else 10)
    total = sum(alone.values())
    for name, microseconds in alone.items():
        say(f"  {name:12} {microseconds:8.1f} µs CPU per invoice")
    say(f"  {'sum':12} {total:8.1f} µs")
    with tempfile.TemporaryDirectory(prefix="kaipiao-bench-") as scratch:
        stand = Stand(Path(scratch))
        try:
            stand.start()
            return _on(stand, total, quick)
        finally:
            stand.bench.close()


def _on(stand: Stand, total: float, quick: bool) -> dict[str, float]:
    seconds = 2.5 if quick else 15.0
    whole = rows.saturated(stand, seconds)
    _say_load("platform", whole)
    say(f"  {'platform':12} {whole['cpu_us']:8.1f} µs CPU per invoice, issued and confirmed")
    pypi = rows.conventional_rate(stand, seconds, ours=False)
    _say_load("conventional", pypi)
    same = rows.conventional_rate(stand, seconds, ours=True)
    _say_load("… our SM2", same)
    alone, beside = rows.uploader_rates(stand, 600 if quick else 5000)
    say(f"  uploader     {alone:.0f}/s alone, {beside:.0f}/s while ingest saturates")
    half = whole["per_second"] / 2
    ratio, up, hanging = rows.p99_hanging_over_up(stand, half, seconds, 1 if quick else 5)
    stand.bench.wait_settled(rows.SETTLE_SECONDS if not quick else 1)
    later = rows.accepted_later(stand, seconds)
    _say_load("… async", later)
    say(f"  p99 ms at {half:.0f}/s: bureau up {up}, hanging {hanging}")
    return {
        "cpu_over_parts_sqlite": whole["cpu_us"] / total,
        "async_over_sync": later["per_second"] / whole["per_second"],
        "over_conventional": whole["per_second"] / pypi["per_second"],
        "over_conventional_same_sm2": whole["per_second"] / same["per_second"],
        "uploader_share": beside / alone,
        "hanging_over_up_p99": ratio,
    }


def _say_load(name: str, report: dict[str, Any]) -> None:
    say(
        f"  {name:12} {report['per_second']:8.1f} issued a second, p50 {report['p50']} ms, p99 {report['p99']} ms; "
        f"the generator took {report['generator_us']} µs CPU each"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 50 s, without the rows that need long")
    quick = parser.parse_args().quick
    began = time.monotonic()
    found = measured(quick)
    found = {name: round(value, 2) for name, value in found.items()}
    say(f"\n{'figure':28} {'here':>8}  target")
    for name, value in found.items():
        say(f"{name:28} {value:8.2f}  {TARGETS[name]}")
    say(f"{time.monotonic() - began:.0f} s")
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())

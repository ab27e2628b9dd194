"""`make cover-proof`: sealed invoices at the usual speed through outages of 3 h and 20 h, and the stop at every budget's end.

The last line on stdout is one JSON object: `latency` (milliseconds, by phase) and `stops` (by bound: what the API answered,
what unlocks it, whether issuing went on). Traffic stays on loopback; the run is bounded in time and ends what it started.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from kaipiao_lab.cover import latency, stops


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 60 s")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep all books and logs in this directory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kaipiao-cover-") as scratch:
        place = options.keep or Path(scratch)
        measured = latency.prove(place / "latency", latency.QUICK if options.quick else latency.FULL, options.seed)
        stopped = stops.prove(place / "stops", options.seed)
    for stop in stopped:
        sys.stderr.write(f"{stop.bound}: {json.dumps(stop.said, ensure_ascii=False)}\n")
    result = {"latency": measured.as_dict(), "stops": {stop.bound: stop.as_dict() for stop in stopped}}
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
    return 0 if measured.sound() and all(stop.sound() for stop in stopped) else 1


if __name__ == "__main__":
    sys.exit(main())

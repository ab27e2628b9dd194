"""`make fuzz-api`: an outside fuzzer, schemathesis, against the running platform and its bureau, with a token.

usage: python tests/fuzz_api.py [--quick] [--seed N] [--seconds N]      exit 1 on any failure; the last line is a summary

The fuzzer lives in an environment of its own (.venv-fuzz, locks/fuzz.txt) and knows the platform by its description alone.
That description is narrowed to what exists here, else almost every request would end at 404: the seller, some numbers and
orders; and :cancel names its taxpayer, as there are several here. The checks: no server error, no status, media type or body outside of the description, bad data refused, good data
accepted. What is not asked, and why:

- Good data refused with 422 or 409 by POST /v1/invoices: the tax rules of an invoice (codes in force, amounts that add
  up) and an order key used twice are no matter of a schema. By :cancel 409: the order has
  its number already; 422: the Idempotency-Key was used for another request. 404 is good
  data that names nothing here.
- Bad data and the batch: a batch answers 200 with a problem for each bad item; NDJSON is any text at all to a schema.
- Good data and the batch: an empty text is a batch without items, a text that is no JSON is described by a string too.
- Good data refused by the routes about people: a password may be too common, a name taken, a log-in wrong or locked, an
  Idempotency-Key used for another request (the fuzzer has one only); and
  what only a person may do (`account:own`) is 403 to the token of a program.
- The stream of events at all: it is open for as long as its listener wants, and the fuzzer waits for an end
  (tests/unit/api/test_stream_and_rates.py reads it).
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from kaipiao_lab.bench import Bench, Sizes
from kaipiao_lab.processes import get

ROOT = Path(__file__).resolve().parent.parent
SCHEMATHESIS = ROOT / ".venv-fuzz" / "bin" / "schemathesis"
STREAM = "/v1/events/stream"
SETTINGS = """
hooks = "fuzz_hooks"
request-timeout = 10
[headers]
Authorization = "Bearer ${KAIPIAO_TOKEN}"
[checks]
enabled = false
not_a_server_error.enabled = true
status_code_conformance.enabled = true
content_type_conformance.enabled = true
response_schema_conformance.enabled = true
response_headers_conformance.enabled = true
negative_data_rejection.enabled = true
missing_required_header.enabled = true
unsupported_method.enabled = true
ignored_auth.enabled = true
positive_data_acceptance.enabled = true
positive_data_acceptance.expected-statuses = ["2xx", 404]
[[operations]]
include-name = "POST /v1/invoices:batch"
[operations.checks]
negative_data_rejection.enabled = false
positive_data_acceptance.enabled = false
[[operations]]
include-name-regex = "^POST /v1/invoices(:check)?$"
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", 404, 409, 422]
[[operations]]
include-name = "POST /v1/invoices:cancel"
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", 404, 409, 422]
[[operations]]
include-name = "POST /v1/sessions"
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", 401, 422, 429]
[[operations]]
include-name-regex = "^[A-Z]+ /v1/(account|account/.*|sessions/current)$"
[operations.checks]
positive_data_acceptance.expected-statuses = [403]
[[operations]]
include-name-regex = "^POST /v1/accounts.*$"
[operations.checks]
positive_data_acceptance.expected-statuses = ["2xx", 404, 409, 422]
"""
SALES = 5
ACCOUNTS = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=int, help="of fuzzing; 28 with --quick, else 600")
    asked = parser.parse_args()
    seconds = asked.seconds or (28 if asked.quick else 600)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kaipiao-fuzz-") as place:
        directory = Path(place)
        bench = Bench(directory / "bench", Sizes(seed=asked.seed))
        try:
            bench.set_up()
            code = fuzz(bench, directory, asked.seed, seconds, quick=asked.quick)
            alive = get(f"{bench.url()}/v1/status", bench.token) is not None
            defects = defects_in(bench)
        finally:
            bench.close()
        counted = summary(directory / "events.ndjson")
    for line in defects:
        print(line)
    failed = code != 0 or not alive or bool(defects) or not counted["checks"]
    print(
        f"fuzz-api seed={asked.seed} operations={counted['operations']} cases={counted['cases']} checks={counted['checks']} "
        f"failures={counted['failures']} defects={len(defects)} alive={'yes' if alive else 'no'} "
        f"seconds={time.monotonic() - begun:.0f} {'FAILED' if failed else 'ok'}"
    )
    return 1 if failed else 0


def fuzz(bench: Bench, directory: Path, seed: int, seconds: int, *, quick: bool) -> int:
    """Run the fuzzer; its exit code."""
    description = directory / "openapi.json"
    description.write_text(json.dumps(narrowed(bench), ensure_ascii=False), "utf-8")
    settings = directory / "schemathesis.toml"
    settings.write_text(SETTINGS, "utf-8")
    command = [str(SCHEMATHESIS), "--config-file", str(settings), "--no-color", "run", str(description)]
    command += ["--url", bench.url(), "--seed", str(seed), "--continue-on-failure"]
    command += [
        "--workers",
        "1",
        "--generation-database",
        "none",
        "--report-ndjson-path",
        str(directory / "events.ndjson"),
    ]
    command += ["--exclude-path", STREAM]
    command += ["--suppress-health-check", "all", "--warnings", "off"]
    command += ["--max-examples", "5", "--phases", "coverage,fuzzing", "--no-shrink"] if quick else []
    command += ["--max-time", str(seconds)]
    environment = {**os.environ, "KAIPIAO_TOKEN": bench.token, "PYTHONPATH": str(ROOT / "tests")}
    return subprocess.run(command, check=False, env=environment, cwd=directory).returncode


def narrowed(bench: Bench) -> dict[str, Any]:
    """The description as it is served, with what exists here in the place of any text."""
    with urllib.request.urlopen(f"{bench.url()}/openapi.json") as answer:
        document: dict[str, Any] = json.load(answer)
    numbers = [issue(bench, document, f"fuzz-{place}") for place in range(SALES)]
    orders = [f"fuzz-{place}" for place in range(SALES)]
    document["components"]["schemas"]["InvoiceRequest"]["properties"]["seller"]["enum"] = [bench.seller]
    names = [f"fuzz-{place}" for place in range(ACCOUNTS)]
    for name in names:
        send(bench, "/v1/accounts", {"account": name, "role": "issuer"})
    known = {"number": numbers, "taxpayer": [bench.seller], "order": orders, "account": names}
    for operations in document["paths"].values():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", []):
                if parameter["name"] == "taxpayer" and method == "post":
                    parameter["required"] = True  # there are several here
                if parameter["name"] in known:
                    exists = {"type": "string", "enum": known[parameter["name"]]}
                    # An order that nobody has is no mistake: its list is empty. Accounts the fuzzer makes itself.
                    free = (parameter["name"], method) == ("order", "get") or parameter["name"] == "account"
                    parameter["schema"] = {"anyOf": [exists, parameter["schema"]]} if free else exists
                    parameter.pop("example", None)
            _with_seller(operation, bench.seller)
    return document


def _with_seller(operation: dict[str, Any], seller: str) -> None:
    """The examples name a seller that does not exist here."""
    for form in operation.get("requestBody", {}).get("content", {}).values():
        if "example" in form:
            form["example"] = json.loads(json.dumps(form["example"]).replace("91110000MAKP00001M", seller))


def issue(bench: Bench, document: dict[str, Any], order: str) -> str:
    """Issue the sale of the description's own example; its number."""
    example = document["paths"]["/v1/invoices"]["post"]["requestBody"]["content"]["application/json"]["example"]
    body = {**copy.deepcopy(example), "seller": bench.seller, "order": order}
    return str(send(bench, "/v1/invoices", body)["number"])


def send(bench: Bench, path: str, body: object) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{bench.url()}{path}",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {bench.token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def defects_in(bench: Bench) -> list[str]:
    """What the platform itself has logged as a defect of its own."""
    log = (bench.directory / "platform.log").read_text("utf-8", errors="replace")
    return [line for line in log.splitlines() if '"defect"' in line or "Traceback" in line]


def summary(events: Path) -> Counter[str]:
    """Counted from the fuzzer's own record."""
    counted: Counter[str] = Counter(operations=0, cases=0, checks=0, failures=0)
    if not events.exists():
        return counted
    labels: set[str] = set()
    for line in events.read_text("utf-8").splitlines():
        event = json.loads(line).get("ScenarioFinished")
        if event is None:
            continue
        recorder = event["recorder"]
        labels.add(recorder["label"])
        counted["cases"] += len(recorder.get("cases", ()))
        checks = [check["status"] for checks in recorder.get("checks", {}).values() for check in checks]
        counted["checks"] += len(checks)
        counted["failures"] += checks.count("failure")
    counted["operations"] = len(labels)
    return counted


if __name__ == "__main__":
    sys.exit(main())

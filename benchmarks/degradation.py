"""Each measure of degradation, and those that were left off: what they save, as ratios within one run.

usage: python benchmarks/degradation.py      the last line is one JSON object; docs/results/degradation.md tells what follows
"""

from __future__ import annotations

import asyncio
import json
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import from_replica

from kaipiao.api.views import InvoiceView
from kaipiao_lab.bench import Bench, Sizes
from kaipiao_lab.postgresql import Unavailable
from kaipiao_lab.processes import get
from kaipiao_lab.sales import Sales

FULL = InvoiceView(
    order="A-1", number="26442000000000000001", taxpayer="91440300MA5EXMPL17", kind="general", state="confirmed",
    amount="100.00", tax="6.00", total="106.00", channel="leqi", made_at="2026-11-03T09:00:00.000+08:00",
    sent_at="2026-11-03T09:00:02.000+08:00", accepted_at="2026-11-03T09:00:12.000+08:00", deadline=None,
    provenance="result", problem_code=None, problem=None, id="905969664000000001", notice=None,
).model_dump()  # fmt: skip
LEAN_AWAY = ("x-content-type-options: nosniff", "cache-control: no-store", "referrer-policy: no-referrer")


def best(work: Callable[[], object], turns: int = 7, times: int = 20) -> float:
    """Seconds of one, the median of some turns."""
    took = []
    for _ in range(turns):
        began = time.perf_counter()
        for _ in range(times):
            work()
        took.append((time.perf_counter() - began) / times)
    return statistics.median(took)


def bodies() -> float:
    """A list of 1,000 without its nulls and with a flat array instead of objects, over the list as it is."""
    rows = [FULL] * 1000
    names = [name for name, value in FULL.items() if value is not None]
    whole = best(lambda: json.dumps(rows))
    flat = best(lambda: json.dumps([names, *([row[name] for name in names] for row in rows)]))
    return flat / whole


def head_bytes(bench: Bench) -> float:
    """Bytes of the answer to a sale without the fixed headers, over those with them."""
    headers = {"Authorization": f"Bearer {bench.token}", "Content-Type": "application/json"}
    body = json.dumps(Sales(bench.seller, 1, "head").next()).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{bench.url()}/v1/invoices", body, headers)) as answer:
        whole = len(str(answer.headers)) + len(answer.read())
    return (whole - sum(len(line) + 2 for line in LEAN_AWAY)) / whole


async def of_calls(calls: int, work: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        await work()
    return (time.perf_counter() - began) / calls


async def connections(url: str, token: str, context: ssl.SSLContext | None) -> tuple[float, float]:
    """Seconds of a small request: on a kept connection, and with a new one each time."""
    host, port = url.split("://")[1].rsplit(":", 1)
    request = f"GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)

    async def anew() -> None:
        reader, writer = await asyncio.open_connection(
            host, int(port), ssl=context, server_hostname="localhost" if context else None
        )
        await once(reader, writer)
        writer.close()

    reader, writer = await asyncio.open_connection(
        host, int(port), ssl=context, server_hostname="localhost" if context else None
    )
    kept = await of_calls(400, lambda: once(reader, writer))
    writer.close()
    return kept, await of_calls(200, anew)


def with_tls(bench: Bench) -> ssl.SSLContext:
    """Serve over TLS with the certificate that the bureau has for loopback."""
    place = bench.directory / "platform"
    key, certificate = bench.directory / "server.key", bench.directory / "server.crt"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    key.chmod(0o600)
    settings = place / "kaipiao.toml"
    text = settings.read_text("utf-8").replace(
        "[server]\n", f'[server]\ntls_certificate = "{certificate}"\ntls_key = "{key}"\n'
    )
    settings.write_text(text, "utf-8")
    return ssl.create_default_context(cafile=str(certificate))


def status_calls(bench: Bench) -> float:
    return best(lambda: get(f"{bench.url()}/v1/status", bench.token), turns=5, times=30)


def main() -> int:
    found: dict[str, Any] = {"flat_over_whole_list": round(bodies(), 2)}
    with tempfile.TemporaryDirectory(prefix="kaipiao-degradation-") as scratch:
        bench = Bench(Path(scratch), Sizes(speed=1.0))
        try:
            bench.set_up()
            found["lean_over_whole_answer_bytes"] = round(head_bytes(bench), 2)
            normal = status_calls(bench)
            set_level(bench, "L2")
            found["status_l2_over_normal"] = round(status_calls(bench) / normal, 2)
            bench.platform.stop()
            context = with_tls(bench)
            bench.platform.start()
            kept, anew = asyncio.run(connections(bench.url().replace("127.0.0.1", "localhost"), bench.token, context))
            found["kept_over_new_tls_connection"] = round(kept / anew, 2)
        finally:
            bench.close()
    try:
        found["primary_cpu_lists_from_replica_over_primary"] = round(from_replica.measured(), 3)
    except (ImportError, Unavailable) as missing:
        sys.stdout.write(f"lists from a replica are not measured: {missing}\n")
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


def set_level(bench: Bench, level: str) -> None:
    headers = {"Authorization": f"Bearer {bench.token}", "Content-Type": "application/json"}
    body = json.dumps({"level": level, "reason": "benchmark"}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{bench.url()}/v1/degradation", body, headers)).close()


if __name__ == "__main__":
    sys.exit(main())

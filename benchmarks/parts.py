"""CPU of the platform per issued and confirmed invoice, beside the CPU of its unavoidable parts, each measured alone in
the same run with the same sales.

usage: python benchmarks/parts.py [--quick]      last line: one JSON object of ratios

The platform is the real process with shipped settings; the shop and the bureau are others. Trust ratios, not figures.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from wire_parts import poll, tls_write

from kaipiao.authority.channel import UploadItem
from kaipiao.authority.leqi.envelope import sealed
from kaipiao.authority.leqi.settings import LeqiSettings
from kaipiao.authority.leqi.upload import element
from kaipiao.clock import SHANGHAI
from kaipiao.document.xml import write_invoice
from kaipiao.intake.requests import parse_request
from kaipiao.invoice.canonical import draft_bytes, invoice_bytes, load_invoice
from kaipiao.invoice.drafting import complete
from kaipiao.invoice.model import Party, Seller
from kaipiao.invoice.rules import check_draft
from kaipiao.invoice.taxpayer import bureau_of
from kaipiao.seal.digest import sm3
from kaipiao.seal.sm2 import Sm2PrivateKey, Sm2Sealer
from kaipiao_lab.bench import Bench, Sizes
from kaipiao_lab.sales import Sales

TICK = os.sysconf("SC_CLK_TCK")
NOW = datetime(2026, 11, 3, 2, 0, tzinfo=UTC)
BATCH = 100
SEAL = b"s" * 71
EVENT = ("e" * 240, b"h" * 32)  # as long as the shortest of the trail


def cpu_seconds(pid: int) -> float:
    """User and system seconds of a process so far (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def platform(count: int, tills: int) -> dict[str, float]:
    """µs of CPU per invoice from request to confirmed, and invoices a second while issuing."""
    with tempfile.TemporaryDirectory(prefix="kaipiao-bench-") as scratch:
        bench = Bench(Path(scratch), Sizes(speed=60.0, tills=tills, start="2026-11-03T09:00:00+08:00"))
        try:
            bench.set_up()
            bench.open_shop().sell(100, 60)
            bench.wait_settled(60)
            pid = bench.platform.pid
            assert pid is not None
            began, before = time.monotonic(), cpu_seconds(pid)
            assert bench.shop is not None
            bench.shop.sell(count, 300)
            issued = time.monotonic() - began
            left = bench.wait_settled(300)
            spent = cpu_seconds(pid) - before
        finally:
            bench.close()
    assert left == 0
    return {"cpu_us": spent / count * 1e6, "issued_per_second": count / issued}


@contextmanager
def busy_neighbours() -> Iterator[None]:
    """The other cores work too, as they do while the platform is measured beside the bureau and the shop: cores that share
    their units with a busy one, or their clock, are slower than on an idle machine."""
    work = [sys.executable, "-c", "while True: sum(range(1000))"]
    neighbours = [subprocess.Popen(work) for _ in range((os.cpu_count() or 1) - 1)]
    try:
        yield
    finally:
        for neighbour in neighbours:
            neighbour.terminate()
            neighbour.wait()


def parts(repeat: int) -> dict[str, float]:
    """µs of CPU of each unavoidable part of one invoice, one after the other, the other cores busy."""
    with busy_neighbours():
        return _parts(repeat)


def _parts(repeat: int) -> dict[str, float]:
    seller = Seller(Party("沙箱示例", "91110000MAKP00001M"), "11", *_bureau("11"), "1", "系统")
    bodies = [json.dumps(_sale(i), ensure_ascii=False).encode() for i in range(200)]
    drafts = [parse_request(body) for body in bodies]
    invoices = [complete(draft, seller, f"26117{i:015d}", NOW) for i, draft in enumerate(drafts)]
    xmls = [write_invoice(invoice) for invoice in invoices]
    frozen = [invoice_bytes(invoice) for invoice in invoices]
    sealer = Sm2Sealer("k", Sm2PrivateKey.generate())
    settings = LeqiSettings("https://x/access/v2/invoke", "a", "b", "c", "0" * 32)
    items = [UploadItem(i.number, NOW, f, x, b"", "k") for i, f, x in zip(invoices, frozen, xmls, strict=True)]

    def envelope() -> None:
        for start in range(0, len(items), BATCH):
            sealed(settings.key, [element(i, load_invoice(i.invoice), settings) for i in items[start : start + BATCH]])

    today = NOW.astimezone(SHANGHAI).date()
    work: dict[str, Callable[[], object]] = {
        "parse": lambda: [parse_request(body) for body in bodies],
        "content": lambda: [sm3(draft_bytes(draft)) for draft in drafts],
        "rules": lambda: [check_draft(draft, seller, today) for draft in drafts],
        "complete": lambda: [complete(d, seller, i.number, NOW) for d, i in zip(drafts, invoices, strict=True)],
        "xml": lambda: [write_invoice(invoice) for invoice in invoices],
        "frozen": lambda: [invoice_bytes(invoice) for invoice in invoices],
        "sm3": lambda: [sm3(xml) for xml in xmls],
        "sm2": lambda: [sealer.seal(xml) for xml in xmls],
        "envelope": envelope,
    }
    found = {name: _cpu(do, repeat) / len(bodies) for name, do in work.items()}
    found["insert"] = _insert(xmls, frozen, bodies, repeat)
    batches = [items[start : start + BATCH] for start in range(0, len(items), BATCH)]
    sent = [sealed(settings.key, [element(i, load_invoice(i.invoice), settings) for i in batch]) for batch in batches]
    found["tls write"] = tls_write(sent, repeat) / len(bodies)
    found["poll"] = poll(settings.key, [[i.number for i in batch] for batch in batches], repeat) / len(bodies)
    found["http"] = asyncio.run(_http(bodies[:100], repeat * 2)) / 100
    return found


def _bureau(region: str) -> tuple[str, str, str]:
    bureau = bureau_of(region)
    return bureau.code, bureau.name, bureau.tag


def _sale(seed: int) -> dict[str, object]:
    return Sales("91110000MAKP00001M", seed, f"P{seed}").next()


def _cpu(do: Callable[[], object], repeat: int) -> float:
    """The least CPU of several rounds, µs."""
    rounds = []
    for _ in range(repeat):
        began = time.process_time()
        do()
        rounds.append(time.process_time() - began)
    return min(rounds) * 1e6


def _insert(xmls: list[bytes], frozen: list[bytes], bodies: list[bytes], repeat: int) -> float:
    """A durable insert of what must be there in the end, by nothing but SQLite (WAL, FULL, one commit for ten): the sale under
    a unique order key and a unique number with its documents, and the bytes of its four events. No quota, no blocks, no
    state, no uploads, no index for any question."""
    with tempfile.TemporaryDirectory(prefix="kaipiao-bench-") as scratch:
        db = sqlite3.connect(Path(scratch) / "bare.db", isolation_level=None)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute(
            "CREATE TABLE sale (id INTEGER PRIMARY KEY, client_order TEXT UNIQUE, number TEXT UNIQUE, x BLOB, f BLOB, b BLOB, seal BLOB)"
        )
        db.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, data TEXT, hash BLOB)")
        insert = "INSERT INTO sale (client_order, number, x, f, b, seal) VALUES (?, ?, ?, ?, ?, ?)"
        count = itertools.count()

        def all_of_them() -> None:
            rows = [
                (f"P{n * 7919 % 99991}-{n}", f"26117{n:015d}", x, f, b, SEAL)
                for n, x, f, b in zip(count, xmls, frozen, bodies, strict=False)
            ]
            for start in range(0, len(rows), 10):
                db.execute("BEGIN IMMEDIATE")
                db.executemany(insert, rows[start : start + 10])
                db.executemany("INSERT INTO event (data, hash) VALUES (?, ?)", [EVENT] * 40)
                db.execute("COMMIT")

        spent = _cpu(all_of_them, repeat) / len(xmls)
        db.close()
    return spent


async def _http(bodies: list[bytes], repeat: int) -> float:
    """µs of CPU for all bodies of a server in a process of its own that only reads them and answers 600 bytes."""
    server = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__).with_name("raw_asgi.py")), stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    port = int((await server.stdout.readline()).decode())
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        rounds = []
        for _ in range(repeat):
            before = cpu_seconds(server.pid)
            for _ in range(10):
                for body in bodies:
                    head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                    writer.write(head + body)
                    answer = await reader.readuntil(b"\r\n\r\n")
                    assert answer.startswith(b"HTTP/1.1 200")
                    await reader.readexactly(600)
            rounds.append((cpu_seconds(server.pid) - before) / 10)
        writer.close()
    finally:
        server.terminate()
        await server.wait()
    return min(rounds) * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 50 s")
    quick = parser.parse_args().quick
    alone = parts(3 if quick else 10)
    whole = platform(1500 if quick else 10_000, 8)
    total = sum(alone.values())
    for name, microseconds in alone.items():
        print(f"{name:12} {microseconds:8.1f} µs CPU per invoice")
    print(f"{'sum':12} {total:8.1f} µs")
    print(f"{'platform':12} {whole['cpu_us']:8.1f} µs, {whole['issued_per_second']:.0f} issued a second with 8 tills")
    print(json.dumps({"cpu_over_parts_sqlite": round(whole["cpu_us"] / total, 2)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

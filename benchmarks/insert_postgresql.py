"""The part `insert` of `parts.py` for PostgreSQL: what the client must do so that the same bytes are stored durably."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Sequence

import asyncpg  # type: ignore[import-untyped]
from parts import EVENT, NOW, SEAL, busy_neighbours

from kaipiao.document.xml import write_invoice
from kaipiao.intake.requests import parse_request
from kaipiao.invoice.canonical import invoice_bytes
from kaipiao.invoice.drafting import complete
from kaipiao.invoice.model import Party, Seller
from kaipiao.invoice.taxpayer import bureau_of
from kaipiao_lab.sales import Sales

GROUP = 10
SELLER = "91110000MAKP00001M"
_TABLES = """
DROP SCHEMA IF EXISTS bare CASCADE; CREATE SCHEMA bare;
CREATE TABLE bare.sale (
    id bigint PRIMARY KEY, client_order text UNIQUE, number text UNIQUE, x bytea, f bytea, b bytea, seal bytea
);
CREATE TABLE bare.event (id bigint PRIMARY KEY, data text, hash bytea);
"""
_INSERT = """
WITH events AS (INSERT INTO bare.event SELECT * FROM unnest($8::bigint[], $9::text[], $10::bytea[]))
INSERT INTO bare.sale
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[])
"""
Papers = tuple[bytes, bytes, bytes]  # XML, frozen invoice, request


def papers(count: int) -> list[Papers]:
    """The bytes of so many sales."""
    bureau = bureau_of("11")
    seller = Seller(Party("沙箱示例", SELLER), "11", bureau.code, bureau.name, bureau.tag, "1", "系统")
    found = []
    for place in range(count):
        body = json.dumps(Sales(SELLER, place, f"P{place}").next(), ensure_ascii=False).encode()
        invoice = complete(parse_request(body), seller, f"26117{place:015d}", NOW)
        found.append((write_invoice(invoice), invoice_bytes(invoice), body))
    return found


async def insert(url: str, repeat: int) -> float:
    """µs of CPU of this process per sale, one statement and one commit for ten, by nothing but asyncpg: the sale under a
    unique order key and a unique number with its documents, and the bytes of its four events. The least of the rounds."""
    sales = papers(200)
    connection = await asyncpg.connect(url)
    await connection.execute(_TABLES)
    numbers = itertools.count()
    rounds = []
    with busy_neighbours():
        for _ in range(repeat):
            began = time.process_time()
            for start in range(0, len(sales), GROUP):
                await connection.execute(_INSERT, *_columns(sales[start : start + GROUP], numbers))
            rounds.append(time.process_time() - began)
    await connection.execute("DROP SCHEMA bare CASCADE")
    await connection.close()
    return min(rounds) / len(sales) * 1e6


def _columns(group: Sequence[Papers], numbers: itertools.count[int]) -> tuple[list[object], ...]:
    taken = [next(numbers) for _ in group]
    events = [4 * n + place for n in taken for place in range(4)]
    xmls, frozen, bodies = (list(column) for column in zip(*group, strict=True))
    data, digest = EVENT
    return (
        list(taken), [f"P{n * 7919 % 99991}-{n}" for n in taken], [f"26117{n:015d}" for n in taken], xmls, frozen, bodies,
        [SEAL] * len(taken), list(events), [data] * len(events), [digest] * len(events),
    )  # fmt: skip

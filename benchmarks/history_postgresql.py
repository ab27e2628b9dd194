"""The past of `history.py` in PostgreSQL, made by the server itself."""

from __future__ import annotations

import asyncio

import asyncpg  # type: ignore[import-untyped]
from history import AT, BEGIN, BLOCK, CENTS, ID, POSITION, SEGMENT, SLICE, Past

NUMBER = "('2699' || lpad(({})::text, 16, '0'))"
_HASH = "sha256(convert_to(n::text, 'UTF8'))"
_ORDER = "('H' || encode(sha256(convert_to('o' || n, 'UTF8')), 'hex'))"


def _slice(past: Past, first: int) -> list[list[str]]:
    """Statements of one slice; each list for a connection of its own."""
    end = first + SLICE
    rows = f"FROM generate_series({first}::bigint, {end - 1}::bigint) AS n"
    who, channel = f"'{past.taxpayer}'", f"'{past.channel}'"
    numbers = f"""
        INSERT INTO number_segment (taxpayer, serial, ordinal, channel, year, quantity, requested_at, filled_at, first,
            last, size, carved)
        SELECT {who}, 'history-' || n / {SEGMENT}, -1 - n / {SEGMENT}, {channel}, 2026, {SEGMENT}, {AT}, {AT},
            {NUMBER.format("n")}, {NUMBER.format(f"n + {SEGMENT - 1}")}, {SEGMENT}, {SEGMENT}
        {rows} WHERE n % {SEGMENT} = 0;
        INSERT INTO number_block (taxpayer, id, channel, year, serial, first, last, size, epoch, lease_until, used)
        SELECT {who}, -1 - n / {BLOCK}, {channel}, 2026, 'history-' || n / {SEGMENT}, {NUMBER.format("n")},
            {NUMBER.format(f"n + {BLOCK - 1}")}, {BLOCK}, 1, 0, {BLOCK}
        {rows} WHERE n % {BLOCK} = 0;
        INSERT INTO number_entry (taxpayer, number, block, invoice)
        SELECT {who}, {NUMBER.format("n")}, -1 - n / {BLOCK}, {ID} {rows};
    """
    keys = f"""
        INSERT INTO order_key (taxpayer, digest, invoice)
        SELECT {who}, sha256(convert_to({_ORDER}, 'UTF8')) AS digest, {ID} {rows} ORDER BY digest;
    """
    invoices = f"""
        INSERT INTO invoice (
            taxpayer, id, client_order, channel, kind, number, state, version, amount, tax, total, quota, made_at,
            sent_at, accepted_at, month, deadline, submission, submitted_at, denials, late_denials, tries, doubt,
            refused, alone, alarmed, provenance, content_digest)
        SELECT {who}, {ID}, {_ORDER}, {channel}, 'special', {NUMBER.format("n")}, 'confirmed', 4, {CENTS}, 1300, 11300,
            {CENTS}, {AT}, {AT}, {AT}, '2026-11', {AT} + 172800000000, 'history-' || n / {BLOCK}, {AT}, 0, 0, 1, false,
            false, false, 0, 'result', {_HASH} {rows};
    """
    uploads = f"""
        INSERT INTO upload (taxpayer, id, wire_id, channel, node, begun_at, ended_at, phase, bytes_sent, outcome,
            submission, timeline)
        SELECT {who}, {ID}, 'history-' || n / {BLOCK}, {channel}, 'node-1', {AT}, {AT}, 'answer', 500000, 'ok',
            'history-' || n / {BLOCK}, '[]' {rows} WHERE n % {BLOCK} = 0;
        INSERT INTO attempt (taxpayer, upload, invoice, outcome)
        SELECT {who}, {ID.replace("n *", f"(n - n % {BLOCK}) *")}, {ID}, 'ok' {rows};
    """
    documents = f"""
        INSERT INTO document (taxpayer, month, id, content, digest, seal, key_id, algorithm, xml, invoice)
        SELECT {who}, '2026-11', {ID}, {_HASH}, {_HASH}, {_HASH} || {_HASH}, 'seal', 'SM2-SM3', {_HASH}, {_HASH} {rows};
        INSERT INTO quota_entry (taxpayer, channel, month, invoice, amount, at)
        SELECT {who}, {channel}, '2026-11', {ID}, {CENTS}, {AT} {rows};
    """
    events = f"""
        INSERT INTO event (taxpayer, position, writer, sequence, kind, at, subject, invoice, data, previous, hash)
        SELECT {who}, {POSITION}, 'history', n + 1, 'issued', {AT}, {_ORDER}, {ID},
            '{{"id":' || {ID} || ',"number":"' || {NUMBER.format("n")} || '"}}', {_HASH}, {_HASH} {rows};
    """
    return [[numbers, keys, invoices], [uploads, documents, events]]


_QUOTA = """
INSERT INTO quota_request (taxpayer, serial, channel, month, kind, asked, amount, at, filled_at)
VALUES ($1, 'history-' || $4::bigint, $2, '2026-11', 'download', $3, $3, $5, $5)
"""

_ACCOUNT = """
INSERT INTO quota (taxpayer, channel, month, downloaded, issued) VALUES ($1, $2, '2026-11', $3, $3)
ON CONFLICT (taxpayer, channel, month)
DO UPDATE SET downloaded = quota.downloaded + $3, issued = quota.issued + $3
"""

_STATE = """
INSERT INTO state_count AS c (taxpayer, writer, state, count) VALUES ($1, '', 'confirmed', $2)
ON CONFLICT (taxpayer, writer, state) DO UPDATE SET count = c.count + $2
"""


async def database(url: str, name: str) -> str:
    """A new one on that server; its name."""
    connection = await asyncpg.connect(url)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return name


async def fill(url: str, past: Past) -> None:
    """The tables are there already (a ledger was opened on them)."""
    first, second = [await asyncpg.connect(url, command_timeout=600) for _ in range(2)]
    taken = CENTS * (past.end - past.first)
    await first.execute(_QUOTA, past.taxpayer, past.channel, taken, past.first, BEGIN)
    await first.execute(_ACCOUNT, past.taxpayer, past.channel, taken)
    await first.execute(_STATE, past.taxpayer, past.end - past.first)
    for start in past.slices():
        one, two = _slice(past, start)
        await asyncio.gather(_all(first, one), _all(second, two))
    await first.execute("VACUUM (ANALYZE)")
    await first.execute("CHECKPOINT")
    await first.close()
    await second.close()


async def _all(connection: asyncpg.Connection, statements: list[str]) -> None:
    for statement in statements:
        await connection.execute(statement)

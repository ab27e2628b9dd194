"""The past of `history.py` in SQLite, made by SQL in the file of a platform that is stopped."""

from __future__ import annotations

import os
import sqlite3
from hashlib import sha256
from pathlib import Path

from history import AT, BEGIN, BLOCK, CENTS, ID, SEGMENT, SLICE, Past

_NUMBER = "('2699' || substr('0000000000000000' || ({}), -16))"


def fill(database: Path, past: Past) -> None:
    """The tables are there already."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.create_function("order_of", 1, lambda n: "H" + sha256(b"o%d" % n).hexdigest(), deterministic=True)
    connection.create_function("hash_of", 1, lambda n: sha256(b"%d" % n).digest(), deterministic=True)
    connection.execute("PRAGMA journal_mode=OFF")  # until it is filled
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA cache_size=-1000000")
    taken = CENTS * (past.end - past.first)
    connection.execute(_QUOTA, (past.taxpayer, past.channel, f"history-{past.first}", taken, taken, BEGIN, BEGIN))
    connection.execute(_ACCOUNT, (past.taxpayer, past.channel, taken, taken))
    for start in past.slices():
        connection.execute("BEGIN IMMEDIATE")
        for statement in _slice(past, start):
            connection.execute(statement)
        connection.execute("COMMIT")
    connection.execute("ANALYZE")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    with database.open("rb+") as file:  # what was written without waiting is on the disk before anything is measured
        os.fsync(file.fileno())


_QUOTA = """
INSERT INTO quota_entry (taxpayer, channel, month, kind, serial, asked, amount, at, filled_at)
VALUES (?, ?, '2026-11', 'download', ?, ?, ?, ?, ?)
"""

_ACCOUNT = """
INSERT INTO quota (taxpayer, channel, month, downloaded, issued) VALUES (?, ?, '2026-11', ?, ?)
ON CONFLICT (taxpayer, channel, month)
DO UPDATE SET downloaded = downloaded + excluded.downloaded, issued = issued + excluded.issued
"""


def _slice(past: Past, first: int) -> list[str]:
    numbers = f"WITH RECURSIVE g (n) AS (VALUES ({first}) UNION ALL SELECT n + 1 FROM g WHERE n < {first + SLICE - 1})"
    who, channel = f"'{past.taxpayer}'", f"'{past.channel}'"
    number = _NUMBER.format("n")
    upload = ID.replace("n *", f"(n - n % {BLOCK}) *")
    return [
        f"""INSERT INTO number_segment (taxpayer, serial, channel, year, quantity, requested_at, filled_at, first, last,
            size, carved) {numbers}
        SELECT {who}, 'history-' || (n / {SEGMENT}), {channel}, 2026, {SEGMENT}, {AT}, {AT}, {number},
            {_NUMBER.format(f"n + {SEGMENT - 1}")}, {SEGMENT}, {SEGMENT} FROM g WHERE n % {SEGMENT} = 0""",
        f"""INSERT INTO number_block (taxpayer, id, channel, year, serial, first, last, size, epoch, lease_until, used)
        {numbers}
        SELECT {who}, -1 - n / {BLOCK}, {channel}, 2026, 'history-' || (n / {SEGMENT}), {number},
            {_NUMBER.format(f"n + {BLOCK - 1}")}, {BLOCK}, 1, 0, {BLOCK} FROM g WHERE n % {BLOCK} = 0""",
        f"""INSERT INTO number_entry (taxpayer, number, block, invoice) {numbers}
        SELECT {who}, {number}, -1 - n / {BLOCK}, {ID} FROM g""",
        f"""INSERT INTO order_key (taxpayer, client_order, invoice) {numbers}
        SELECT {who}, order_of(n) AS client_order, {ID} FROM g ORDER BY client_order""",
        f"""INSERT INTO invoice (taxpayer, id, client_order, channel, kind, number, state, version, amount, tax, total,
            quota, made_at, sent_at, accepted_at, month, deadline, submission, submitted_at, denials, late_denials, tries,
            doubt, refused, alone, alarmed, provenance, content_digest, content) {numbers}
        SELECT {who}, {ID}, order_of(n), {channel}, 'special', {number}, 'confirmed', 4, {CENTS}, 1300, 11300, {CENTS},
            {AT}, {AT}, {AT}, '2026-11', {AT} + 172800000000, 'history-' || (n / {BLOCK}), {AT}, 0, 0, 1, 0, 0, 0, 0,
            'result', hash_of(n), hash_of(n) FROM g""",
        f"""INSERT INTO document (taxpayer, id, digest, seal, key_id, algorithm, xml, invoice) {numbers}
        SELECT {who}, {ID}, hash_of(n), hash_of(n), 'seal', 'SM2-SM3', hash_of(n), hash_of(n) FROM g""",
        f"""INSERT INTO quota_entry (taxpayer, channel, month, kind, invoice, asked, amount, at, filled_at) {numbers}
        SELECT {who}, {channel}, '2026-11', 'issue', {ID}, {CENTS}, {CENTS}, {AT}, {AT} FROM g""",
        f"""INSERT INTO upload (taxpayer, id, wire_id, channel, node, begun_at, ended_at, phase, bytes_sent, outcome,
            submission, timeline) {numbers}
        SELECT {who}, {ID}, 'history-' || (n / {BLOCK}), {channel}, 'node-1', {AT}, {AT}, 'answer', 500000, 'ok',
            'history-' || (n / {BLOCK}), '[]' FROM g WHERE n % {BLOCK} = 0""",
        f"""INSERT INTO attempt (taxpayer, upload, invoice, outcome) {numbers}
        SELECT {who}, {upload}, {ID}, 'ok' FROM g""",
        f"""INSERT INTO event (taxpayer, writer, sequence, kind, at, subject, invoice, data, previous, hash) {numbers}
        SELECT {who}, 'history', n + 1, 'issued', {AT}, order_of(n), {ID},
            '{{"id":' || {ID} || ',"number":"' || {number} || '"}}', hash_of(n), hash_of(n) FROM g""",
    ]

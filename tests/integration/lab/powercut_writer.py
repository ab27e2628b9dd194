"""Writes rows to a database above the layer until it is killed; says each that was committed. Arguments: place, synchronous."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

from kaipiao_lab.powercut.layer import install

place, care = Path(sys.argv[1]), sys.argv[2]
install(place / "journal")
connection = sqlite3.connect(place / "rows.db", isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute(f"PRAGMA synchronous = {care}")
connection.execute("PRAGMA wal_autocheckpoint = 0")
connection.execute("CREATE TABLE IF NOT EXISTS row (n INTEGER PRIMARY KEY, filler BLOB)")
n = connection.execute("SELECT coalesce(max(n), 0) FROM row").fetchone()[0]
print("ready", flush=True)
while True:
    n += 1
    connection.execute("INSERT INTO row VALUES (?, randomblob(3000))", (n,))
    print(n, flush=True)
    if n % 40 == 0:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

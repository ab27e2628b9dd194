"""The books for an auditor: every invoice that the bureau holds, readable while it runs and while it is down."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from kaipiao.authority.sandbox import store
from kaipiao.errors import NotFound
from kaipiao.language import Text

_PAGE = 1000
_SQL = (
    "SELECT number, taxpayer, kind, blue, amount, tax, total, remark, issued_at, accepted_at, visible_at"
    " FROM invoice WHERE number > ? ORDER BY number LIMIT ?"
)


def export_books(directory: Path) -> Iterator[dict[str, object]]:
    """By number: number, taxpayer, kind (01 special, 02 general), blue, amount, tax, total (CNY as text), remark (bz),
    kprq (Asia/Shanghai), accepted_at (UTC), state ("confirmed", or "processing" while its result is not ready).

    Raises `NotFound` when there are no books."""
    path = directory / store.FILE_NAME
    if not path.is_file():
        raise NotFound(Text(f"没有沙箱账本：{directory}", f"There are no books of a sandbox: {directory}"))
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False)) as db:
        clock = store.load_clock(db)
        now = clock.at(time.time()).timestamp() if clock else time.time()
        after = ""
        while rows := db.execute(_SQL, (after, _PAGE)).fetchall():
            yield from (_entry(row, now) for row in rows)
            after = rows[-1][0]


def _entry(
    row: tuple[str, str, str, int, str, str, str, str | None, str, float, float], now: float
) -> dict[str, object]:
    number, taxpayer, kind, blue, amount, tax, total, remark, issued_at, accepted_at, visible_at = row
    return {
        "number": number,
        "taxpayer": taxpayer,
        "kind": kind,
        "blue": bool(blue),
        "amount": amount,
        "tax": tax,
        "total": total,
        "remark": remark,
        "kprq": issued_at,
        "accepted_at": datetime.fromtimestamp(accepted_at, UTC).isoformat(),
        "state": "confirmed" if visible_at <= now else "processing",
    }

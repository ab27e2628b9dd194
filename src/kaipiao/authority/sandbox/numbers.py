"""QDFPPLFM: number segments. yy, region, channel digit 7, fifteen digits of sequence; given once, never taken back."""

from __future__ import annotations

import sqlite3

from kaipiao.authority.sandbox import store
from kaipiao.authority.sandbox.call import Answer, Call, Rules, ok, refused
from kaipiao.authority.sandbox.data_tables import limits
from kaipiao.authority.sandbox.form import call_text
from kaipiao.authority.sandbox.values import number
from kaipiao.clock import year_of

_CHANNEL = "7"  # 乐企 / own platform, as seen on real numbers


def give_numbers(db: sqlite3.Connection, call: Call, rules: Rules) -> Answer:
    """Idempotent by `ywlsh` with the same taxpayer and quantity."""
    fields = call.fields()
    tax_number, serial = call_text(fields, "nsrsbh"), call_text(fields, "ywlsh")
    quantity = int(number(fields.get("lysl")) or 0)
    company = store.taxpayer(db, tax_number)
    if company is None:
        return refused("11", "纳税人未在本沙箱登记")
    if not 1 <= quantity <= limits().segment:
        return refused("01", f"领用数量须为1至{limits().segment}")
    row = db.execute(
        "SELECT taxpayer, quantity, first, last FROM number_segment WHERE serial = ?", (serial,)
    ).fetchone()
    if row is None:
        first, last = _take(db, year_of(call.now), company.region, quantity)
        values = (serial, tax_number, quantity, first, last, call.seconds)
        db.execute("INSERT INTO number_segment VALUES (?, ?, ?, ?, ?, ?)", values)
    elif tuple(row[:2]) == (tax_number, quantity):
        first, last = row[2:]
    else:
        return refused("01", "业务流水号已用于另一次领用")
    return ok(fpqshm=first, fpzzhm=last, lysl=str(quantity))


def _take(db: sqlite3.Connection, year: int, region: str, quantity: int) -> tuple[str, str]:
    row = db.execute("SELECT next FROM number_counter WHERE year = ? AND region = ?", (year, region)).fetchone()
    begin = row[0] if row else 1
    db.execute("INSERT OR REPLACE INTO number_counter VALUES (?, ?, ?)", (year, region, begin + quantity))
    prefix = f"{year % 100:02d}{region}{_CHANNEL}"
    return f"{prefix}{begin:015d}", f"{prefix}{begin + quantity - 1:015d}"


def owner_of(db: sqlite3.Connection, invoice_number: str) -> str | None:
    """The taxpayer to whom this number was given, or None."""
    row = db.execute(
        "SELECT taxpayer, last FROM number_segment WHERE first <= ? ORDER BY first DESC LIMIT 1", (invoice_number,)
    ).fetchone()
    return row[0] if row and len(invoice_number) == len(row[1]) and invoice_number <= row[1] else None

"""PLFPXZSQ and PLFPXZSQFK: the list of what a taxpayer issued in a month, applied for, made, fetched in packets.

One request a day for each month and kind, five while the month lasts, three afterwards. No table has the fields of
either: all of them are [own]. The list is what could be seen when it was applied for."""

from __future__ import annotations

import base64
import gzip
import re
import secrets
import sqlite3

from kaipiao.authority.sandbox import store
from kaipiao.authority.sandbox.call import Answer, Call, Rules, ok, refused
from kaipiao.authority.sandbox.data_tables import limits
from kaipiao.authority.sandbox.faces import KINDS, face_of
from kaipiao.authority.sandbox.form import call_text
from kaipiao.authority.sandbox.values import number, parse_json, to_json
from kaipiao.clock import SHANGHAI, month_of

_ISSUED = "2"  # sjlx: what the taxpayer issued; 1, what it received, is not built
_UPLOAD_KINDS = {query: upload for upload, query in KINDS.items()}
_DAY = re.compile(r"20\d\d-(0[1-9]|1[0-2])-([0-2]\d|3[01])", re.ASCII)
_COUNT = """
SELECT COUNT(*) FROM invoice
WHERE taxpayer = ? AND kind = ? AND issued_at >= ? AND issued_at < ? AND visible_at <= ?
"""
_PACKET = """
SELECT taxpayer, kind, total, amount, issued_at, content FROM invoice
WHERE taxpayer = ? AND kind = ? AND issued_at >= ? AND issued_at < ? AND visible_at <= ?
ORDER BY issued_at, number LIMIT ? OFFSET ?
"""


def apply(db: sqlite3.Connection, call: Call, rules: Rules) -> Answer:
    """PLFPXZSQ: a ticket (pclsh) for a list of one kind and month."""
    refusal = _refuse(db, call)
    if refusal is not None:
        return refusal
    fields = call.fields()
    month = call_text(fields, "kprqq")[:7]
    place = (call_text(fields, "nsrsbh"), call_text(fields, "fplx"), month)
    day = call.now.astimezone(SHANGHAI).date().isoformat()
    refusal = _refuse_more(db, place, day, most=_most(month, month_of(call.now)))
    if refusal is not None:
        return refusal
    ticket = secrets.token_hex(16)
    span = (call_text(fields, "kprqq"), call_text(fields, "kprqz"))
    values = (ticket, *place, *span, day, call.seconds, call.seconds + limits().list_seconds)
    db.execute("INSERT INTO list_request VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    return ok(pclsh=ticket)


def packet(db: sqlite3.Connection, call: Call, rules: Rules) -> Answer:
    """PLFPXZSQFK: packet `sjbxh` (from 1) of a list; 10 while it is being made."""
    fields = call.fields()
    row = db.execute(
        "SELECT taxpayer, kind, first, last, asked_at, ready_at FROM list_request WHERE ticket = ?",
        (call_text(fields, "pclsh"),),
    ).fetchone()
    if row is None or row[0] != call_text(fields, "nsrsbh"):
        return refused("04", "查无数据")
    if call.seconds < row[5]:
        return refused("10", "数据处理中")
    place = (row[0], _UPLOAD_KINDS[row[1]], row[2], f"{row[3]} 24", row[4])  # 24: after every time of that day
    count = db.execute(_COUNT, place).fetchone()[0]
    size = limits().list_packet
    wanted, packets = int(number(fields.get("sjbxh")) or 0), max(1, -(-count // size))
    if not 1 <= wanted <= packets:
        return refused("01", f"数据包序号须为1至{packets}")
    rows = db.execute(_PACKET, (*place, size, (wanted - 1) * size)).fetchall()
    return ok(fpsl=str(count), sjbsl=str(packets), sjbxh=str(wanted), sjb=_packed([_entry(row) for row in rows]))


def _entry(row: tuple[str, str, str, str, str, str]) -> dict[str, object]:
    content = parse_json(row[5].encode())
    assert isinstance(content, dict)
    return face_of(row, content)


def _packed(entries: list[dict[str, object]]) -> str:
    return base64.b64encode(gzip.compress(to_json(entries).encode(), mtime=0)).decode()


def _refuse(db: sqlite3.Connection, call: Call) -> Answer | None:
    fields = call.fields()
    if store.taxpayer(db, call_text(fields, "nsrsbh")) is None:
        return refused("11", "纳税人未在本沙箱登记")
    if call_text(fields, "sjlx") != _ISSUED or call_text(fields, "fplx") not in _UPLOAD_KINDS:
        return refused("01", "数据类型须为2，发票类型须为81或82")
    begin, end = call_text(fields, "kprqq"), call_text(fields, "kprqz")
    if not (_DAY.fullmatch(begin) and _DAY.fullmatch(end)) or begin > end:
        return refused("01", "开票日期须为yyyy-MM-dd，且由早到晚")
    if begin[:7] != end[:7] or begin[:7] > month_of(call.now):
        return refused("01", "开票日期起止不得跨月，也不得晚于当月")
    return None


def _refuse_more(db: sqlite3.Connection, place: tuple[str, str, str], day: str, most: int) -> Answer | None:
    """One too many of the day or of the month."""
    days = [
        row[0]
        for row in db.execute("SELECT day FROM list_request WHERE taxpayer = ? AND kind = ? AND month = ?", place)
    ]
    if days.count(day) >= limits().list_requests_a_day:
        return refused("03", "同一月份同一票种每天只能申请一次")
    return refused("03", f"该月份的申请次数已用完：{most}次") if len(days) >= most else None


def _most(month: str, now: str) -> int:
    return limits().list_requests_this_month if month == now else limits().list_requests_past_month

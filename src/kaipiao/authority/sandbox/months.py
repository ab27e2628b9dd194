"""SCFPHZQRXX and CXFPHZQRXX: the month's summary (汇总确认). Confirming closes the month at once; the 13th at 00:00
(Asia/Shanghai) of the next month closes it for good. The fields of the query's answer are [own]."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from kaipiao.authority.sandbox import store
from kaipiao.authority.sandbox.call import Answer, Call, Rules, local, ok, refused
from kaipiao.authority.sandbox.form import call_text
from kaipiao.authority.sandbox.values import number
from kaipiao.clock import SHANGHAI, month_close, month_of

OPEN, CONFIRMED, CLOSED = "0", "1", "2"  # qrzt: open, confirmed by the taxpayer, closed by the bureau
_CONFIRM, _CANCEL = "0", "1"  # ywlx
_MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])", re.ASCII)
_FIGURES = ("lzfpsl", "lzfpje", "lzfpse", "hzfpsl", "hzfpje", "hzfpse")
_SQL = """
SELECT blue, amount, tax FROM invoice
WHERE taxpayer = ? AND issued_at >= ? AND issued_at < ?
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a month stands: its state (qrzt) and when it was confirmed."""

    state: str
    confirmed_at: datetime | None


def first_day(month: str) -> datetime | None:
    """Its first instant; None for what is no month."""
    return datetime.fromisoformat(f"{month}-01").replace(tzinfo=SHANGHAI) if _MONTH.fullmatch(month) else None


def is_confirmed(db: sqlite3.Connection, taxpayer: str, month: str) -> bool:
    """Confirmed by the taxpayer and not cancelled."""
    key = (taxpayer, month)
    return db.execute("SELECT 1 FROM month_confirmation WHERE taxpayer = ? AND month = ?", key).fetchone() is not None


def figures(db: sqlite3.Connection, taxpayer: str, month: str) -> dict[str, Decimal]:
    """Counts, amounts and tax (CNY) of what the bureau holds of the month, blue (lz) and red (hz)."""
    sums = {name: Decimal(0) for name in _FIGURES}
    for blue, amount, tax in db.execute(_SQL, (taxpayer, f"{month}-01", f"{month}-32")):
        colour = "lz" if blue else "hz"
        sums[f"{colour}fpsl"] += 1
        sums[f"{colour}fpje"] += Decimal(amount)
        sums[f"{colour}fpse"] += Decimal(tax)
    return sums


def confirm(db: sqlite3.Connection, call: Call, rules: Rules) -> Answer:
    """SCFPHZQRXX: confirm (ywlx 0) or cancel (1). Either again, when it is so already, is 00."""
    refusal = _refuse(db, call)
    if refusal is not None:
        return refusal
    fields = call.fields()
    taxpayer, month, way = (call_text(fields, name) for name in ("xsfnsrsbh", "yf", "ywlx"))
    if _standing(db, taxpayer, month, call.now).state == CLOSED:
        return refused("03", "该月份已关账，不能再确认或取消")
    if way == _CANCEL:
        db.execute("DELETE FROM month_confirmation WHERE taxpayer = ? AND month = ?", (taxpayer, month))
        return ok(yf=month)
    differing = _differences(fields, figures(db, taxpayer, month))
    if differing:
        return refused("01", f"汇总确认信息与税局不一致：{'；'.join(differing)}")
    db.execute("INSERT OR IGNORE INTO month_confirmation VALUES (?, ?, ?)", (taxpayer, month, call.seconds))
    return ok(yf=month)


def query(db: sqlite3.Connection, call: Call, rules: Rules) -> Answer:
    """CXFPHZQRXX: the bureau's own figures and how the month stands."""
    refusal = _refuse(db, call)
    if refusal is not None:
        return refusal
    taxpayer, month = (call_text(call.fields(), name) for name in ("xsfnsrsbh", "yf"))
    standing = _standing(db, taxpayer, month, call.now)
    sums = {name: _plain(name, value) for name, value in figures(db, taxpayer, month).items()}
    return ok(yf=month, qrzt=standing.state, qrsj=local(standing.confirmed_at) if standing.confirmed_at else "", **sums)


def _refuse(db: sqlite3.Connection, call: Call) -> Answer | None:
    """What is wrong with the question, the same for both services."""
    fields = call.fields()
    if store.taxpayer(db, call_text(fields, "xsfnsrsbh")) is None:
        return refused("11", "纳税人未在本沙箱登记")
    if call_text(fields, "ptbh") != call.platform:
        return refused("01", "平台编号与接入单位不一致")
    month = call_text(fields, "yf")
    if first_day(month) is None or month > month_of(call.now):
        return refused("01", "月份须为yyyy-MM，且不晚于当月")
    if call_text(fields, "ywlx") not in {_CONFIRM, _CANCEL}:
        return refused("01", "业务类型须为0或1")
    return None


def _standing(db: sqlite3.Connection, taxpayer: str, month: str, now: datetime) -> Standing:
    row = db.execute(
        "SELECT confirmed_at FROM month_confirmation WHERE taxpayer = ? AND month = ?", (taxpayer, month)
    ).fetchone()
    confirmed_at = datetime.fromtimestamp(row[0], UTC) if row else None
    begin = first_day(month)
    assert begin is not None
    if now >= month_close(begin):
        return Standing(CLOSED, confirmed_at)
    return Standing(CONFIRMED if row else OPEN, confirmed_at)


def _differences(fields: dict[str, object], ours: dict[str, Decimal]) -> list[str]:
    """Every figure that is missing or not the bureau's, in the order of the table."""
    said = {name: number(fields.get(name)) for name in _FIGURES}
    wrong = [name for name in _FIGURES if said[name] != ours[name]]
    return [f"{name}上传{_said(name, said[name])}，税局{_plain(name, ours[name])}" for name in wrong]


def _said(name: str, value: Decimal | None) -> str:
    return "空" if value is None else _plain(name, value)


def _plain(name: str, value: Decimal) -> str:
    return f"{value:f}" if name.endswith("sl") else f"{value:.2f}"

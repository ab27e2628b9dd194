"""CXSXED, XZTHSXED, TZSXEDYXQ: the month's quota. It lives inside its month and its validity, never beyond."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from kaipiao.authority.sandbox import store
from kaipiao.authority.sandbox.call import Answer, Call, Rules, local, ok, refused
from kaipiao.authority.sandbox.data_tables import limits
from kaipiao.authority.sandbox.form import call_text
from kaipiao.authority.sandbox.settings import VirtualTaxpayer
from kaipiao.authority.sandbox.values import number, parse_json, to_json
from kaipiao.clock import SHANGHAI, month_end, month_of

_FEN = Decimal(100)


@dataclass(frozen=True, slots=True)
class Account:
    """One taxpayer's month: sums in fen, validity in UTC (both ends belong to it)."""

    month: str
    downloaded: int
    used: int
    queried_at: float | None
    valid_from: datetime
    valid_until: datetime

    @property
    def left(self) -> int:
        return self.downloaded - self.used


def account(db: sqlite3.Connection, company: VirtualTaxpayer, instant: datetime) -> Account:
    """The account of the month in which `instant` lies."""
    month = month_of(instant)
    row = db.execute(
        "SELECT downloaded, used, filed, queried_at FROM quota WHERE taxpayer = ? AND month = ?",
        (company.tax_number, month),
    ).fetchone() or (0, 0, 0, None)
    begin = datetime.fromisoformat(f"{month}-01").replace(tzinfo=SHANGHAI).astimezone(UTC)
    end = month_end(instant)
    if company.files == "manual" and not row[2]:
        end = begin + timedelta(days=limits().filing_day)
    return Account(month, row[0], row[1], row[3], begin, end - timedelta(seconds=1))


def query_quota(db: sqlite3.Connection, call: Call, rules: Rules) -> Answer:
    company = store.taxpayer(db, call_text(call.fields(), "nsrsbh"))
    if company is None:
        return refused("11", "纳税人未在本沙箱登记")
    now = account(db, company, call.now)
    if rules.quota_query_interval and now.queried_at is not None:
        waited = call.seconds - now.queried_at
        if 0 <= waited < limits().quota_query_seconds:
            return refused("01", "查询额度最小间隔1小时")
    _upsert(db, company.tax_number, now.month, "queried_at = ?", call.seconds)
    total = int(company.monthly_quota * _FEN)
    return ok(
        ztsxbz="Y" if company.quota_paused else "N",
        bysxed=_money(total),
        kysyed=_money(total - now.downloaded),
        yxzed=_money(now.downloaded),
        yxzwsyed=_money(now.left),
        sq=now.month.replace("-", ""),
        syqjq=local(now.valid_from),
        syqjz=local(now.valid_until),
    )


def move_quota(db: sqlite3.Connection, call: Call, rules: Rules) -> Answer:
    """Download (sqlx 0) or return (1). Idempotent by `ywlsh` with the same taxpayer, direction and amount."""
    fields = call.fields()
    tax_number, serial, direction = (call_text(fields, name) for name in ("nsrsbh", "ywlsh", "sqlx"))
    amount = int((number(fields.get("sqed")) or Decimal(0)) * _FEN)
    company = store.taxpayer(db, tax_number)
    if company is None:
        return refused("11", "纳税人未在本沙箱登记")
    known = db.execute(
        "SELECT taxpayer, direction, amount, answer FROM quota_move WHERE serial = ?", (serial,)
    ).fetchone()
    if known is not None:
        return _repeat(known, (tax_number, direction, amount))
    refusal = _refuse_move(company, call, direction, amount, account(db, company, call.now))
    return refusal or _move(db, company, call, direction, amount, serial)


def _repeat(known: tuple[str, str, int, str], asked: tuple[str, str, int]) -> Answer:
    if known[:3] != asked:
        return refused("01", "业务流水号已用于另一次额度申请")
    answer = parse_json(known[3].encode())
    assert isinstance(answer, dict)
    return answer


def _refuse_move(company: VirtualTaxpayer, call: Call, direction: str, amount: int, now: Account) -> Answer | None:
    if call_text(call.fields(), "ptbh") != call.platform:
        return refused("01", "平台编号与接入单位不一致")
    if direction not in {"0", "1"} or amount <= 0:
        return refused("01", "申请类型须为0或1，申请额度须大于零")
    if direction == "1":
        return None if amount <= now.left else refused("01", f"可退回额度不足；已下载未使用额度：{_money(now.left)}")
    if company.quota_paused:
        return refused("03", "已暂停授信")
    if call.now > now.valid_until:
        return refused("01", "授信额度不在有效期内，请先申报或者调整授信额度有效期")
    free = int(company.monthly_quota * _FEN) - now.downloaded
    return None if amount <= free else refused("01", f"可用剩余额度不足：{_money(free)}")


def _move(
    db: sqlite3.Connection, company: VirtualTaxpayer, call: Call, direction: str, amount: int, serial: str
) -> Answer:
    now = account(db, company, call.now)
    change = amount if direction == "0" else -amount
    _upsert(db, company.tax_number, now.month, "downloaded = downloaded + ?", change)
    answer = ok(sqed=_money(amount), syqjq=local(now.valid_from), syqjz=local(now.valid_until))
    values = (serial, company.tax_number, now.month, direction, amount, to_json(answer), call.seconds)
    db.execute("INSERT INTO quota_move VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    return answer


def adjust_validity(db: sqlite3.Connection, call: Call, rules: Rules) -> Answer:
    """The month was filed: its quota now lasts to its end. Only for the present month."""
    fields = call.fields()
    company = store.taxpayer(db, call_text(fields, "xsfnsrsbh"))
    if company is None:
        return refused("11", "纳税人未在本沙箱登记")
    month = call_text(fields, "sxedsq")
    if month != month_of(call.now):
        return refused("01", "发票额度属期须为当前月份，格式yyyy-MM")
    _upsert(db, company.tax_number, month, "filed = ?", 1)
    now = account(db, company, call.now)
    return ok(syqjq=local(now.valid_from), syqjz=local(now.valid_until))


def use_quota(db: sqlite3.Connection, company: VirtualTaxpayer, issued_at: datetime, amount: Decimal) -> str | None:
    """Take the amount from the month of issue. Returns why not, or None when it was taken."""
    month = account(db, company, issued_at)
    if not month.valid_from <= issued_at < month.valid_until + timedelta(seconds=1):
        return "授信额度不在有效期内，请先申报或者调整授信额度有效期"
    fen = int(amount * _FEN)
    if fen > month.left:
        return f"开票预扣授信额度失败，授信额度不足本次开票金额：{_money(fen)}；剩余可用额度：{_money(month.left)}"
    _upsert(db, company.tax_number, month.month, "used = used + ?", fen)
    return None


def _upsert(db: sqlite3.Connection, tax_number: str, month: str, assignment: str, value: float) -> None:
    db.execute("INSERT OR IGNORE INTO quota (taxpayer, month) VALUES (?, ?)", (tax_number, month))
    statement = f"UPDATE quota SET {assignment} WHERE taxpayer = ? AND month = ?"  # noqa: S608 (our own constants)
    db.execute(statement, (value, tax_number, month))


def _money(fen: int) -> str:
    return f"{Decimal(fen) / _FEN:.2f}"

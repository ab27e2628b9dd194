"""QDFPSC and CXQDFPSCJG: invoices are judged one by one when the call comes in; the result is shown later."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3

from kaipiao.authority.sandbox import store
from kaipiao.authority.sandbox.call import Answer, Call, Rules, ok, refused
from kaipiao.authority.sandbox.checks import check_content, check_identity, check_time
from kaipiao.authority.sandbox.data_tables import limits
from kaipiao.authority.sandbox.filed import Filed, content_digest, read_filed
from kaipiao.authority.sandbox.form import Refusal, call_text
from kaipiao.authority.sandbox.months import is_confirmed
from kaipiao.authority.sandbox.numbers import owner_of
from kaipiao.authority.sandbox.quota import use_quota
from kaipiao.authority.sandbox.seal_check import check_seal, without_seal
from kaipiao.authority.sandbox.settings import VirtualTaxpayer
from kaipiao.authority.sandbox.standing import forbidden_by
from kaipiao.authority.sandbox.values import parse_json, text, to_json
from kaipiao.clock import month_of

ACCEPTED, PROCESSING, FAILED, DUPLICATE = "00", "01", "02", "03"


def new_acceptance_number() -> str:
    return secrets.token_hex(16)


def receive(db: sqlite3.Connection, call: Call, rules: Rules) -> Answer:
    """Take in up to 100 invoices. One that is refused harms no other of the call."""
    refusal = refuse_call(call)
    if refusal is not None:
        return refusal
    serial = call.serial or new_acceptance_number()
    ready_at = call.seconds + _result_delay(rules, serial)
    assert isinstance(call.data, list)
    results = [(serial, at, *_judge(db, call, raw, serial, ready_at)) for at, raw in enumerate(call.data)]
    db.executemany("INSERT INTO result VALUES (?, ?, ?, ?, ?, ?)", results)
    announce(db, call, serial, ready_at)
    return accepted(serial)


def refuse_call(call: Call) -> Answer | None:
    """The call as a whole: an array of 1 to 100."""
    if not isinstance(call.data, list) or not 1 <= len(call.data) <= limits().batch:
        return refused("01", f"每次上传须为1至{limits().batch}张发票的数组")
    return None


def accepted(serial: str) -> Answer:
    return ok(sllsh=serial)


def announce(db: sqlite3.Connection, call: Call, serial: str, ready_at: float | None) -> None:
    """Write the submission down; without `ready_at` it is not judged yet. An announced one keeps its time of receipt."""
    items = call.data if isinstance(call.data, list) else []
    numbers = to_json([_number_of(item) for item in items])
    db.execute(
        "INSERT INTO submission VALUES (?, ?, ?, ?, ?) ON CONFLICT (serial) DO UPDATE SET ready_at = excluded.ready_at",
        (serial, _seller_of(items[0]) if items else "", call.seconds, ready_at, numbers),
    )


def _result_delay(rules: Rules, serial: str) -> float:
    low, high = rules.result_delay
    share = int.from_bytes(hashlib.sha256(f"{rules.seed}:{serial}".encode()).digest()[:8]) / 2**64
    return low + (high - low) * share


def _judge(
    db: sqlite3.Connection, call: Call, raw: object, serial: str, ready_at: float
) -> tuple[str, str, str | None, str]:
    """number, status, code, message of one invoice; an accepted one is in the books then."""
    filed = read_filed(raw)
    if isinstance(filed, Refusal):
        return _number_of(raw), FAILED, filed.code, filed.message
    digest = content_digest(filed)
    held = db.execute("SELECT digest FROM invoice WHERE number = ?", (filed.number,)).fetchone()
    if held is not None and held[0] == digest:
        return filed.number, DUPLICATE, None, "重复上传"
    if held is not None:
        return filed.number, FAILED, "own-NUMBER-03", "发票号码已被另一张内容不同的发票使用"
    refusal = _refuse(db, call, filed)
    if refusal is not None:
        return filed.number, FAILED, refusal.code, refusal.message
    _hold(db, call, filed, digest, serial, ready_at)
    return filed.number, ACCEPTED, None, "上传成功"


def _refuse(db: sqlite3.Connection, call: Call, filed: Filed) -> Refusal | None:
    company = store.taxpayer(db, filed.seller)
    if company is None:
        return Refusal("own-SELLER-01", "销售方未在本沙箱登记")
    return (
        check_identity(filed, call.platform)
        or check_time(filed, call.now)
        or _check_books(db, company, filed)
        or check_content(filed)
        or check_seal(filed)
        or _take_quota(db, company, filed)
    )


def _check_books(db: sqlite3.Connection, company: VirtualTaxpayer, filed: Filed) -> Refusal | None:
    if is_confirmed(db, filed.seller, month_of(filed.issued_at)):
        return Refusal("own-TIME-05", "开票所属月份已汇总确认，取消确认之前不能上传")
    forbidden = forbidden_by(company)
    if forbidden is not None:
        return Refusal("own-SELLER-02", forbidden)
    if owner_of(db, filed.number) != filed.seller:
        return Refusal("own-NUMBER-02", "发票号码不属于销售方领用的号段")
    if not filed.blue:
        return Refusal("own-RED-01", "红字确认单不存在：本沙箱尚不受理红字发票")
    return None


def _take_quota(db: sqlite3.Connection, company: VirtualTaxpayer, filed: Filed) -> Refusal | None:
    free = sum(line.amount for line in filed.lines if line.policy == "04")  # not taxable lines take no quota
    problem = use_quota(db, company, filed.issued_at, filed.amount - free)
    return None if problem is None else Refusal("own-QUOTA-01", problem)


def _hold(db: sqlite3.Connection, call: Call, filed: Filed, digest: bytes, serial: str, ready_at: float) -> None:
    db.execute(
        "INSERT INTO invoice VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            filed.number, filed.seller, filed.kind, int(filed.blue), f"{filed.amount:.2f}", f"{filed.tax:.2f}",
            f"{filed.total:.2f}", text(filed.raw.get("bz")), text(filed.raw.get("kprq")), call.seconds, ready_at,
            serial, digest, to_json(without_seal(filed.raw)),
        ),
    )  # fmt: skip


def _number_of(raw: object) -> str:
    value = raw.get("fphm") if isinstance(raw, dict) else None
    return str(value)[:20] if isinstance(value, str | int) else ""


def _seller_of(raw: object) -> str:
    value = raw.get("xsfnsrsbh") if isinstance(raw, dict) else None
    return str(value)[:20] if isinstance(value, str | int) else ""


def results(db: sqlite3.Connection, call: Call, rules: Rules) -> Answer:
    """CXQDFPSCJG: nothing before the first poll is allowed, nothing after the result window."""
    serial = call_text(call.fields(), "sllsh")
    row = db.execute("SELECT received_at, ready_at, numbers FROM submission WHERE serial = ?", (serial,)).fetchone()
    if row is None or call.seconds - row[0] >= limits().result_window_seconds:
        return refused("04", "查无数据", resultList=[])
    if row[1] is None or call.seconds < max(row[1], row[0] + limits().first_poll_seconds):
        return ok(resultList=_processing(row[2]))
    found = db.execute(
        "SELECT number, status, code, message FROM result WHERE serial = ? ORDER BY position", (serial,)
    ).fetchall()
    return ok(resultList=[_result(*entry) for entry in found])


def _processing(numbers: str) -> list[Answer]:
    listed = parse_json(numbers.encode())
    assert isinstance(listed, list)
    return [{"fphm": entry, "status": PROCESSING, "message": "处理中"} for entry in listed]


def _result(number: str, status: str, code: str | None, message: str) -> Answer:
    result: Answer = {"fphm": number, "status": status, "message": message}
    return result if code is None else {**result, "Code": code}


def taxpayer_of_submission(db: sqlite3.Connection, serial: str) -> str | None:
    row = db.execute("SELECT taxpayer FROM submission WHERE serial = ?", (serial,)).fetchone()
    return row[0] if row else None

"""FPZTXXCX and FPCY_NEW: what is held under a number. Both see an invoice once its result is ready, not before."""

from __future__ import annotations

import base64
import io
import sqlite3
import zipfile
from collections.abc import Mapping
from decimal import Decimal

from kaipiao.authority.sandbox.call import Answer, Call, Rules, ok, refused
from kaipiao.authority.sandbox.form import call_text
from kaipiao.authority.sandbox.values import number, parse_json, text, to_json
from kaipiao.invoice.words import to_words

KINDS = {"01": "81", "02": "82"}  # fppz of the upload → fplx of queries
_HEAD = {
    "fphm": "fphm", "kprq": "kprq", "xsfnsrsbh": "xsfnsrsbh", "xsfmc": "xsfmc", "xsfdz": "xhfdz", "xsfdh": "xhfdh",
    "xsfkhh": "xhfkhh", "xsfzh": "xhfzh", "gmfnsrsbh": "gmfnsrsbh", "gmfmc": "gmfmc", "gmfdz": "gmfdz", "gmfdh": "gmfdh",
    "gmfkhh": "gmfkhh", "gmfzh": "gmfzh", "kpr": "kpr", "bz": "bz", "dylzfphm": "dylzfphm",
}  # fmt: skip
_LINE = {
    "mxxh": "xh", "hwhyslwfwmc": "xmmc", "ggxh": "ggxh", "dw": "dw", "dj": "fpjydj", "sl": "fpjysl", "je": "je",
    "slv": "slv", "se": "se", "spfwjc": "spfwjc", "sphfwssflhbbm": "sphfwssflhbbm", "kce": "kce", "fphxz": "fphxz",
}  # fmt: skip

Row = tuple[str, str, str, str, str, str]


def _held(db: sqlite3.Connection, call: Call) -> Row | None:
    """taxpayer, kind, total, amount, kprq, content of the invoice that the call names, when it is visible."""
    row = db.execute(
        "SELECT taxpayer, kind, total, amount, issued_at, content FROM invoice WHERE number = ? AND visible_at <= ?",
        (call_text(call.fields(), "fphm"), call.seconds),
    ).fetchone()
    return row if row is None else (row[0], row[1], row[2], row[3], row[4], row[5])


def _same_day(row: Row, call: Call) -> bool:
    return call_text(call.fields(), "kprq") == row[4][:10].replace("-", "")


def _unknown_kind(call: Call) -> bool:
    """Asked with a kind that we never hold: an error of the question, never the answer "not there"."""
    return call_text(call.fields(), "fplx") not in KINDS.values()


def status(db: sqlite3.Connection, call: Call, rules: Rules) -> Answer:
    """FPZTXXCX, in 202007 and 203067."""
    if _unknown_kind(call):
        return refused("01", "发票类型须为81或82")
    row = _held(db, call)
    if row is None or not _same_day(row, call) or call_text(call.fields(), "fplx") != KINDS[row[1]]:
        return refused("04", "查无数据")
    return ok(
        fpdm="", fphm=call_text(call.fields(), "fphm"), kprq=row[4], fpzt="0", ycpzzt="", hzsdbs="N", fpyt="0",
        rzzt="01", cpyycbs="", cktsldm="", zzsyhyt="", xfsyt="", jdcycbs="", skssq="",
    )  # fmt: skip


def face(db: sqlite3.Connection, call: Call, rules: Rules) -> Answer:
    """FPCY_NEW: the whole face, zipped, for the seller and the buyer only."""
    fields = call.fields()
    if _unknown_kind(call):
        return refused("01", "发票类型须为81或82")
    row = _held(db, call)
    if row is None:
        return refused("02", "查无此票")
    content = parse_json(row[5].encode())
    assert isinstance(content, dict)
    asks = call_text(fields, "nsrsbh")
    if asks not in {row[0], text(content.get("gmfnsrsbh"))}:
        return refused("04", "该发票非本企业开具或取得")
    amount = number(fields.get("kpje"))
    if not _same_day(row, call) or call_text(fields, "fplx") != KINDS[row[1]] or amount not in {None, Decimal(row[2])}:
        return refused("03", "查验信息不一致")
    return ok(cyjgxx=_zip(to_json(face_of(row, content))))


def face_of(row: Row, content: Mapping[str, object]) -> dict[str, object]:
    """What FPCY_NEW shows, and a list of what was issued repeats."""
    lines = content["fpmxList"]
    assert isinstance(lines, list)
    return {
        **_renamed(content, _HEAD),
        "fppzDm": KINDS[row[1]],
        "sflzfp": "Y" if text(content.get("lzfpbz")) == "0" else "N",
        "hjje": row[3],
        "hjse": text(content.get("hjse")),
        "jshj": row[2],
        "jshjdx": to_words(Decimal(row[2])),
        "hwxx": [_renamed(line, _LINE) for line in lines],
    }


def _renamed(record: Mapping[str, object], names: Mapping[str, str]) -> dict[str, object]:
    return {theirs: text(record.get(ours)) or "" for ours, theirs in names.items()}


def _zip(content: str) -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.json", content)
    return base64.b64encode(buffer.getvalue()).decode()

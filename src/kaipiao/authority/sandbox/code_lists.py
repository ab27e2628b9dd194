"""CXKYSL and CXSSFLBM: the rates in force and a small list of tax codes."""

from __future__ import annotations

import base64
import gzip
import sqlite3

from kaipiao.authority.sandbox import store
from kaipiao.authority.sandbox.call import Answer, Call, Rules, ok, refused
from kaipiao.authority.sandbox.data_tables import TaxCode, rates, tax_codes
from kaipiao.authority.sandbox.form import call_text
from kaipiao.authority.sandbox.values import to_json
from kaipiao.clock import SHANGHAI


def usable_rates(db: sqlite3.Connection, call: Call, rules: Rules) -> Answer:
    day = call.now.astimezone(SHANGHAI).date()
    entries = [
        {
            "csxz": rate.nature,
            "slzsl": f"{rate.rate:f}",
            "cszt": "0" if rate.holds(day) else "1",
            "yxqq": rate.since.isoformat(),
            "yxqz": rate.until.isoformat() if rate.until else "",
        }
        for rate in rates()
    ]
    return ok(count=str(len(entries)), slList=entries)


def code_list(db: sqlite3.Connection, call: Call, rules: Rules) -> Answer:
    """The whole list, or an empty one when the caller's `sjc` is not older than ours."""
    fields = call.fields()
    if store.taxpayer(db, call_text(fields, "nsrsbh")) is None:
        return refused("11", "纳税人未在本沙箱登记")
    table = tax_codes()
    stamp = table.date.strftime("%Y%m%d000000")
    known = call_text(fields, "sjc") >= stamp
    entries = [] if known else [_entry(code) for code in table.codes]
    packed = base64.b64encode(gzip.compress(to_json(entries).encode(), mtime=0)).decode()
    return ok(sjc=stamp, count=str(len(entries)), spbmList=packed)


def _entry(code: TaxCode) -> dict[str, str]:
    return {
        "sphfwssflhbbm": code.code,
        "fjbm": code.parent,
        "sphfwmc": code.name,
        "sphfwfljc": code.short_name,
        "zzssl": "、".join(f"{rate * 100:f}".rstrip("0").rstrip(".") + "%" for rate in code.rates),
        "zsl": "、".join(f"{rate * 100:f}".rstrip("0").rstrip(".") + "%" for rate in code.levies),
        "sfhzx": "N",
        "qyrq": "2016-05-01",
        "tyrq": "",
    }

"""Which service answers a call. One call, one transaction: what is answered is in the books."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from kaipiao.authority.sandbox import code_lists, faces, issued_lists, months, numbers, quota, standing, upload
from kaipiao.authority.sandbox.call import Answer, Call, Rules, refused
from kaipiao.authority.sandbox.form import check_part

Service = Callable[[sqlite3.Connection, Call, Rules], Answer]

_BASE, _COLLECT, _VERIFY = "202007", "203067", "203059"

# (ability nlbm or None for services without one, service fwbm)
SERVICES: dict[tuple[str | None, str], Service] = {
    (_BASE, "QDFPPLFM"): numbers.give_numbers,
    (_BASE, "CXSXED"): quota.query_quota,
    (_BASE, "XZTHSXED"): quota.move_quota,
    (_BASE, "TZSXEDYXQ"): quota.adjust_validity,
    (_BASE, "CXNSRJBXX"): standing.basic_data,
    (_BASE, "CXNSRFXXX"): standing.risk,
    (_BASE, "CXKYSL"): code_lists.usable_rates,
    (_BASE, "CXYKYSL"): code_lists.usable_rates,  # the name that a scanned document has
    (_BASE, "CXSSFLBM"): code_lists.code_list,
    (_BASE, "QDFPSC"): upload.receive,
    (_BASE, "CXQDFPSCJG"): upload.results,
    (_BASE, "SCFPHZQRXX"): months.confirm,
    (_BASE, "CXFPHZQRXX"): months.query,
    (_BASE, "FPZTXXCX"): faces.status,
    (_COLLECT, "FPZTXXCX"): faces.status,
    (_COLLECT, "PLFPXZSQ"): issued_lists.apply,
    (_COLLECT, "PLFPXZSQFK"): issued_lists.packet,
    (_VERIFY, "FPCY_NEW"): faces.face,
    (None, "LQSX_SWZJ_GT4_CXXNQYXX"): standing.virtual_company,
    (None, "LQSX_SWZJ_GT4_QYXXCSH"): standing.initialise,
}

# Services that change the books and may therefore be carried out late.
CHANGING = frozenset({"QDFPPLFM", "XZTHSXED", "TZSXEDYXQ", "QDFPSC", "SCFPHZQRXX", "PLFPXZSQ"})


def answer(db: sqlite3.Connection, call: Call, rules: Rules) -> Answer:
    """Carry the call out. The caller holds the transaction; the service of the call exists."""
    refusal = check_part(call.service, "call", call.fields())
    if refusal is not None:
        return refused("01", f"参数校验异常：{refusal.message}")
    return SERVICES[call.ability, call.service](db, call, rules)


def payer(db: sqlite3.Connection, call: Call) -> str:
    """Whose rate limit a call counts on: the taxpayer that it names or asks about, else the calling unit."""
    source = call.data[0] if isinstance(call.data, list) and call.data else call.data
    fields = source if isinstance(source, dict) else {}
    for name in ("nsrsbh", "xsfnsrsbh"):
        if isinstance(fields.get(name), str) and fields[name]:
            return str(fields[name])
    asked = None
    if isinstance(fields.get("sllsh"), str):
        asked = upload.taxpayer_of_submission(db, fields["sllsh"])
    elif isinstance(fields.get("fphm"), str):
        asked = numbers.owner_of(db, fields["fphm"])
    return asked or call.unit

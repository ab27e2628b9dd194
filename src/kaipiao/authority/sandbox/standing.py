"""CXNSRJBXX, CXNSRFXXX and the sandbox-only pair LQSX_SWZJ_GT4_*: who a taxpayer is and how it stands."""

from __future__ import annotations

import sqlite3

from kaipiao.authority.sandbox import store
from kaipiao.authority.sandbox.call import Answer, Call, Rules, ok, refused
from kaipiao.authority.sandbox.form import call_text
from kaipiao.authority.sandbox.settings import VirtualTaxpayer

_MAY_ISSUE = frozenset({"03", "09"})  # nsrztdm: normal, registered for inspection (报验)


def basic_data(db: sqlite3.Connection, call: Call, rules: Rules) -> Answer:
    company = store.taxpayer(db, call_text(call.fields(), "nsrsbh"))
    return refused("11", "纳税人未在本沙箱登记") if company is None else ok(**_data(company))


def _data(company: VirtualTaxpayer) -> Answer:
    return {
        "nsrsbh": company.tax_number,
        "nsrmc": company.name,
        "nsrlx": company.taxpayer_type,
        "nsrztdm": company.status,
        "scjydz": company.address,
        "zcdlxdh": company.telephone,
        "khhmc": company.bank,
        "yhzh": company.account,
        "zgswskfjdm": company.bureau_code,
        "zgswskfjmc": company.bureau_name,
        "xdpsdqybz": "Y",
    }


def risk(db: sqlite3.Connection, call: Call, rules: Rules) -> Answer:
    company = store.taxpayer(db, call_text(call.fields(), "nsrsbh"))
    if company is None:
        return refused("11", "纳税人未在本沙箱登记")
    return ok(
        nsrsbh=company.tax_number,
        fxnsrlx=company.risk_type,
        nsrxydj="A",
        nsryjjb=company.warning,
        fxnsrbz="Y" if company.risky else "N",
    )


def forbidden_by(company: VirtualTaxpayer) -> str | None:
    """Why this taxpayer may not issue (business rule 4.7), or None."""
    if company.status not in _MAY_ISSUE:
        return "纳税人状态不允许开票"
    if company.risky or company.risk_type == "01" or company.warning == "01":
        return "纳税人存在风险，不允许开票"
    return None


def virtual_company(db: sqlite3.Connection, call: Call, rules: Rules) -> Answer:
    """The data of one virtual company; of another region than asked for: none."""
    company = store.taxpayer(db, call_text(call.fields(), "nsrsbh"))
    if company is None or not _same_region(company, call):
        return refused("04", "查无数据")
    return ok(**_data(company), ssjswjgDm=company.bureau_code)


def initialise(db: sqlite3.Connection, call: Call, rules: Rules) -> Answer:
    """Makes a virtual company ready: its standing becomes sound again. Its books stay as they are."""
    company = store.taxpayer(db, call_text(call.fields(), "nsrsbh"))
    if company is None or not _same_region(company, call):
        return refused("04", "查无数据")
    sound = {"status": "03", "risk_type": "", "warning": "", "risky": False, "quota_paused": False}
    store.save_taxpayer(db, company.model_copy(update=sound))
    return ok(nsrsbh=company.tax_number)


def _same_region(company: VirtualTaxpayer, call: Call) -> bool:
    return call_text(call.fields(), "ssjswjgDm") == company.bureau_code

"""What the bureau checks in one invoice, apart from its books: identity, time, content and arithmetic.

The order is ours: nobody has published the bureau's. Codes beginning with `own-` are ours, the wording is our own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from kaipiao.authority.sandbox.data_tables import limits, rates, tax_codes_by_code
from kaipiao.authority.sandbox.filed import Filed, FiledLine
from kaipiao.authority.sandbox.form import Refusal
from kaipiao.clock import SHANGHAI, month_close, year_of

_NUMBER = re.compile(r"\d{20}", re.ASCII)
_CODE = re.compile(r"\d{19}", re.ASCII)
_TAX_NUMBER = re.compile(r"[0-9A-Z]{15,20}")
_NO_TAX = frozenset({"03", "04"})  # exempt, not taxable


def check_identity(filed: Filed, platform: str) -> Refusal | None:
    """Number, kind and sides have the form that they must have."""
    if not _NUMBER.fullmatch(filed.number):
        return Refusal("own-NUMBER-01", "发票号码须为20位数字")
    if filed.platform != platform:
        return Refusal("own-HEAD-01", "平台编号与接入单位不一致")
    if filed.kind not in {"01", "02"}:
        return Refusal("own-KIND-01", "发票票种须为01或02")
    if filed.raw.get("tdys") not in {None, ""}:
        return Refusal("own-KIND-02", "基础能力不支持特定要素")
    if filed.raw.get("cezslxDm") not in {None, ""}:
        return Refusal("own-KIND-03", "本沙箱尚不受理差额征税发票")
    return _check_buyer(filed)


def _check_buyer(filed: Filed) -> Refusal | None:
    if filed.buyer and not _TAX_NUMBER.fullmatch(filed.buyer):
        return Refusal("own-BUYER-01", "购买方纳税人识别号格式不正确")
    if filed.kind == "01" and (filed.natural_person or not filed.buyer):
        return Refusal("own-BUYER-02", "增值税专用发票须有购买方纳税人识别号，且不得开给自然人")
    return None


def check_time(filed: Filed, now: datetime) -> Refusal | None:
    """The clocks of the protocol: no issue date ahead of the bureau's clock, year of the number, month close, 48 hours.

    The 48 hours always end before the month closes; the closed month comes first because it says more."""
    age = (now - filed.issued_at).total_seconds()
    if age < -limits().future_seconds:
        return Refusal("own-TIME-01", "开票日期晚于税局时间")
    if filed.number[:2] != f"{year_of(filed.issued_at) % 100:02d}":
        return Refusal("own-TIME-02", "发票号码年份与开票年份不一致，跨年号码不可使用")
    if now >= month_close(filed.issued_at):
        return Refusal("own-TIME-04", "开票所属月份已关账，请重新开具")
    if age >= limits().upload_window_seconds:
        return Refusal("own-TIME-03", "上传时间与开票时间间隔应小于48小时")
    return None


def check_content(filed: Filed) -> Refusal | None:
    """Lines, rates, codes and arithmetic: the first thing that is wrong."""
    return next(_findings(filed), None)


def _findings(filed: Filed) -> Iterator[Refusal]:
    if len({line.position for line in filed.lines}) != len(filed.lines):
        yield Refusal("own-LINE-01", "明细序号重复")
    for line in filed.lines:
        yield from _line_findings(filed, line)
    yield from _sum_findings(filed)


def _line_findings(filed: Filed, line: FiledLine) -> Iterator[Refusal]:
    where = f"第{line.position}行"
    if line.name != f"*{line.short_name}*{line.item}":
        yield Refusal("own-LINE-02", f"{where}货物或应税劳务名称须为*简称*项目名称")
    if line.nature not in {"00", "01", "02"}:
        yield Refusal("own-LINE-03", f"{where}发票行性质不正确")
    if line.nature == "01" and (line.amount >= 0) == filed.blue:
        yield Refusal("own-LINE-04", f"{where}折扣行金额方向不正确")
    if line.nature != "01" and line.amount < 0 and filed.blue:
        yield Refusal("own-LINE-07", f"{where}蓝字发票金额不得为负")
    yield from _rate_findings(filed, line, where)
    yield from _line_arithmetic(line, where)


def _rate_findings(filed: Filed, line: FiledLine, where: str) -> Iterator[Refusal]:
    day = filed.issued_at.astimezone(SHANGHAI).date()
    if not _CODE.fullmatch(line.code):
        yield Refusal("own-CODE-01", f"{where}商品和服务税收分类编码须为19位数字")
    if not any(rate.rate == line.rate and rate.holds(day) for rate in rates()):
        yield Refusal("own-RATE-01", f"{where}税率{line.rate:f}不合法")
    known = tax_codes_by_code().get(line.code)
    if known is not None and not known.allows(line.rate):
        allowed = "、".join(str(rate) for rate in known.rates + known.levies)
        yield Refusal("own-RATE-02", f"{where}商品税率{line.rate:f}不合法，请使用如下税率：{allowed}")
    if line.policy in _NO_TAX and line.rate != 0:
        yield Refusal("own-RATE-03", f"{where}免税或不征税时税率须为0")
    if filed.kind == "01" and line.rate == 0:
        yield Refusal("own-RATE-04", f"{where}增值税专用发票不允许开具0税率发票")


def _line_arithmetic(line: FiledLine, where: str) -> Iterator[Refusal]:
    yield from _price_findings(line, where)
    if abs(line.amount * line.rate - line.tax) > limits().line_tax_tolerance:
        yield Refusal("own-SUM-02", f"{where}金额乘以税率与税额不符")
    if abs(line.amount + line.tax - line.amount_with_tax) > limits().total_tolerance:
        yield Refusal("own-SUM-03", f"{where}含税金额不等于金额加税额")


def _price_findings(line: FiledLine, where: str) -> Iterator[Refusal]:
    if (line.quantity is None) != (line.price is None):
        yield Refusal("own-LINE-05", f"{where}数量与单价须同时填写或同时为空")
    if line.quantity is None or line.price is None:
        return
    if not (line.quantity.is_finite() and line.price.is_finite()):
        yield Refusal("own-LINE-06", f"{where}数量或单价不是数字")
    elif abs(line.quantity * line.price - line.amount) > limits().line_price_tolerance:
        yield Refusal("own-SUM-01", f"{where}单价乘以数量与金额不符")


def _sum_findings(filed: Filed) -> Iterator[Refusal]:
    amounts = sum((line.amount for line in filed.lines), Decimal(0))
    taxes = sum((line.amount * line.rate for line in filed.lines), Decimal(0))
    if abs(amounts - filed.amount) > limits().amount_sum_tolerance:
        yield Refusal("own-SUM-04", "合计金额与明细金额之和不符")
    if abs(taxes - filed.tax) > limits().tax_sum_tolerance:
        yield Refusal("own-SUM-05", "合计税额与明细计算税额之和不符")
    if abs(filed.amount + filed.tax - filed.total) > limits().total_tolerance:
        yield Refusal("own-SUM-06", "价税合计不等于合计金额加合计税额")
    if filed.blue and filed.total <= 0:
        yield Refusal("own-SUM-07", "蓝字发票价税合计须大于零")

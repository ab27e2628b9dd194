"""The shape of lines: how many, what a name and a code look like, price and quantity, discount lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from kaipiao.invoice.amounts import full_name, given_amount
from kaipiao.invoice.model import Draft, DraftLine, Invoice, Line, LineNature
from kaipiao.invoice.rules.rule import Findings, Received, Rule
from kaipiao.invoice.rules.texts import check_text
from kaipiao.invoice.tables import tables
from kaipiao.language import Text

COUNT = Rule(
    "KP-RULE-LINE-01",
    "lines",
    Text("明细应为1至{limit}行，现为{count}行", "There are 1 to {limit} lines; here are {count}"),
    "乐企开票能力说明文档 V3.005 2.2.4.3",
    received=Received.INVALID,
)
PAIR = Rule(
    "KP-RULE-LINE-02",
    "lines[].unit_price",
    Text("单价和数量应同时填写或同时不填", "Price and quantity are both given or both left out"),
    "乐企开票能力说明文档（基础版）校验规则; 数电票 XML（版式说明 V5.002）",
)
NAME_FORM = Rule(
    "KP-RULE-LINE-05",
    "lines[].name",
    Text("项目名称应为“*简称*项目”的形式", "The name has the form *short name*item"),
    "数电票 XML（版式说明 V5.002）; 乐企开票能力说明文档（基础版） (hwhyslwfwmc)",
)
DISCOUNT_LINE = Rule(
    "KP-RULE-LINE-06",
    "lines[]",
    Text(
        "折扣行应紧跟被折扣行，名称、编码、税率、优惠标识相同，没有规格、单位、单价、数量，金额为负且不超过被折扣行",
        "A discount line follows its line, has the same name, code, rate and mark, no specification, unit, price or "
        "quantity, and a negative amount not above that of its line",
    ),
    "乐企开票能力说明文档（基础版）fphxz",
)
AMOUNT_NEEDED = Rule(
    "KP-RULE-LINE-07",
    "lines[].amount",
    Text("请填写金额，或同时填写单价和数量", "Give an amount, or price and quantity"),
    "乐企开票能力说明文档（基础版）校验规则",
    received=Received.UNASKED,
)
NEGATIVE = Rule(
    "KP-RULE-LINE-08",
    "lines[].amount",
    Text("蓝字发票只有折扣行可以有负数", "On a blue invoice only a discount line has negative numbers"),
    "乐企开票能力说明文档（基础版）校验、红字",
    received=Received.UNASKED,
)
DISCOUNT_AMOUNT = Rule(
    "KP-RULE-LINE-09",
    "lines[].discount",
    Text(
        "折扣应大于0且不超过本行金额，每行只能有一个折扣",
        "A discount is above 0 and not above the line's amount, one for each line",
    ),
    "乐企开票能力说明文档（基础版）fphxz",
    received=Received.UNASKED,
)
CODE_FORM = Rule(
    "KP-RULE-CODE-01",
    "lines[].tax_code",
    Text(
        "商品和服务税收分类编码应为19位数字，首位1至6", "A classification code has 19 digits, the first of them 1 to 6"
    ),
    "商品和服务税收分类编码表; 税局退回实例 / refused by the bureau",
)
RULES = (COUNT, PAIR, NAME_FORM, DISCOUNT_LINE, AMOUNT_NEEDED, NEGATIVE, DISCOUNT_AMOUNT, CODE_FORM)

_CODE = re.compile(r"[1-6][0-9]{18}")
_NAME = re.compile(r"\*([^*]+)\*(?!\*)(.*\S.*)", re.DOTALL)


def check_count(findings: Findings, count: int) -> bool:
    """True when the lines are worth looking at."""
    limit = tables().limits.counts.lines
    if not 1 <= count <= limit:
        findings.add(COUNT, "lines", count=count, limit=limit)
    return count <= limit


def check_line_texts(findings: Findings, path: str, line: DraftLine | Line, name: str) -> None:
    limits = tables().limits.lengths
    check_text(findings, f"{path}.name", name, limits.item, needed=True)
    form = _NAME.fullmatch(name)
    if form is None or (isinstance(line, DraftLine) and line.short_name is not None and line.short_name != form[1]):
        findings.add(NAME_FORM, f"{path}.name")
    else:
        check_text(findings, f"{path}.name", form[1], limits.short_name)
    if line.specification:
        check_text(findings, f"{path}.specification", line.specification, limits.specification)
    if line.unit:
        check_text(findings, f"{path}.unit", line.unit, limits.unit)
    if not _CODE.fullmatch(line.tax_code):
        findings.add(CODE_FORM, f"{path}.tax_code")
    if (line.unit_price is None) is not (line.quantity is None):
        findings.add(PAIR, f"{path}.quantity" if line.quantity is None else f"{path}.unit_price")


def check_draft_line_shape(findings: Findings, path: str, draft: Draft, index: int) -> None:
    """Sign and discount of a line. Every line of the draft has an amount that can be computed."""
    line = draft.lines[index]
    if line.nature is LineNature.DISCOUNT:
        if line.discount is not None:
            findings.add(DISCOUNT_AMOUNT, f"{path}.discount")
        if not _is_discount_line(draft.lines, index):
            findings.add(DISCOUNT_LINE, path)
        return
    given = given_amount(line)
    followed = index + 1 < len(draft.lines) and draft.lines[index + 1].nature is LineNature.DISCOUNT
    for name, value in (("amount", given), ("unit_price", line.unit_price), ("quantity", line.quantity)):
        if value is not None and value < 0:
            findings.add(NEGATIVE, f"{path}.{name}")
    if line.discount is not None and (followed or not 0 < line.discount <= given):
        findings.add(DISCOUNT_AMOUNT, f"{path}.discount")
    if line.nature is LineNature.DISCOUNTED and line.discount is None and not followed:
        findings.add(DISCOUNT_LINE, path)


def check_invoice_discounts(findings: Findings, invoice: Invoice) -> None:
    """On a blue invoice a negative line is a discount line, whatever its nature says (the XML does not carry it)."""
    if invoice.blue is False:
        return
    for index, line in enumerate(invoice.lines):
        if line.amount < 0 and not _is_discount_line(invoice.lines, index):
            findings.add(DISCOUNT_LINE, f"lines[{index}]")


def _is_discount_line(lines: Sequence[DraftLine] | Sequence[Line], index: int) -> bool:
    """Has line `index` the shape of a discount of the line before it?"""
    if index == 0:
        return False
    line, above = lines[index], lines[index - 1]
    same = (full_name(line), line.tax_code, line.tax_rate, line.policy) == (
        full_name(above),
        above.tax_code,
        above.tax_rate,
        above.policy,
    )
    bare = not line.specification and not line.unit and line.unit_price is None and line.quantity is None
    amount = _amount_of(line)
    return same and bare and above.nature is not LineNature.DISCOUNT and amount < 0 and -amount <= _amount_of(above)


def _amount_of(line: DraftLine | Line) -> Decimal:
    return given_amount(line) if isinstance(line, DraftLine) else line.amount

"""What stands above the lines: number, kind, blue or red, order key, drawer."""

from __future__ import annotations

from datetime import date

from kaipiao.invoice.model import Draft, Invoice, Seller
from kaipiao.invoice.number import is_number
from kaipiao.invoice.rules.rule import Findings, Received, Rule
from kaipiao.invoice.rules.texts import check_text
from kaipiao.invoice.tables import tables
from kaipiao.language import Text

NUMBER_FORM = Rule(
    "KP-RULE-NUM-01",
    "number",
    Text("发票号码应为20位数字，现为{length}位", "An invoice number has 20 digits; this one has {length} characters"),
    "数电票号码结构 [K]",
    received=Received.INVALID,
)
NUMBER_PARTS = Rule(
    "KP-RULE-NUM-02",
    "number",
    Text("号码中的年份或地区代码不存在", "The year or the region in the number does not exist"),
    "数电票号码结构（15 个真实号码）; the first 数电票 was made in 2021",
)
NUMBER_TWICE = Rule(
    "KP-RULE-NUM-03",
    "supervision_number",
    Text("监管信息中的号码与发票号码不一致", "The number of the supervision block differs from the invoice number"),
    "数电票 XML（版式说明 V5.002）: TaxSupervisionInfo/InvoiceNumber = EIid",
    received=Received.INVALID,
)
KIND_UNKNOWN = Rule(
    "KP-RULE-KIND-01",
    "kind",
    Text("没有写明是专用发票还是普通发票", "It is not said whether this is a special or a general invoice"),
    "乐企代码表 fplx、fppz",
)
RED_DRAFT = Rule(
    "KP-RULE-RED-01",
    "blue",
    Text(
        "红字发票只能凭红字确认单开具，不能作为新发票开具",
        "A red invoice is issued from a red confirmation, never as a new sale",
    ),
    "乐企开票能力说明文档（基础版）红字; 税局退回实例 / refused by the bureau",
    received=Received.UNASKED,
)
RED_SIGN = Rule(
    "KP-RULE-RED-02",
    "total",
    Text("红字发票的价税合计应为负数", "The total of a red invoice is negative"),
    "乐企开票能力说明文档（基础版）红字",
    received=Received.INVALID,
)
RED_REFERENCE = Rule(
    "KP-RULE-RED-03",
    "red",
    Text("红字发票没有写明对应的蓝字发票", "The red invoice does not name the blue one"),
    "数电票 XML（版式说明 V5.002）: RedEInvoice",
)
BLUE_SIGN = Rule(
    "KP-RULE-RED-04",
    "total",
    Text("蓝字发票的价税合计不能为负数", "The total of a blue invoice is not negative"),
    "乐企开票能力说明文档（基础版）红字",
    received=Received.INVALID,
)
DAY = Rule(
    "KP-RULE-DATE-01",
    "issued_at",
    Text("开票日期无法识别，税率未作判断", "The issue date cannot be read; rates are not judged"),
    "数电票 XML（版式说明 V5.002）: IssueTime",
    received=Received.NOT_JUDGED,
)
RULES = (
    DAY,
    NUMBER_FORM,
    NUMBER_PARTS,
    NUMBER_TWICE,
    KIND_UNKNOWN,
    RED_DRAFT,
    RED_SIGN,
    RED_REFERENCE,
    BLUE_SIGN,
)


def check_draft_header(findings: Findings, draft: Draft, seller: Seller) -> None:
    limits = tables().limits.lengths
    check_text(findings, "order", draft.order, limits.order, needed=True)
    check_text(findings, "drawer", draft.drawer or seller.drawer, limits.drawer, needed=True)


def check_invoice_number(findings: Findings, invoice: Invoice) -> None:
    number = invoice.number
    if not is_number(number):
        findings.add(NUMBER_FORM, "number", length=len(number))
    elif number[:2] < "21" or number[2:4] not in tables().bureaus:
        findings.add(NUMBER_PARTS, "number")
    if invoice.supervision_number is not None and invoice.supervision_number != number:
        findings.add(NUMBER_TWICE, "supervision_number")


def check_invoice_kind(findings: Findings, invoice: Invoice) -> None:
    if invoice.kind is None:
        findings.add(KIND_UNKNOWN, "kind")
    check_text(findings, "drawer", invoice.drawer, tables().limits.lengths.drawer, needed=True)


def issue_day(findings: Findings, invoice: Invoice) -> date | None:
    """The day on which the rates are looked up."""
    try:
        return date.fromisoformat(invoice.issued_at[:10])
    except ValueError:
        findings.add(DAY, "issued_at")
        return None


def check_colour(findings: Findings, invoice: Invoice) -> None:
    if invoice.blue is not False:
        if invoice.blue and invoice.total < 0:
            findings.add(BLUE_SIGN, "total")
        return
    findings.add(RED_DRAFT, "blue")
    if invoice.total >= 0:
        findings.add(RED_SIGN, "total")
    if invoice.red is None:
        findings.add(RED_REFERENCE, "red")

"""Rates by date, taxpayer and code, and what the marks of 优惠政策 ask for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from kaipiao.invoice.model import DraftLine, Invoice, Kind, Line
from kaipiao.invoice.money import is_sound, plain
from kaipiao.invoice.rules.rule import Findings, Received, Rule
from kaipiao.invoice.tables import RateRow, tables
from kaipiao.language import Text

NOT_AVAILABLE = Rule(
    "KP-RULE-RATE-01",
    "lines[].tax_rate",
    Text("该税率在{day}不可用，可用税率：{allowed}", "This rate cannot be used on {day}; these can: {allowed}"),
    "rates.toml 所列公告; 税局退回实例 / refused by the bureau",
    received=Received.NOT_JUDGED,
)
FORM = Rule(
    "KP-RULE-RATE-02",
    "lines[].tax_rate",
    Text(
        "税率应为0到1之间的小数，最多{decimals}位小数",
        "A rate is a fraction from 0 to 1 with at most {decimals} decimals",
    ),
    "数电票 XML（版式说明 V5.002）; 乐企开票能力说明文档（基础版）V5.001 数电票上传: number(16,6)",
    received=Received.INVALID,
)
NOT_FOR_CODE = Rule(
    "KP-RULE-RATE-03",
    "lines[].tax_rate",
    Text("该税率在{day}不适用于此编码：{source}", "On {day} this rate is not for this code: {source}"),
    "增值税法（2026-01-01）与 rates.toml 所列公告; 税局退回实例 / refused by the bureau",
    received=Received.NOT_JUDGED,
)
SPECIAL_ZERO = Rule(
    "KP-RULE-RATE-04",
    "lines[].tax_rate",
    Text(
        "专用发票不允许免税、不征税或0税率，可改用100%折扣行",
        "A special invoice has no exempt, not taxable or zero-rate line: use a discount of 100 %",
    ),
    "增值税法（2026-01-01）；乐企说明文档 yhzcbs; 税局退回实例 / refused by the bureau",
)
NO_RATE = Rule(
    "KP-RULE-RATE-05",
    "lines[].rate_text",
    Text(
        "该行没有可以计算的税率（差额征税等），未作判断",
        "The line has no rate to compute with (differential and the like): not judged",
    ),
    "增值税法（2026-01-01）；乐企说明文档 yhzcbs",
    received=Received.NOT_JUDGED,
)
UNTAXED = Rule(
    "KP-RULE-RATE-06",
    "lines[].tax",
    Text("免税、不征税和零税率行的税额应为0", "An exempt, not taxable or zero-rate line has no tax"),
    "增值税法（2026-01-01）；乐企说明文档 yhzcbs",
    received=Received.INVALID,
)
UNKNOWN_POLICY = Rule(
    "KP-RULE-POLICY-01",
    "lines[].policy",
    Text("优惠政策标识应为01至18", "The mark of a tax policy is 01 to 18"),
    "乐企开票能力说明文档（基础版）yhzcbs",
)
POLICY_RATE = Rule(
    "KP-RULE-POLICY-02",
    "lines[].tax_rate",
    Text("优惠政策{policy}的税率应为：{allowed}", "With the mark {policy} the rate is one of: {allowed}"),
    "乐企开票能力说明文档（基础版）yhzcbs",
)
NO_MIXING = Rule(
    "KP-RULE-POLICY-03",
    "lines[].policy",
    Text("优惠政策{policy}的行不能与其他行混开", "Lines with the mark {policy} do not stand beside other lines"),
    "乐企开票能力说明文档（基础版）yhzcbs",
)
LEVY_MARK = Rule(
    "KP-RULE-POLICY-04",
    "lines[].policy",
    Text(
        "一般纳税人按征收率开票，通常应标注简易征收（01、08、09）",
        "A general taxpayer at a levy rate usually carries the mark 01, 08 or 09",
    ),
    "乐企开票能力说明文档（基础版）yhzcbs",
    stops=False,
    received=Received.UNASKED,
)
REDUCED_LEVY = Rule(
    "KP-RULE-POLICY-05",
    "lines[].policy",
    Text(
        "优惠政策10（减按1.5%）的计税基数尚无公开依据，本版本不开具",
        "How tax is computed with the mark 10 (reduced to 1.5 %) is not settled by any source: not issued by this version",
    ),
    "乐企开票能力说明文档（基础版）税率与校验",
    received=Received.UNASKED,
)
CODE_SIX = Rule(
    "KP-RULE-CODE-02",
    "lines[].policy",
    Text("以6开头的编码必须按不征税（04）开具", "A code that begins with 6 is issued as not taxable (mark 04)"),
    "乐企开票能力说明文档（基础版）发票额度",
)
RULES = (
    NOT_AVAILABLE,
    FORM,
    NOT_FOR_CODE,
    SPECIAL_ZERO,
    NO_RATE,
    UNTAXED,
    UNKNOWN_POLICY,
    POLICY_RATE,
    NO_MIXING,
    LEVY_MARK,
    REDUCED_LEVY,
    CODE_SIX,
)


def check_rate(
    findings: Findings,
    path: str,
    line: DraftLine | Line,
    rate: Decimal,
    *,
    taxpayer: str | None,
    on: date | None,
) -> bool:
    """A rate by its form and by the dated table. An unknown taxpayer type (None) may use what any type may; an unknown day
    is not judged. True when it may be computed with."""
    decimals = tables().limits.counts.rate_decimals
    if not is_sound(rate) or not 0 <= rate < 1 or len(plain(rate)) > decimals + 2:
        findings.add(FORM, f"{path}.tax_rate", decimals=decimals)
        return False
    if on is None:
        return True
    rows = [row for row in tables().rates.get(rate, ()) if _open_to(row, taxpayer, line.policy) and row.holds_on(on)]
    if not rows:
        findings.add(NOT_AVAILABLE, f"{path}.tax_rate", day=on, allowed=_listed(_available(taxpayer, on)))
    elif not any(row.fits_code(line.tax_code) for row in rows):
        findings.add(NOT_FOR_CODE, f"{path}.tax_rate", day=on, source=rows[0].source)
    elif rows[0].family == "levy" and taxpayer in _GENERAL and not _has_levy_mark(line.policy):
        findings.add(LEVY_MARK, f"{path}.policy")
    return True


_GENERAL = frozenset({"1", "4"})


def _open_to(row: RateRow, taxpayer: str | None, policy: str | None) -> bool:
    return (taxpayer is None or taxpayer in row.taxpayers) and (not row.policies or policy in row.policies)


def _available(taxpayer: str | None, on: date) -> set[Decimal]:
    return {
        row.rate
        for rows in tables().rates.values()
        for row in rows
        if row.holds_on(on) and _open_to(row, taxpayer, None)
    }


def _listed(rates: set[Decimal] | frozenset[Decimal]) -> str:
    return ", ".join(plain(rate) for rate in sorted(rates, reverse=True))


def _has_levy_mark(policy: str | None) -> bool:
    return policy is not None and policy in tables().policies and tables().policies[policy].levy


def check_policy(findings: Findings, path: str, line: DraftLine) -> None:
    """The mark of a drafted line, alone."""
    for policy in tables().policies.values():
        if policy.needed_for and line.policy != policy.code and line.tax_code.startswith(policy.needed_for):
            findings.add(CODE_SIX, f"{path}.policy")
    if line.policy is None:
        return
    policy_row = tables().policies.get(line.policy)
    if policy_row is None:
        findings.add(UNKNOWN_POLICY, f"{path}.policy")
        return
    if policy_row.rates and is_sound(line.tax_rate) and line.tax_rate not in policy_row.rates:
        findings.add(POLICY_RATE, f"{path}.tax_rate", policy=policy_row.code, allowed=_listed(policy_row.rates))
    if not policy_row.settled:
        findings.add(REDUCED_LEVY, f"{path}.policy")


def check_untaxed(findings: Findings, path: str, line: DraftLine | Line, kind: Kind | None) -> None:
    """A line with rate 0 (or a text instead of a rate): no tax, and not on a special invoice."""
    if line.tax:
        findings.add(UNTAXED, f"{path}.tax")
    if kind is Kind.SPECIAL:
        findings.add(SPECIAL_ZERO, f"{path}.tax_rate")


def check_invoice_rate(findings: Findings, path: str, line: Line, invoice: Invoice, on: date | None) -> bool:
    """Rate or the text instead of it. True when it may be computed with, or when there is nothing to compute."""
    texts = {policy.prints_rate for policy in tables().policies.values() if policy.prints_rate}
    for policy in tables().policies.values():
        if policy.needed_for and line.tax_code.startswith(policy.needed_for) and line.rate_text != policy.prints_rate:
            findings.add(CODE_SIX, f"{path}.rate_text")
    if line.tax_rate is None:
        if line.rate_text in texts:
            check_untaxed(findings, path, line, invoice.kind)
        else:
            findings.add(NO_RATE, f"{path}.rate_text")
        return True
    taxpayer = invoice.taxpayer_type.code if invoice.taxpayer_type else None
    usable = check_rate(findings, path, line, line.tax_rate, taxpayer=taxpayer or None, on=on)
    if usable and not line.tax_rate:
        check_untaxed(findings, path, line, invoice.kind)
    return usable


def check_mixing(findings: Findings, lines: Sequence[DraftLine]) -> None:
    """Marks that do not mix: every other line has the same mark, or a code that may stand beside."""
    marks = {line.policy for line in lines if line.policy is not None}
    for policy in tables().policies.values():
        if policy.mixes or policy.code not in marks:
            continue
        others = [line.tax_code for line in lines if line.policy != policy.code]
        judged: dict[tuple[str, ...], bool] = {}
        for index, line in enumerate(lines):
            beside = tuple(pair.other for pair in policy.beside if line.tax_code.startswith(pair.code))
            if beside not in judged:
                judged[beside] = all(code.startswith(beside) for code in others)
            if line.policy == policy.code and not judged[beside]:
                findings.add(NO_MIXING, f"lines[{index}].policy", policy=policy.code)

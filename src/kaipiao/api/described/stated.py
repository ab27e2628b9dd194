"""What a route can answer when it says no: the very errors that are raised, so that the description is what is answered."""

from __future__ import annotations

from kaipiao import errors
from kaipiao.access.refused import SessionEnded
from kaipiao.errors import KaipiaoError
from kaipiao.invoice.rules import Finding, Verdict
from kaipiao.invoice.rules.arithmetic import EXPECTED_TOTAL
from kaipiao.language import Text

Stated = tuple[KaipiaoError, ...]

PARAMETERS: Stated = (errors.Malformed(Text("请求参数有误", "A request parameter is wrong"), fields=["query.limit"]),)
TOKEN: Stated = (
    errors.AccessRefused(),
    errors.AccessRefused(Text("令牌已过期", "The token has expired"), code="KP-ACCESS-02"),
    errors.AccessRefused(Text("令牌已被撤销", "The token was revoked"), code="KP-ACCESS-06"),
    SessionEnded(),
)
PERMISSION: Stated = (
    errors.PermissionMissing(permission="invoice:issue"),
    errors.PermissionMissing(
        Text(
            "请先设置新口令或一次性密码，再重新登录", "First set a new password or one-time codes, then sign in again"
        ),
        code="KP-ACCESS-14",
    ),
)
RATE: Stated = (errors.TooManyRequests(retry_after=1, requests_per_second=5000.0),)
LISTENERS: Stated = (
    errors.TooManyRequests(Text("监听者已满", "All places of listeners are taken"), code="KP-HTTP-05", retry_after=1),
)
LOAD: Stated = (errors.Overloaded(reason="queue", retry_after=1), errors.CallerGone())
BATCHES: Stated = (
    errors.Overloaded(Text("同时进行的批量过多", "Too many batches are under way"), reason="batches", retry_after=1),
)
DEFECT: Stated = (errors.Internal(),)

INVOICE_UNKNOWN: Stated = (errors.NotFound(),)
TAXPAYER_UNKNOWN: Stated = (errors.NotFound(Text("没有这个纳税人", "There is no such taxpayer"), code="KP-FIND-02"),)

READING: Stated = (errors.LedgerFault(), errors.LedgerDamaged())
WRITING: Stated = (errors.OutcomeUnknown(), *READING, errors.BooksContradicted())
SEALS: Stated = (errors.SealFault(), errors.KeyUnknown())

BODY: Stated = (
    errors.Malformed(Text("JSON 语法错误：第 1 行第 9 列。", "JSON syntax error: line 1, column 9."), line=1, column=9),
    errors.BodyTooSlow(),
    errors.TooLarge(Text("请求超过 8000000 字节。", "Over 8000000 bytes."), limit=8_000_000),
    errors.BodyFormRefused(),
)
FIELDS: Stated = (
    errors.FieldsRefused(
        Text("lines[0].tax_rate 缺少", "lines[0].tax_rate is missing"),
        fields=[{"path": "lines[0].tax_rate", "zh": "缺少", "en": "is missing"}],
    ),
)
FORM: Stated = (*FIELDS, errors.OrderKeyMissing())
_BROKEN = Finding(
    code=EXPECTED_TOTAL.code,
    path=EXPECTED_TOTAL.path,
    verdict=Verdict.INVALID,
    stops=EXPECTED_TOTAL.stops,
    text=EXPECTED_TOTAL.text.format(computed="106.00"),
    source=EXPECTED_TOTAL.source,
)
RULES: Stated = (errors.RulesBroken(findings=[_BROKEN]), errors.ChannelCannotCarry(channel="leqi", path="special"))
ORDER_TAKEN: Stated = (
    errors.OrderConflict(fields=["lines[0].unit_price"], number="26117000000000000001"),
    errors.OrderCancelled(),
)
ORDER_NUMBERED: Stated = (
    errors.OrderNotCancellable(number="26117000000000000001", state="issued"),
    errors.OrderAmbiguous(),
)
KEYED: Stated = (
    errors.Malformed(
        Text(
            "Idempotency-Key 须为 1–255 个可见的 ASCII 字符", "Idempotency-Key is 1 to 255 visible characters of ASCII"
        ),
        fields=["header.idempotency-key"],
    ),
    errors.BodyTooSlow(),
    errors.TooLarge(),
    errors.IdempotencyKeyReused(),
    errors.RequestUnderWay(retry_after=1),
)
STANDING: Stated = (errors.NotQualified(reason="risk"),)
SUPPLY: Stated = (
    errors.NumbersExhausted(),
    errors.QuotaExhausted(taxpayer="91110000MAKP00001M"),
    errors.QuotaNotValid(taxpayer="91110000MAKP00001M", valid_until="2026-11-15T23:59:59+08:00"),
    errors.ClockUnsound(behind_seconds=61.2),
    errors.Stopping(),
)
CALLER: Stated = (*PARAMETERS, *TOKEN, *PERMISSION, *RATE)
ISSUING: Stated = (*BODY, *LOAD, *TAXPAYER_UNKNOWN, *FORM, *RULES, *ORDER_TAKEN, *STANDING, *SUPPLY, *WRITING, *SEALS)


# What a bare status stands for, where a route says no more than that.
ORDINARY: dict[int, Stated] = {
    400: PARAMETERS,
    401: TOKEN,
    403: PERMISSION,
    404: INVOICE_UNKNOWN,
    408: (errors.BodyTooSlow(),),
    409: ORDER_TAKEN,
    413: (errors.TooLarge(),),
    415: (errors.BodyFormRefused(),),
    422: FORM,
    429: RATE,
    500: DEFECT,
    503: READING,
}


def by_status(*what: int | KaipiaoError) -> dict[int, dict[str, KaipiaoError]]:
    """What is stated, by status and code; the defect that every route may meet, and the rate of whoever shows a token."""
    named: list[KaipiaoError] = []
    for one in what:
        named += ORDINARY[one] if isinstance(one, int) else (one,)
    if any(error.status == 401 for error in named):
        named += RATE
    found: dict[int, dict[str, KaipiaoError]] = {}
    for error in (*named, *DEFECT):
        found.setdefault(error.status, {}).setdefault(error.code, error)
    return found

"""One tree of errors. Each has a stable code, both languages, the next step, and whether sending again is safe.

KaipiaoError
├── InputRefused                 what the caller sent cannot be used (nothing stored)
│   ├── Malformed                KP-INPUT-01   not readable as what it claims to be
│   ├── TooLarge                 KP-INPUT-02   over a limit of size, depth, count or time
│   ├── OrderKeyMissing          KP-INPUT-03   no order key
│   ├── RulesBroken              KP-RULE-00    the invoice breaks rules (each finding has its own KP-RULE code)
│   └── OrderConflict            KP-ORDER-01   same order key, other content
├── AccessRefused                KP-ACCESS-01…  who are you, may you
├── NotFound                     KP-FIND-01
├── CannotIssue                  nothing stored; says what unlocks it
│   ├── NumbersExhausted         KP-ISSUE-01
│   ├── QuotaExhausted           KP-ISSUE-02
│   ├── NotQualified             KP-ISSUE-03   risk, status (business rule 4.7)
│   ├── ClockUnsound             KP-ISSUE-04   the clock runs backwards or leads the bureau's
│   └── Stopping                 KP-ISSUE-05   the platform is shutting down
├── OutcomeUnknown               KP-LEDGER-01  the commit's fate is not known yet; same order key is safe
├── LedgerFault                  KP-LEDGER-02…  the durable truth cannot be read or written
├── SealFault                    KP-SEAL-01…    keys, certificates, signatures
├── SettingsFault                KP-SETTINGS-01…
└── Internal                     KP-INTERNAL-01 a defect of ours
"""

from __future__ import annotations

from enum import StrEnum

from kaipiao.language import Text


class Resend(StrEnum):
    """May the caller send the same request again?"""

    SAFE = "safe"  # yes, nothing was stored or it is de-duplicated
    SAME_KEY = "same_order_key"  # yes, with the same order key only
    AFTER_CHANGE = "after_change"  # pointless until something is changed
    NO = "no"


class KaipiaoError(Exception):
    """`status` is the HTTP status; `exit_code` the command line's; `facts` are machine-readable, free of invoice content."""

    code = "KP-INTERNAL-01"
    title = Text("内部错误", "Internal error")
    next_step = Text("请把请求编号告诉运维人员。", "Give the request id to your operator.")
    resend = Resend.SAME_KEY
    status = 500
    exit_code = 1

    def __init__(self, detail: Text | None = None, *, code: str | None = None, **facts: object) -> None:
        self.detail = detail or self.title
        if code is not None:
            self.code = code
        self.facts = facts
        super().__init__(f"{self.code} {self.detail.en}")


class Internal(KaipiaoError):
    """A defect of ours. The trace goes to the log, never to the caller."""

    exit_code = 70


class InputRefused(KaipiaoError):
    """What came in cannot be used. Nothing was stored."""

    code = "KP-INPUT-00"
    title = Text("输入有误", "The input cannot be used")
    next_step = Text("请按说明修改后再发送。", "Correct it as described, then send it again.")
    resend = Resend.AFTER_CHANGE
    status = 422


class Malformed(InputRefused):
    """Not readable as what it claims to be (JSON, XML, a file, a setting)."""

    code = "KP-INPUT-01"
    title = Text("无法解析", "It cannot be read")
    status = 400


class TooLarge(InputRefused):
    """Over a limit of size, depth, count or time."""

    code = "KP-INPUT-02"
    title = Text("超出上限", "It is over a limit")
    next_step = Text("请拆分后再发送。", "Split it, then send the parts.")
    status = 413


class OrderKeyMissing(InputRefused):
    """Without an order key a request could not be repeated safely, so it is refused."""

    code = "KP-INPUT-03"
    title = Text("缺少订单号", "The order key is missing")
    next_step = Text(
        "请填写字段 order，每笔订单一个，永不重复使用。",
        "Fill the field `order`, one for each sale, never used again.",
    )


class RulesBroken(InputRefused):
    """The invoice breaks rules that stop issuing. `facts["findings"]` lists them."""

    code = "KP-RULE-00"
    title = Text("发票不符合开具规则", "The invoice breaks the rules of issuing")


class OrderConflict(InputRefused):
    """The order key is taken by other content. `facts["fields"]` names the fields that differ."""

    code = "KP-ORDER-01"
    title = Text("同一订单号已用于另一份内容", "This order key was used for other content")
    next_step = Text(
        "若是新订单请换订单号；若要更正已开发票请走红字流程。",
        "Use a new order key for a new sale; correct an issued invoice by a red letter.",
    )
    resend = Resend.NO
    status = 409


class AccessRefused(KaipiaoError):
    """Who are you, and may you do this?"""

    code = "KP-ACCESS-01"
    title = Text("未登录或令牌无效", "No token, or the token is not valid")
    next_step = Text("请用 kaipiao token 生成新令牌。", "Make a new token with `kaipiao token`.")
    resend = Resend.AFTER_CHANGE
    status = 401


class NotFound(KaipiaoError):
    code = "KP-FIND-01"
    title = Text("没有找到", "Not found")
    next_step = Text("请核对号码或订单号。", "Check the number or the order key.")
    resend = Resend.SAFE
    status = 404


class CannotIssue(KaipiaoError):
    """Issuing is not possible now; nothing was stored."""

    code = "KP-ISSUE-00"
    title = Text("暂时不能开票", "Issuing is not possible now")
    next_step = Text("请稍后用同一订单号重试。", "Send it again later with the same order key.")
    resend = Resend.SAFE
    status = 503


class NumbersExhausted(CannotIssue):
    code = "KP-ISSUE-01"
    title = Text("号段已用完", "No numbers are left")
    next_step = Text(
        "税局恢复后系统自动领号，随后用同一订单号重试。",
        "Numbers are pulled as soon as the bureau answers; then send the same order key again.",
    )


class QuotaExhausted(CannotIssue):
    code = "KP-ISSUE-02"
    title = Text("发票额度不足", "The invoice quota is used up")
    next_step = Text(
        "系统会自动下载额度；若本月总额度用完，请申请调整。",
        "Quota is downloaded by itself; if the month's total is used, apply for an adjustment.",
    )


class NotQualified(CannotIssue):
    code = "KP-ISSUE-03"
    title = Text("纳税人状态不允许开票", "The taxpayer's standing does not allow issuing")
    next_step = Text("请联系主管税务机关。", "Ask the tax authority in charge.")
    resend = Resend.AFTER_CHANGE
    status = 403


class ClockUnsound(CannotIssue):
    code = "KP-ISSUE-04"
    title = Text("系统时钟不可信", "The clock cannot be trusted")
    next_step = Text("请校准本机时钟。", "Set this machine's clock right.")


class Stopping(CannotIssue):
    code = "KP-ISSUE-05"
    title = Text("服务正在停止", "The service is stopping")


class OutcomeUnknown(KaipiaoError):
    """The commit's fate could not be read yet. The same order key gives the true answer later."""

    code = "KP-LEDGER-01"
    title = Text("结果暂时未知", "The outcome is not known yet")
    next_step = Text(
        "请用同一订单号再次发送，系统保证不会重复开票。",
        "Send the same order key again: it is never issued twice.",
    )
    status = 503


class LedgerFault(KaipiaoError):
    """The durable truth cannot be read or written."""

    code = "KP-LEDGER-02"
    title = Text("账本不可用", "The ledger is not available")
    next_step = Text("请检查磁盘空间与数据目录权限。", "Check disk space and the data directory's permissions.")
    status = 503


class DirectoryInUse(LedgerFault):
    code = "KP-LEDGER-03"
    title = Text("数据目录正被另一个进程使用", "The data directory is in use by another process")
    next_step = Text("请使用正在运行的服务，或先停止它。", "Use the running server, or stop it first.")


class SealFault(KaipiaoError):
    """Keys, certificates, signatures."""

    code = "KP-SEAL-01"
    title = Text("签章不可用", "The seal is not available")
    next_step = Text("请检查密钥库与证书。", "Check the key store and the certificates.")
    status = 503


class SettingsFault(KaipiaoError):
    code = "KP-SETTINGS-01"
    title = Text("设置有误", "A setting is wrong")
    next_step = Text("请修改 kaipiao.toml。", "Correct kaipiao.toml.")
    resend = Resend.AFTER_CHANGE
    exit_code = 64

"""One tree of errors. Each has a stable code, both languages, the next step, and whether sending again is safe.

KaipiaoError
├── InputRefused                 what the caller sent cannot be used (nothing stored)
│   ├── Malformed                KP-INPUT-01   not readable as what it claims to be
│   ├── TooLarge                 KP-INPUT-02   over a limit of size, depth, count or time
│   ├── OrderKeyMissing          KP-INPUT-03   no order key
│   ├── FieldsRefused            KP-INPUT-04   fields are missing, unknown or not of their form
│   ├── RulesBroken              KP-RULE-00    the invoice breaks rules (each finding has its own KP-RULE code)
│   ├── OrderConflict            KP-ORDER-01   same order key, other content
│   ├── OrderNotCancellable      KP-ORDER-02   it has a number already
│   ├── OrderCancelled           KP-ORDER-03   this order was cancelled before it got a number
│   ├── OrderNotReplaceable      KP-ORDER-05   it is not finally refused or expired
│   ├── OrderAmbiguous           KP-ORDER-04   several taxpayers have an order of this key
│   ├── RepairRefused            KP-REPAIR-01  a precondition of a repair does not hold
│   ├── MethodRefused            KP-HTTP-01    this address does not take this HTTP method
│   ├── BodyFormRefused          KP-HTTP-02    the body is not JSON in UTF-8, or it is compressed
│   ├── BodyTooSlow              KP-HTTP-03    the body did not arrive in time
│   ├── HeadTooLarge             KP-HTTP-08    the head of the request is over a limit
│   ├── CallerGone               KP-HTTP-09    the caller left before its turn came
│   ├── IdempotencyKeyReused     KP-HTTP-10    another request had this Idempotency-Key
│   └── RequestUnderWay          KP-HTTP-11    the request with this Idempotency-Key is not answered yet
├── TooManyRequests              KP-HTTP-04…   over the rate of a caller, or all places are taken
│   └── Overloaded               KP-HTTP-06    the queue of orders is full, or its wait too long
├── DoorFull                     KP-HTTP-07    no connection is free
├── AccessRefused                KP-ACCESS-01…  who are you
│   └── PermissionMissing        KP-ACCESS-03   may you do this
├── NotFound                     KP-FIND-01
├── MonthNotReady                KP-MONTH-01
├── CannotIssue                  nothing stored; says what unlocks it
│   ├── NumbersExhausted         KP-ISSUE-01
│   ├── QuotaExhausted           KP-ISSUE-02
│   ├── QuotaNotValid            KP-ISSUE-07   its validity is over before the month is
│   ├── NotQualified             KP-ISSUE-03   risk, status (business rule 4.7)
│   ├── ClockUnsound             KP-ISSUE-04   the clock runs backwards or leads the bureau's
│   ├── ChannelCannotCarry       KP-ISSUE-06   it could never be uploaded (special elements)
│   ├── BudgetEnded              KP-ISSUE-08   a contingency budget has ended: 48 h, the 13th, a limit of the table
│   ├── Halted                   KP-ISSUE-09   issuing is halted: by an operator, or its own fault
│   └── Stopping                 KP-ISSUE-05   the platform is shutting down
├── OutcomeUnknown               KP-LEDGER-01  the commit's fate is not known yet; same order key is safe
├── LedgerFault                  KP-LEDGER-02…  the durable truth cannot be read or written
│   ├── DirectoryInUse           KP-LEDGER-03   another process has the data directory
│   ├── BooksContradicted        KP-LEDGER-04   what the far side answered contradicts our books
│   ├── LedgerDamaged            KP-LEDGER-05   the database file is not sound
│   ├── LedgerBusy               KP-LEDGER-06   somebody holds what it needs; nothing was stored
│   ├── ReplicaUnfit             KP-LEDGER-07   a server to read lists from that is no standby of ours
│   └── ReplicaBehind            KP-LEDGER-08   the standby is later than it may be
├── SealFault                    KP-SEAL-01    keys, certificates, signatures
│   ├── Sm2Missing               KP-SEAL-02    no library on this machine offers SM2
│   ├── KeyMalformed             KP-SEAL-03    a key, point or certificate cannot be read or is unsound
│   ├── CipherTextMalformed      KP-SEAL-04    SM4: wrong length or padding
│   ├── KeyUnknown               KP-SEAL-05    the key store has no such key
│   ├── KeyFileDamaged           KP-SEAL-06    truncated, altered or exchanged
│   ├── WrongKek                 KP-SEAL-07    the key file is under another key-encryption key
│   ├── KekRefused               KP-SEAL-08    the key-encryption key itself is unsafe or unreadable
│   ├── KeyStoreUnusable         KP-SEAL-09    the directory cannot be read or written
│   ├── SealFileMalformed        KP-SEAL-10    a detached seal file cannot be read
│   ├── MaterialUnreadable       KP-SEAL-11    what shall be imported is no key or certificate
│   ├── PasswordNeeded           KP-SEAL-12    it is encrypted
│   ├── PasswordWrong            KP-SEAL-13    or the file is damaged
│   ├── KeyUnsuitable            KP-SEAL-14    sound, but not good for that use
│   └── KeyAlreadyThere          KP-SEAL-15    the key store has it
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


class FieldsRefused(InputRefused):
    """Fields are missing, unknown or not of their form. `facts["fields"]` lists them: path, zh, en; never a value."""

    code = "KP-INPUT-04"
    title = Text("字段有误", "Fields are wrong")


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


class OrderNotCancellable(InputRefused):
    """Only what was accepted and has no number yet can be cancelled. `facts`: `number`, `state`."""

    code = "KP-ORDER-02"
    title = Text("订单已有发票号码，不能撤销", "The order has its invoice number and cannot be cancelled")
    next_step = Text(
        "已开发票不能撤销；须更正或冲销时请走红字流程。",
        "An issued invoice cannot be cancelled; correct or reverse it by a red letter.",
    )
    resend = Resend.NO
    status = 409


class OrderCancelled(InputRefused):
    """The order was accepted and cancelled before it got a number. Its key stays taken."""

    code = "KP-ORDER-03"
    title = Text("订单已撤销，未开票", "The order was cancelled, no invoice was issued")
    next_step = Text(
        "若仍要开票，请换一个新的订单号发送。",
        "If it is to be invoiced after all, send it under a new order key.",
    )
    resend = Resend.NO
    status = 409


class OrderNotReplaceable(InputRefused):
    """Only what is finally not held by the bureau gets a successor. `facts`: `number`, `state`."""

    code = "KP-ORDER-05"
    title = Text("这张发票现在不能由后继发票替换", "This invoice cannot be replaced by a successor now")
    next_step = Text(
        "只有终局被拒或逾期、且没有任何一份可能仍在途的发票可以替换：见 kaipiao repair show。",
        "Only what was finally refused or is expired, with no copy that may still arrive, can be: see `kaipiao repair show`.",
    )
    resend = Resend.AFTER_CHANGE
    status = 409


class RepairRefused(InputRefused):
    """A precondition of the tool does not hold. `facts`: `tool`, `number`, `state`. Nothing was changed."""

    code = "KP-REPAIR-01"
    title = Text("现在不能这样修复", "This cannot be mended so now")
    next_step = Text(
        "原因见 detail；kaipiao repair show 说明此刻哪些工具可用。",
        "The detail says why; `kaipiao repair show` says which tools are possible now.",
    )
    resend = Resend.AFTER_CHANGE
    status = 409


class OrderAmbiguous(InputRefused):
    """Several taxpayers of the caller have an order of this key. Nothing was done."""

    code = "KP-ORDER-04"
    title = Text("几个纳税人都有这个订单号", "Several taxpayers have an order of this key")
    next_step = Text("请用参数 taxpayer 指明纳税人。", "Name the taxpayer by the parameter `taxpayer`.")
    status = 409


class MethodRefused(InputRefused):
    """This address exists, but it does not take this HTTP method."""

    code = "KP-HTTP-01"
    title = Text("不支持这种请求方法", "This method is not supported")
    next_step = Text("请改用 Allow 头列出的方法。", "Use a method that the header Allow lists.")
    status = 405


class BodyFormRefused(InputRefused):
    """The body claims a form that is not accepted: not JSON, not UTF-8, or compressed."""

    code = "KP-HTTP-02"
    title = Text("不接受这种格式的请求体", "This form of body is not accepted")
    next_step = Text(
        "请以 Content-Type: application/json 发送不压缩的 UTF-8 JSON。",
        "Send plain JSON in UTF-8 with Content-Type: application/json.",
    )
    status = 415


class BodyTooSlow(InputRefused):
    """The body did not arrive in time. Nothing was stored."""

    code = "KP-HTTP-03"
    title = Text("请求体未按时到达", "The body did not arrive in time")
    next_step = Text("请用同一订单号重新发送。", "Send it again with the same order key.")
    resend = Resend.SAFE
    status = 408


class HeadTooLarge(InputRefused):
    """Request line and headers together are over a limit of bytes or count. The connection is closed."""

    code = "KP-HTTP-08"
    title = Text("请求头超出上限", "The head of the request is over a limit")
    next_step = Text("请缩短地址与请求头。", "Send a shorter address and fewer headers.")
    status = 431


class CallerGone(InputRefused):
    """The caller closed its connection while its order waited for its turn. Nothing was stored; nobody reads this answer."""

    code = "KP-HTTP-09"
    title = Text("调用方在轮到之前断开", "The caller left before its turn came")
    next_step = Text("请用同一订单号重新发送。", "Send it again with the same order key.")
    resend = Resend.SAFE
    status = 400


class IdempotencyKeyReused(InputRefused):
    """Another request of the same subject had this Idempotency-Key. Nothing was done."""

    code = "KP-HTTP-10"
    title = Text("这个 Idempotency-Key 已用于另一个请求", "This Idempotency-Key was used for another request")
    next_step = Text("新的请求请换一个键。", "Use a new key for a new request.")
    resend = Resend.NO


class RequestUnderWay(InputRefused):
    """The request with this Idempotency-Key is not answered yet. `facts["retry_after"]`: whole seconds to wait."""

    code = "KP-HTTP-11"
    title = Text("同一请求正在处理", "The same request is under way")
    next_step = Text("请按 Retry-After 稍后重发。", "Send it again after the time in Retry-After.")
    resend = Resend.SAFE
    status = 409


class TooManyRequests(KaipiaoError):
    """Over the rate that a caller is given, or all places are taken. `facts["retry_after"]`: whole seconds to wait."""

    code = "KP-HTTP-04"
    title = Text("请求过于频繁", "Too many requests")
    next_step = Text("请按 Retry-After 稍后重发。", "Send it again after the time in Retry-After.")
    resend = Resend.SAFE
    status = 429


class Overloaded(TooManyRequests):
    """More orders wait than may. Nothing was stored. `facts["reason"]`: `queue` (it is full and yours is the longest part of
    it), `bytes` (the bodies held are), `wait` (your turn would come too late or did not come), `batches` (so many are under
    way)."""

    code = "KP-HTTP-06"
    title = Text("排队的订单过多", "Too many orders are waiting")
    next_step = Text(
        "请按 Retry-After 稍后用同一订单号重发。",
        "Send it again with the same order key after the time in Retry-After.",
    )


class DoorFull(KaipiaoError):
    """No connection is free: of this server, or of one source's share."""

    code = "KP-HTTP-07"
    title = Text("连接数已满", "All connections are taken")
    next_step = Text(
        "请按 Retry-After 稍后重连，并沿用已有的连接。",
        "Connect again after the time in Retry-After, and keep connections open.",
    )
    resend = Resend.SAFE
    status = 503


class AccessRefused(KaipiaoError):
    """Who are you, and may you do this?"""

    code = "KP-ACCESS-01"
    title = Text("未登录或令牌无效", "No token, or the token is not valid")
    next_step = Text("请用 kaipiao token 生成新令牌。", "Make a new token with `kaipiao token`.")
    resend = Resend.AFTER_CHANGE
    status = 401


class PermissionMissing(AccessRefused):
    code = "KP-ACCESS-03"
    title = Text("令牌没有这项权限", "The token lacks this permission")
    next_step = Text("请用具备相应角色的令牌。", "Use a token whose role has it.")
    status = 403


class NotFound(KaipiaoError):
    code = "KP-FIND-01"
    title = Text("没有找到", "Not found")
    next_step = Text("请核对号码或订单号。", "Check the number or the order key.")
    resend = Resend.SAFE
    status = 404


class MonthNotReady(KaipiaoError):
    """A month cannot be confirmed (or opened again) now. Nothing was sent. `facts["fields"]`: everything that stands in the way."""

    code = "KP-MONTH-01"
    title = Text("月份现在不能确认或取消确认", "The month cannot be confirmed or opened again now")
    next_step = Text(
        "逐项处理 fields 所列：kaipiao month 显示两边的数字，kaipiao reconcile 重新核对。",
        "Settle what `fields` lists: `kaipiao month` shows both sides, `kaipiao reconcile` compares them again.",
    )
    resend = Resend.AFTER_CHANGE
    status = 409


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


class QuotaNotValid(CannotIssue):
    code = "KP-ISSUE-07"
    title = Text("发票额度已过有效期", "The invoice quota is no longer valid")
    next_step = Text(
        "申报后请调整额度有效期，系统随即恢复开票。",
        "After filing, have its validity adjusted; issuing goes on by itself.",
    )


class NotQualified(CannotIssue):
    code = "KP-ISSUE-03"
    title = Text("纳税人状态不允许开票", "The taxpayer's standing does not allow issuing")
    next_step = Text("请联系主管税务机关。", "Ask the tax authority in charge.")
    resend = Resend.AFTER_CHANGE
    status = 403


class ChannelCannotCarry(CannotIssue):
    """What is asked for could be issued, but never uploaded: it is refused before a number is spent on it."""

    code = "KP-ISSUE-06"
    title = Text("所用通道不能上传这类发票", "The channel cannot upload an invoice of this sort")
    next_step = Text(
        "请去掉字段 special，或改用支持该特定要素的通道。", "Leave out `special`, or use a channel that carries it."
    )
    resend = Resend.AFTER_CHANGE
    status = 422


class ClockUnsound(CannotIssue):
    code = "KP-ISSUE-04"
    title = Text("系统时钟不可信", "The clock cannot be trusted")
    next_step = Text("请校准本机时钟。", "Set this machine's clock right.")


class BudgetEnded(CannotIssue):
    """A contingency budget has ended (R8). `facts`: `bound`, `unlocks` (a code of what lets issuing go on, by itself as soon as
    it is so), `unlocks_at` where that is a clock."""

    code = "KP-ISSUE-08"
    title = Text("应急预算已用完，停止开票", "A contingency budget has ended, nothing is issued")
    next_step = Text(
        "请按 unlocks 处理；条件恢复后自动继续，届时用同一订单号重发，或现在以 Prefer: respond-async 受理。",
        "See `unlocks`; issuing goes on by itself. Send the same order key again then, or have the order accepted now with "
        "Prefer: respond-async.",
    )


class Halted(CannotIssue):
    """Issuing is halted. `facts`: `cause`, `since`, `reason` as the operator gave it, `unlocks`."""

    code = "KP-ISSUE-09"
    title = Text("开票已被暂停", "Issuing is halted")
    next_step = Text(
        "请联系操作员；解除（kaipiao mode --set auto）后用同一订单号重发。",
        "Ask the operator; after the release (kaipiao mode --set auto) send the same order key again.",
    )


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


class BooksContradicted(LedgerFault):
    """An answer from outside contradicts what the ledger holds (an overlapping segment, a number twice). Nothing stored."""

    code = "KP-LEDGER-04"
    title = Text("外部答复与账本矛盾", "An answer contradicts the ledger")
    next_step = Text("请人工核对后再继续。", "A person must compare both sides before this goes on.")
    resend = Resend.NO


class LedgerDamaged(LedgerFault):
    """The database file is not sound. Nothing is repaired silently."""

    code = "KP-LEDGER-05"
    title = Text("账本文件已损坏", "The ledger's file is damaged")
    next_step = Text(
        "请停止服务，保留原文件，从备份恢复。",
        "Stop the server, keep the file as it is, restore from a backup.",
    )
    resend = Resend.SAME_KEY


class LedgerBusy(LedgerFault):
    """A lock was not granted in time. Nothing was stored."""

    code = "KP-LEDGER-06"
    title = Text("账本繁忙：等锁超时，未写入", "The ledger is busy: a lock was not granted in time, nothing was stored")
    next_step = Text(
        "稍后用同一订单号再次发送；若持续发生，请在 pg_stat_activity 中查找长时间未结束的事务。",
        "Send the same order key again later; if it goes on, look in pg_stat_activity for a transaction that does not end.",
    )


class ReplicaUnfit(LedgerFault):
    """The server of `database.replica_url_file` is not a standby of the primary; it is not read. `facts`: `reason`."""

    code = "KP-LEDGER-07"
    title = Text("副本不是本账本的备库", "The replica is no standby of this ledger")
    next_step = Text(
        "请让 database.replica_url_file 指向主库的热备库；在此之前一切照旧由主库应答。",
        "Let database.replica_url_file name a hot standby of the primary; until then the primary answers everything.",
    )


class ReplicaBehind(LedgerFault):
    """The standby has not replayed in time what the primary had. `facts`: `lag_ms`."""

    code = "KP-LEDGER-08"
    title = Text("副本落后过多", "The replica is too far behind")
    next_step = Text(
        "查看备库的 pg_stat_wal_receiver 与负载；在此之前由主库应答。",
        "Look at pg_stat_wal_receiver and the load of the standby; until then the primary answers.",
    )


class SealFault(KaipiaoError):
    """Keys, certificates, signatures."""

    code = "KP-SEAL-01"
    title = Text("签章不可用", "The seal is not available")
    next_step = Text("请检查密钥库与证书。", "Check the key store and the certificates.")
    status = 503


class Sm2Missing(SealFault):
    """No library on this machine offers SM2."""

    code = "KP-SEAL-02"
    title = Text("本机没有可用的 SM2 密码库", "No library on this machine offers SM2")
    next_step = Text(
        "请安装带 SM2 的 OpenSSL 3（libcrypto）或用 KAIPIAO_LIBCRYPTO 指定其路径；也可执行 pip install gmssl-pyx。",
        "Install OpenSSL 3 (libcrypto) with SM2, or name its path in KAIPIAO_LIBCRYPTO; or run pip install gmssl-pyx.",
    )


class KeyMalformed(SealFault):
    """A key, a point or a certificate cannot be read, or it is not sound. The text never shows its content."""

    code = "KP-SEAL-03"
    title = Text("密钥或证书无法读取", "The key or certificate cannot be read")
    next_step = Text("请提供完好的 SM2 密钥或证书。", "Give a sound SM2 key or certificate.")
    resend = Resend.AFTER_CHANGE


class CipherTextMalformed(SealFault):
    """SM4: a wrong length of key or data, or broken padding."""

    code = "KP-SEAL-04"
    title = Text("SM4 密文无法解密", "The SM4 cipher text cannot be decrypted")
    next_step = Text("请核对两端的 SM4 密钥。", "Compare the SM4 keys of both sides.")


class KeyUnknown(SealFault):
    code = "KP-SEAL-05"
    title = Text("密钥库中没有这把密钥", "The key store has no such key")
    next_step = Text(
        "请核对密钥编号，或从备份恢复密钥文件。", "Check the key id, or restore the key file from a backup."
    )


class KeyFileDamaged(SealFault):
    """A key file is truncated, was altered, or lies under another key's name. It is left as it is."""

    code = "KP-SEAL-06"
    title = Text("密钥文件损坏或被改动", "The key file is damaged or was altered")
    next_step = Text(
        "文件保持原样；请从备份恢复。",
        "The file was left as it is; restore it from a backup.",
    )


class WrongKek(SealFault):
    """The key file was encrypted under another key-encryption key. It is left as it is."""

    code = "KP-SEAL-07"
    title = Text("主密钥不匹配", "The key-encryption key does not fit")
    next_step = Text(
        "文件保持原样；请提供加密它的主密钥。",
        "The file was left as it is; give the key-encryption key that it was encrypted under.",
    )


class KekRefused(SealFault):
    """The key-encryption key is readable by others, of the wrong length, or cannot be read."""

    code = "KP-SEAL-08"
    title = Text("主密钥不可用", "The key-encryption key cannot be used")
    next_step = Text(
        "主密钥文件须为 64 位十六进制，仅属主可读（chmod 600）。",
        "Its file must hold 64 hex digits and be readable by its owner alone (chmod 600).",
    )


class KeyStoreUnusable(SealFault):
    code = "KP-SEAL-09"
    title = Text("密钥库目录无法读写", "The key store's directory cannot be read or written")
    next_step = Text("请检查磁盘空间与目录权限。", "Check disk space and the directory's permissions.")


class SealFileMalformed(SealFault):
    code = "KP-SEAL-10"
    title = Text("签章文件无法读取", "The seal file cannot be read")
    next_step = Text("请提供由本系统写出的签章文件。", "Give a seal file that this system wrote.")
    resend = Resend.AFTER_CHANGE


class MaterialUnreadable(SealFault):
    """Not a key, certificate, PKCS#12, PKCS#7 or seal in a form that is known here."""

    code = "KP-SEAL-11"
    title = Text("无法识别密钥或证书文件", "The file is no key or certificate that can be read here")
    next_step = Text(
        "请提供 PKCS#8、SEC1、PKCS#12、PKCS#7、X.509 或 .esl 文件（PEM 或 DER）。",
        "Give PKCS#8, SEC1, PKCS#12, PKCS#7, X.509 or .esl (PEM or DER).",
    )
    resend = Resend.AFTER_CHANGE


class PasswordNeeded(SealFault):
    """Of material to be imported."""

    code = "KP-SEAL-12"
    title = Text("文件已加密，需要口令", "The file is encrypted: its password is needed")
    next_step = Text(
        "用 --password-file、环境变量 KAIPIAO_IMPORT_PASSWORD，或在终端中输入。",
        "Give it by --password-file, in KAIPIAO_IMPORT_PASSWORD, or at the prompt of a terminal.",
    )
    resend = Resend.AFTER_CHANGE


class PasswordWrong(SealFault):
    """Another password, or altered bytes: most of these formats do not tell which."""

    code = "KP-SEAL-13"
    title = Text("口令不对，或文件已损坏", "The password is wrong, or the file is damaged")
    next_step = Text("请核对口令与文件。", "Check the password and the file.")
    resend = Resend.AFTER_CHANGE


class KeyUnsuitable(SealFault):
    """The material is sound, but not good for what it shall be used for. Nothing was stored."""

    code = "KP-SEAL-14"
    title = Text("密钥不适合这个用途", "The key is not good for this purpose")
    next_step = Text("用 kaipiao keys import --dry-run 查看原因。", "See why with `kaipiao keys import --dry-run`.")
    resend = Resend.AFTER_CHANGE


class KeyAlreadyThere(SealFault):
    """The same key is in the store; nothing was written over."""

    code = "KP-SEAL-15"
    title = Text("密钥库中已有这把密钥", "The key store has this key already")
    next_step = Text("用 kaipiao keys list 查看。", "See `kaipiao keys list`.")
    resend = Resend.NO


class SettingsFault(KaipiaoError):
    code = "KP-SETTINGS-01"
    title = Text("设置有误", "A setting is wrong")
    next_step = Text("请修改 kaipiao.toml。", "Correct kaipiao.toml.")
    resend = Resend.AFTER_CHANGE
    exit_code = 64

"""What a change makes of an invoice: pure functions that every adapter shares, so that all of them obey one lifecycle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from kaipiao.errors import Internal
from kaipiao.invoice.lifecycle import State, allowed
from kaipiao.language import Text
from kaipiao.ledger.port import ADVANCE_COLUMNS, Admission, Advance, EventDraft, InvoiceRecord, UploadEnd
from kaipiao.ledger.trail import check_data, microseconds

_MOST = Decimal(10) ** 16  # more than any sum of money here, and its cents fit 63 bits
_TEXT: tuple[type, ...] = (str, type(None))
_INSTANT: tuple[type, ...] = (datetime, type(None))
# What kind of value an advance may set a column to; text where it does not say.
_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("next_at", "deadline", "submitted_at", "sent_at", "accepted_at", "unknown_since"), _INSTANT),
    **dict.fromkeys(("denials", "late_denials", "alarmed"), (int,)),
    **dict.fromkeys(("doubt", "refused", "alone"), (bool,)),
}
# States from which a successor may follow (rule R14).
REPLACEABLE = frozenset({State.REJECTED, State.EXPIRED})
# The cause of an outcome that somebody else gave to a call whose sender was gone. It may only have slept.
ABANDONED = "process.died"


def defect(zh: str, en: str, **facts: object) -> Internal:
    """A defect of the caller, told in both languages."""
    return Internal(Text(zh, en), code=None, **facts)


def cents(amount: Decimal) -> int:
    """Money as whole cents (分). Refuses what is not a finite amount of at most two decimals."""
    if not amount.is_finite() or abs(amount) > _MOST:
        raise defect("金额不是有限数或过大", "An amount is not finite or too large")
    whole = int(amount * 100)
    if whole != amount * 100:
        raise defect("金额超出分", "An amount has more than two decimals")
    return whole


def money(stored: int) -> Decimal:
    """The amount, with two decimals, of whole cents."""
    return Decimal(stored).scaleb(-2)


def exact(amount: Decimal) -> Decimal:
    """The same amount with exactly two decimals."""
    return money(cents(amount))


def positive(amount: Decimal) -> Decimal:
    """An amount of quota: two decimals, not negative."""
    if (checked := exact(amount)) < 0:
        raise defect("额度为负", "An amount of quota is negative")
    return checked


def check_admission(admission: Admission) -> None:
    """Refuse, as a defect, an admission that no rule of the ledger could make sense of."""
    numbered = (admission.number is not None, admission.block is not None, admission.epoch is not None)
    if admission.state is State.ISSUED and not all(numbered):
        raise defect("已开具但缺少号码或号段", "Issued without number, block and epoch", id=admission.id)
    if admission.state is State.ACCEPTED and any(numbered):
        raise defect("已受理却带有号码", "Accepted with a number", id=admission.id)
    if admission.state is State.ACCEPTED and (admission.quota or admission.document is not None):
        raise defect("已受理却占用额度或已签名", "Accepted with quota or document", id=admission.id)
    if admission.state not in (State.ISSUED, State.ACCEPTED):
        raise defect("入账状态不合法", f"An invoice cannot begin as {admission.state}", id=admission.id)
    if not 0 < admission.id < 2**63:
        raise defect("标识超出范围", "An id is not of 63 bits", id=admission.id)
    if admission.number is not None:
        check_number(admission.number)
    positive(admission.quota)
    for amount in (admission.amount, admission.tax, admission.total):
        cents(amount)
    for instant in (admission.made_at, admission.next_at, admission.deadline):
        if instant is not None:
            microseconds(instant)
    check_event(admission_event(admission))


def check_event(event: EventDraft) -> None:
    """Refuse what could not be chained."""
    check_data(event.data)
    microseconds(event.at)


def is_number(text: str) -> bool:
    """A number is 20 ASCII digits."""
    return len(text) == 20 and text.isascii() and text.isdigit()


def check_number(number: str) -> None:
    if not is_number(number):
        raise defect("发票号码不是20位数字", "An invoice number is not 20 digits")


def admitted(admission: Admission) -> InvoiceRecord:
    """The invoice as it stands right after it was admitted."""
    return InvoiceRecord(
        id=admission.id, taxpayer=admission.taxpayer, order=admission.order, channel=admission.channel,
        kind=admission.kind, number=admission.number, state=admission.state, version=1,
        amount=exact(admission.amount), tax=exact(admission.tax), total=exact(admission.total),
        made_at=admission.made_at, sent_at=None, accepted_at=None, month=admission.month,
        content=admission.content, content_digest=admission.content_digest,
        next_at=admission.next_at, deadline=admission.deadline, submission=None, submitted_at=None,
        unknown_since=None, denials=0, late_denials=0, tries=0, doubt=False, refused=False, alone=False, alarmed=0,
        provenance=None, problem_code=None, problem=None, replaces=admission.replaces,
    )  # fmt: skip


def admission_event(admission: Admission, kind: str | None = None) -> EventDraft:
    """The event of an admission; made here when the caller gave none, because no change goes without one."""
    if admission.event is not None:
        return admission.event
    data: dict[str, str | int | bool | None] = {"id": admission.id, "number": admission.number}
    return EventDraft(kind or str(admission.state), admission.made_at, admission.taxpayer, admission.order, data)


def numbers(admission: Admission, live: InvoiceRecord) -> bool:
    """Whether this admission gives the order its number, which was accepted before under this very id."""
    return live.id == admission.id and live.state is State.ACCEPTED and admission.number is not None


def numbered(record: InvoiceRecord, admission: Admission) -> InvoiceRecord:
    """The accepted order as its numbering makes it."""
    return replace(
        record, state=State.ISSUED, version=record.version + 1, number=admission.number, channel=admission.channel,
        amount=exact(admission.amount), tax=exact(admission.tax), total=exact(admission.total),
        made_at=admission.made_at, month=admission.month, next_at=admission.next_at, deadline=admission.deadline,
        problem_code=None, problem=None,
    )  # fmt: skip


def numbering_event(admission: Admission) -> EventDraft:
    return admission_event(admission, "numbered")


def check_same_content(admission: Admission, known: InvoiceRecord) -> None:
    """An id stands for one content, whatever has become of it: anything else would number what nobody asked for."""
    same = (known.content_digest, known.content) == (admission.content_digest, admission.content)
    if known.id == admission.id and not same:
        raise defect("同一标识内容不同", "An id is used again for other content", id=admission.id)


def claimed(record: InvoiceRecord) -> InvoiceRecord:
    """The invoice as the uploader's claim makes it."""
    return replace(
        record, state=State.UPLOADING, version=record.version + 1, tries=record.tries + 1, denials=0, late_denials=0
    )


def may_succeed(admission: Admission, live: InvoiceRecord, under_way: Callable[[InvoiceRecord], bool]) -> bool:
    """R14: a successor of the live invoice, which was finally refused and has no sender that may still send it: each has an
    outcome of its own, or the time in which the bureau takes the invoice is over. `under_way`: whether one has not."""
    if admission.replaces != live.id or live.state not in REPLACEABLE:
        return False
    return live.state is State.EXPIRED or admission.window_closed or not under_way(live)


def gives_back(admission: Admission, live: InvoiceRecord) -> bool:
    """Whether what the predecessor took of the quota can be given back: to the account that the successor takes from."""
    return (admission.channel, admission.month) == (live.channel, live.month)


def nothing_to_replace(admission: Admission) -> Internal:
    return defect("没有可替换的发票", "There is no invoice of this order to replace", id=admission.id)


def replaced(record: InvoiceRecord) -> InvoiceRecord:
    """The predecessor as its successor's admission makes it: never sent again."""
    return replace(record, state=State.REPLACED, version=record.version + 1, next_at=None)


def replaced_event(record: InvoiceRecord, successor: Admission, released: Decimal) -> EventDraft:
    """`released`: what the predecessor gave back of the month's quota."""
    data: dict[str, str | int | bool | None] = {
        "id": record.id, "number": record.number, "successor": successor.id, "successor_number": successor.number,
        "released": f"{released:.2f}",
    }  # fmt: skip
    return EventDraft("state.replaced", successor.made_at, record.taxpayer, record.order, data)


def check_advance(state: State, number: str | None, advance: Advance) -> None:
    """Raise `Internal` for a change that the lifecycle or the kinds of the columns do not allow."""
    if advance.to is not state and not allowed(state, advance.to):
        raise defect("状态迁移不合法", f"{state} may not become {advance.to}", id=advance.id)
    if advance.to is State.REPLACED and state is not State.REPLACED:  # of one that is, more may become known
        raise defect("须由后继发票替换", "Only the admission of a successor replaces an invoice", id=advance.id)
    for column, value in advance.changes.items():
        if column not in ADVANCE_COLUMNS or not isinstance(value, _KINDS.get(column, _TEXT)):
            raise defect("字段不可修改或类型错误", f"An advance may not set {column} so", id=advance.id)
        if isinstance(value, datetime):
            microseconds(value)
    given = advance.changes.get("number", number)
    if number is not None and given != number:
        raise defect("号码不可更改", "The number of an invoice never changes", id=advance.id)
    if isinstance(given, str):
        check_number(given)
    if advance.event is not None:
        check_event(advance.event)
    elif advance.to is not state or advance.changes.keys() - {"next_at"}:
        raise defect("变更须有事件", "A change needs its event", id=advance.id)


def advanced(record: InvoiceRecord, advance: Advance) -> InvoiceRecord:
    """The invoice after this change, whose version holds."""
    check_advance(record.state, record.number, advance)
    return replace(record, state=advance.to, version=record.version + 1, **advance.changes)  # type: ignore[arg-type]


def upload_begun_event(record: InvoiceRecord, upload: int, wire_id: str, node: str, now: datetime) -> EventDraft:
    """`record` as claimed."""
    data: dict[str, str | int | bool | None] = {
        "id": record.id, "upload": upload, "wire_id": wire_id, "node": node, "tries": record.tries,
    }  # fmt: skip
    return EventDraft("upload.begun", now, record.taxpayer, record.order, data)


def upload_ended_event(end: UploadEnd) -> EventDraft:
    """The end of a wire call as a whole; what it meant for each invoice is in the events of the advances."""
    data: dict[str, str | int | bool | None] = {
        "upload": end.id, "phase": end.phase, "bytes_sent": end.bytes_sent, "outcome": end.outcome,
        "cause": end.cause, "submission": end.submission,
    }  # fmt: skip
    return EventDraft("upload.ended", end.ended_at, end.taxpayer, None, data)


def alarm_step(record: InvoiceRecord, now: datetime) -> int:
    """R5: 80 or 50 when so many per cent of the way from `unknown_since` to `deadline` are over, else 0."""
    if record.unknown_since is None or record.deadline is None:
        return 0
    gone, way = now - record.unknown_since, record.deadline - record.unknown_since
    return 80 if gone * 100 >= way * 80 else 50 if gone * 100 >= way * 50 else 0

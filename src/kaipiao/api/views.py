"""Records as the API shows them. Money as strings with two decimals, instants as RFC 3339 in Asia/Shanghai."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from kaipiao.clock import SHANGHAI
from kaipiao.invoice.lifecycle import State
from kaipiao.invoice.notice import notice_of
from kaipiao.issuing.issuer import Issued
from kaipiao.ledger.audit import TrailReport, WriterReport
from kaipiao.ledger.port import Event, InvoiceRecord

NOTICE = "尚未上传或已被替换时的提示，否则 null / while it is not uploaded yet, or once it is replaced; else null"


class SealView(BaseModel):
    algorithm: str = Field(examples=["SM2-SM3"])
    key_id: str
    digest: str = Field(description="SM3 of the XML bytes, hex / XML 字节的 SM3，十六进制")
    value: str = Field(description="DER(r, s), hex / 签名值，十六进制")


class IssuedView(BaseModel):
    """The answer to a sale. The same order key gets the same answer, always."""

    order: str
    number: str | None = Field(description="20 digits / 发票号码", examples=["26442000000000000001"])
    kind: str
    amount: str
    tax: str
    total: str
    made_at: str
    seal: SealView
    links: dict[str, str]


class InvoiceView(BaseModel):
    """An invoice as it stands now: made, sent and accepted are three stamps. `problem_code` and `problem` (in both
    languages): why it is not confirmed yet; the platform's own codes are listed in docs/reference/problem-codes.md."""

    order: str
    number: str | None
    taxpayer: str
    kind: str
    state: str
    amount: str
    tax: str
    total: str
    channel: str
    made_at: str
    sent_at: str | None
    accepted_at: str | None
    deadline: str | None
    provenance: str | None
    problem_code: str | None
    problem: str | None
    notice: str | None = Field(description=NOTICE)
    replaces: str | None = Field(
        default=None, description="它替换的发票号码 / the number of the invoice that it replaces"
    )
    replaced_by: str | None = Field(default=None, description="替换它的发票号码 / the number of its successor")
    id: str


class EventView(BaseModel):
    position: int
    writer: str
    sequence: int
    kind: str
    at: str
    taxpayer: str | None
    order: str | None
    data: dict[str, str | int | bool | None]
    hash: str


class ReadinessView(BaseModel):
    """`reasons`: stable codes of what is missing."""

    status: Literal["ready", "not_ready"]
    reasons: list[str]


class SellerStatusView(BaseModel):
    """`cover_hours`: how long this taxpayer can go on issuing with nobody answering; `cover_bound` is what ends it."""

    taxpayer: str
    states: dict[str, int]
    cover_hours: float
    cover_bound: str
    cover_bounds: dict[str, float | None]
    rate_per_hour: int
    rate_source: Literal["four_weeks", "last_hour"] = Field(
        description="四周同时段的 90 百分位，或最近一小时 / 90th percentile of this hour over four weeks, or the last hour"
    )
    rate_samples: int
    quota_per_hour: str
    numbers_left: int
    quota_left: str


class DoorView(BaseModel):
    """Orders that wait for their turn and that are worked on, most at this moment, and batches under way."""

    waiting: int
    under_way: int
    limit: int
    batches: int


class StatusView(BaseModel):
    environment: str
    node: str
    version: str
    ready: bool
    reasons: list[str]
    door: DoorView
    taxpayers: list[SellerStatusView]


class BreakView(BaseModel):
    """The first event that does not hold."""

    kind: str
    sequence: int
    position: int | None


class WriterView(BaseModel):
    """`uncovered`: first and last event that no signed head covers yet."""

    writer: str
    events: int
    covered: int
    uncovered: list[int] | None
    first_break: BreakView | None
    bad_heads: list[int]


class AuditView(BaseModel):
    sound: bool
    events: int
    writers: list[WriterView]


def stamp(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(SHANGHAI).isoformat(timespec="milliseconds")


def _notice(state: State) -> str | None:
    found = notice_of(state)
    return None if found is None else found.both


def issued_view(issued: Issued) -> IssuedView:
    record, document = issued.record, issued.document
    link = f"/v1/invoices/{record.number}"
    return IssuedView(
        order=record.order,
        number=record.number,
        kind=record.kind,
        amount=f"{record.amount:.2f}",
        tax=f"{record.tax:.2f}",
        total=f"{record.total:.2f}",
        made_at=stamp(record.made_at) or "",
        seal=SealView(
            algorithm=document.algorithm,
            key_id=document.key_id,
            digest=document.digest.hex(),
            value=document.seal.hex(),
        ),
        links={"self": link, "document": f"{link}/document", "seal": f"{link}/seal", "events": f"{link}/events"},
    )


def invoice_view(record: InvoiceRecord) -> InvoiceView:
    return InvoiceView(
        order=record.order,
        number=record.number,
        taxpayer=record.taxpayer,
        kind=record.kind,
        state=record.state.value,
        amount=f"{record.amount:.2f}",
        tax=f"{record.tax:.2f}",
        total=f"{record.total:.2f}",
        channel=record.channel,
        made_at=stamp(record.made_at) or "",
        sent_at=stamp(record.sent_at),
        accepted_at=stamp(record.accepted_at),
        deadline=stamp(record.deadline),
        provenance=record.provenance,
        problem_code=record.problem_code,
        problem=record.problem,
        notice=_notice(record.state),
        id=str(record.id),
    )


def event_view(event: Event) -> EventView:
    return EventView(
        position=event.position,
        writer=event.writer,
        sequence=event.sequence,
        kind=event.kind,
        at=stamp(event.at) or "",
        taxpayer=event.taxpayer,
        order=event.subject,
        data=dict(event.data),
        hash=event.hash.hex(),
    )


def audit_view(report: TrailReport) -> dict[str, object]:
    """`first_break` names the first event that does not hold; `uncovered` the events that no signed head covers yet."""
    return {
        "sound": report.sound,
        "events": report.events,
        "writers": [_writer_view(writer) for writer in report.writers],
    }


def _writer_view(writer: WriterReport) -> dict[str, object]:
    fault = writer.first_break
    return {
        "writer": writer.writer,
        "events": writer.events,
        "covered": writer.covered,
        "uncovered": list(writer.uncovered) if writer.uncovered else None,
        "first_break": None
        if fault is None
        else {"kind": fault.kind.value, "sequence": fault.sequence, "position": fault.position},
        "bad_heads": [head.sequence for head in writer.bad_heads],
    }

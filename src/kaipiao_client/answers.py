"""What comes back, typed. Money and quantities are `Decimal`, instants are aware. Fields that are new are not lost: `raw`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from kaipiao_client.errors import Problem, stated

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Issued:
    """An invoice that was issued. `replayed`: the order was known, this is the answer that it got before. `number` is None
    for an order that was accepted to be numbered later."""

    order: str
    number: str | None
    kind: str
    amount: Decimal
    tax: Decimal
    total: Decimal
    made_at: datetime
    replayed: bool
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def of(cls, body: Json, *, replayed: bool) -> Issued:
        money = (Decimal(body["amount"]), Decimal(body["tax"]), Decimal(body["total"]))
        made_at = datetime.fromisoformat(body["made_at"])
        return cls(body["order"], body.get("number"), body["kind"], *money, made_at, replayed, body)


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """The answer to one sale of a batch: `issued`, `accepted` (stored, to be numbered later) or `problem`. `position` counts
    the sales from 1."""

    position: int
    order: str | None
    issued: Issued | None
    problem: Problem | None
    accepted: Invoice | None = None

    @classmethod
    def of(cls, position: int, body: Json) -> BatchAnswer:
        status = int(body["status"])
        if "problem" in body:
            return cls(position, body.get("order"), None, stated(status, body["problem"]))
        if "accepted" in body:
            return cls(position, body["order"], None, None, Invoice.of(body["accepted"]))
        return cls(position, body["order"], Issued.of(body["invoice"], replayed=status == 200), None)


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice as it stands now; `state` is confirmed when the bureau has it."""

    order: str
    number: str | None
    taxpayer: str
    kind: str
    state: str
    amount: Decimal
    tax: Decimal
    total: Decimal
    made_at: datetime
    sent_at: datetime | None
    accepted_at: datetime | None
    problem_code: str | None
    id: str
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def of(cls, body: Json) -> Invoice:
        return cls(
            order=body["order"],
            number=body["number"],
            taxpayer=body["taxpayer"],
            kind=body["kind"],
            state=body["state"],
            amount=Decimal(body["amount"]),
            tax=Decimal(body["tax"]),
            total=Decimal(body["total"]),
            made_at=datetime.fromisoformat(body["made_at"]),
            sent_at=_instant(body["sent_at"]),
            accepted_at=_instant(body["accepted_at"]),
            problem_code=body["problem_code"],
            id=body["id"],
            raw=body,
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """`stops`: it would be refused for this."""

    code: str
    path: str
    verdict: str
    stops: bool
    text: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What would come of a sale. Figures are None when it cannot be issued as it is; `lines` as they would stand."""

    order: str
    issuable: bool
    findings: tuple[Finding, ...]
    amount: Decimal | None
    tax: Decimal | None
    total: Decimal | None
    lines: tuple[Json, ...]
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def of(cls, body: Json) -> Checked:
        findings = tuple(Finding(f["code"], f["path"], f["verdict"], f["stops"], f["text"]) for f in body["findings"])
        money = (_money(body["amount"]), _money(body["tax"]), _money(body["total"]))
        return cls(body["order"], body["issuable"], findings, *money, tuple(body["lines"]), body)


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, at its position in the trail."""

    position: int
    kind: str
    at: datetime
    taxpayer: str | None
    order: str | None
    data: Json
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def of(cls, body: Json) -> Event:
        at = datetime.fromisoformat(body["at"])
        return cls(body["position"], body["kind"], at, body["taxpayer"], body["order"], body["data"], body)


@dataclass(frozen=True, slots=True)
class SellerStatus:
    """`cover_hours`: how long this seller can go on issuing with nobody answering."""

    taxpayer: str
    states: Mapping[str, int]
    cover_hours: float
    cover_bound: str
    numbers_left: int
    quota_left: Decimal


@dataclass(frozen=True, slots=True)
class Status:
    environment: str
    version: str
    ready: bool
    reasons: tuple[str, ...]
    taxpayers: tuple[SellerStatus, ...]
    raw: Json = field(repr=False, compare=False)

    @classmethod
    def of(cls, body: Json) -> Status:
        sellers = tuple(
            SellerStatus(
                s["taxpayer"],
                s["states"],
                s["cover_hours"],
                s["cover_bound"],
                s["numbers_left"],
                Decimal(s["quota_left"]),
            )
            for s in body["taxpayers"]
        )
        return cls(body["environment"], body["version"], body["ready"], tuple(body["reasons"]), sellers, body)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _money(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)

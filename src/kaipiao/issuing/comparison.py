"""Two sides' invoices and totals, compared. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from kaipiao.authority.channel import Held, ListedInvoice, MonthTotals
from kaipiao.invoice.canonical import load_invoice
from kaipiao.invoice.lifecycle import DEBT, State
from kaipiao.issuing.findings import Finding, Kind
from kaipiao.ledger.month_books import Tally
from kaipiao.ledger.port import InvoiceRecord, SealedDocument

_NOT_HELD = frozenset({State.REJECTED, State.EXPIRED, State.REPLACED, State.CANCELLED})
_MAY_BE_HELD = DEBT | {State.CONFLICT}
_FIELDS = ("blue_count", "blue_amount", "blue_tax", "red_count", "red_amount", "red_tax")

Fields = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Ours:
    """An invoice of our books with its content as a digest that is comparable with the bureau's."""

    record: InvoiceRecord
    document: SealedDocument | None
    digest: bytes


def listed(month: str, ours: Ours | None, theirs: ListedInvoice, taxpayer: str, channel: str) -> Finding | None:
    """What one entry of the bureau's list shows. None: nothing, or the invoice is still on its way with us."""
    if ours is None:
        fields = _of_list(theirs)
        return Finding(taxpayer, channel, month, Kind.MISSING_HERE, theirs.number, None, dict.fromkeys(fields), fields)
    record = ours.record
    if record.state in _NOT_HELD:
        state: Fields = {"state": str(record.state)}
        return _finding(record, month, Kind.MISSING_HERE, state, {"state": "held"})
    if record.state not in {State.CONFIRMED, State.CONFLICT}:
        return None
    if theirs.content_digest is not None and theirs.content_digest == ours.digest:
        return None
    differing = _differing(_of_ours(ours), _of_list(theirs))
    if not differing and theirs.content_digest is None:
        return None
    differing = differing or [("content", ours.digest.hex(), (theirs.content_digest or b"").hex())]
    return _pair(record, month, Kind.DIFFERENT, differing)


def asked(month: str, ours: Ours, held: Held | None) -> Finding | None:
    """What the bureau's answer about one number of ours shows, which we believe confirmed."""
    record = ours.record
    if held is None:
        return missing_there(month, record)
    if held.content_digest == ours.digest:
        return None
    told = [] if held.total.is_nan() or held.total == record.total else [held.total]
    differing = [("total", f"{record.total:.2f}", f"{total:.2f}") for total in told]
    theirs = held.content_digest.hex() or "other"  # "other": it says no more than that
    return _pair(record, month, Kind.DIFFERENT, differing or [("content", ours.digest.hex(), theirs)])


def missing_there(month: str, record: InvoiceRecord) -> Finding:
    return _finding(record, month, Kind.MISSING_THERE, {"state": str(record.state)}, {"state": None})


def stuck(month: str, record: InvoiceRecord, now: datetime, seconds: float, held: bool | None) -> Finding | None:
    """An UNKNOWN that should have been settled by now; `held`: whether the list has it, None where there is none. A conflict
    too: somebody must look at it."""
    theirs: Fields = {"state": None if held is None else "held" if held else "absent"}
    if record.state is State.CONFLICT:
        return _finding(record, month, Kind.DIFFERENT, {"state": "conflict"}, {"state": "held"})
    late = record.unknown_since is not None and record.unknown_since + timedelta(seconds=seconds) <= now
    if record.state is not State.UNKNOWN or not (late or (record.deadline is not None and record.deadline <= now)):
        return None
    return _finding(record, month, Kind.STUCK, {"state": "unknown"}, theirs)


def totals_of(tallies: list[Tally], states: Iterable[State] = (State.CONFIRMED,)) -> MonthTotals:
    """Ours of these states."""
    wanted = frozenset(states)
    blue, red = ([t for t in tallies if t.state in wanted and t.red is colour] for colour in (False, True))
    return MonthTotals(*_sums(blue), *_sums(red))


def _sums(tallies: list[Tally]) -> tuple[int, Decimal, Decimal]:
    amount, tax = (sum((getattr(t, name) for t in tallies), Decimal("0.00")) for name in ("amount", "tax"))
    return sum(t.count for t in tallies), amount, tax


def on_their_way(tallies: list[Tally]) -> int:
    """Invoices of which the bureau may hold something or not."""
    return sum(tally.count for tally in tallies if tally.state in _MAY_BE_HELD)


def total_off(
    taxpayer: str, channel: str, month: str, before: list[Tally], after: list[Tally], theirs: MonthTotals
) -> Finding | None:
    """Our totals before and after the bureau was asked, and its own. While invoices are on their way only the counts are
    bounded: what is confirmed must be there, and no more than is confirmed or on its way may be."""
    if on_their_way(before) or on_their_way(after) or totals_of(before) != totals_of(after):
        least, most = totals_of(before), totals_of(after, {State.CONFIRMED, *_MAY_BE_HELD})
        counts = [
            (f"{colour}_count", str(low), str(there))
            for colour, low, there, high in (
                ("blue", least.blue_count, theirs.blue_count, most.blue_count),
                ("red", least.red_count, theirs.red_count, most.red_count),
            )
            if not low <= there <= high
        ]
        return _of_month(taxpayer, channel, month, counts)
    return _of_month(taxpayer, channel, month, differing_totals(totals_of(after), theirs))


def differing_totals(ours: MonthTotals, theirs: MonthTotals) -> list[tuple[str, str, str]]:
    """(field, ours, theirs) of each figure that differs: blue_count, blue_amount, … red_tax."""
    pairs = [(name, getattr(ours, name), getattr(theirs, name)) for name in _FIELDS]
    return [(name, shown(a), shown(b)) for name, a, b in pairs if a != b]


def shown(figure: int | Decimal) -> str:
    return str(figure) if isinstance(figure, int) else f"{figure:.2f}"


def _of_month(taxpayer: str, channel: str, month: str, differing: list[tuple[str, str, str]]) -> Finding | None:
    if not differing:
        return None
    ours, theirs = {name: mine for name, mine, _ in differing}, {name: other for name, _, other in differing}
    return Finding(taxpayer, channel, month, Kind.TOTAL_OFF, None, None, ours, theirs)


def _of_ours(ours: Ours) -> Fields:
    record = ours.record
    fields: Fields = {"kind": record.kind, "amount": _money(record.amount), "tax": _money(record.tax)}
    fields |= {"total": _money(record.total), "colour": "red" if record.total < 0 else "blue"}
    if ours.document is not None:
        buyer = load_invoice(ours.document.invoice).buyer
        fields |= {"buyer": buyer.tax_number or "", "buyer_name": _plain_name(buyer.name)}
    return fields


def _of_list(theirs: ListedInvoice) -> Fields:
    return {
        "kind": theirs.kind,
        "amount": _money(theirs.amount),
        "tax": _money(theirs.tax),
        "total": _money(theirs.total),
        "colour": "blue" if theirs.blue else "red",
        "buyer": theirs.buyer,
        "buyer_name": _plain_name(theirs.buyer_name),
    }


def _plain_name(name: str) -> str:
    """Without the mark that the bureau appends to a natural person's name."""
    return name.removesuffix("（个人）").removesuffix("(个人)").strip()


def _differing(ours: Fields, theirs: Fields) -> list[tuple[str, str | None, str | None]]:
    return [(name, mine, theirs[name]) for name, mine in ours.items() if mine != theirs[name]]


def _pair(
    record: InvoiceRecord, month: str, kind: Kind, differing: Iterable[tuple[str, str | None, str | None]]
) -> Finding:
    listed = list(differing)
    ours: Fields = {name: mine for name, mine, _ in listed}
    return _finding(record, month, kind, ours, {name: other for name, _, other in listed})


def _finding(
    record: InvoiceRecord, month: str, kind: Kind, ours: Mapping[str, str | None], theirs: Mapping[str, str | None]
) -> Finding:
    return Finding(record.taxpayer, record.channel, month, kind, record.number, record.order, ours, theirs)


def _money(value: Decimal) -> str:
    return f"{value:.2f}"

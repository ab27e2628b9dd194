"""The repair toolbox (R14): what each tool needs, would do and refuses. Pure: from what is known to a `Plan`.

No tool gives an order another number but `succeed`, and none sends anything: they change what our books believe, by evidence,
and the loops go on from there (docs/model/upload_model.py, ADR 0114).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from kaipiao.authority.channel import Capabilities
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing import trail
from kaipiao.issuing.deadlines import upload_closes
from kaipiao.issuing.problems import ALIVE
from kaipiao.issuing.questions import Asked
from kaipiao.issuing.repair_words import (
    ADOPTS,
    ASKS_NOW,
    BELIEVES_AGAIN,
    BOTH_HELD,
    CLEARS,
    CONFLICTS,
    DENIED_ONCE,
    DIFFERS_NOW,
    DOUBLED,
    FROZEN,
    HIDDEN,
    HOLDS_IT,
    HOLDS_OURS,
    IS_FREE,
    IS_USED,
    JUST_ASKED,
    NO_RED,
    NOT_HELD,
    NOT_SETTLED,
    NOT_THAT_STATE,
    NOTHING_TO_DO,
    QUARANTINED,
    RED_LETTER,
    REFUSES_THEIRS,
    REPLACES,
    SENDS_SAME,
    SILENT,
    TAKES_THEIRS,
    UNKNOWN_HERE,
    WINDOW_OVER,
)
from kaipiao.language import Text
from kaipiao.ledger.port import Advance, EventDraft, InvoiceRecord, Value

THEIRS = "theirs"  # the provenance of what a person decided in a conflict


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an invoice when a tool is thought about. `asked`: what the bureau said just now, for tools that ask."""

    taxpayer: str
    number: str
    now: datetime
    reason: str
    record: InvoiceRecord | None = None
    caps: Capabilities | None = None
    asked: Asked | None = None
    last_asked: datetime | None = None  # by the loops
    denied_before: datetime | None = None  # by this tool, as the trail has it
    against_successor: Text | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """`would`: what it would do, or did. `against`: why it may not; then nothing is done. `advance` and `event` are committed
    by a run."""

    would: tuple[Text, ...] = ()
    against: tuple[Text, ...] = ()
    advance: Advance | None = None
    event: EventDraft | None = None
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Tool:
    """`states`: of the invoices that it is for; none: for a number that our books do not know."""

    name: str
    purpose: Text
    states: frozenset[State]
    asks: bool
    plan: Callable[[InvoiceRecord, Facts], Plan]
    unknown: Callable[[Facts], Plan] | None = None

    def thought(self, facts: Facts) -> Plan:
        if facts.record is None:
            return Plan(against=(UNKNOWN_HERE,)) if self.unknown is None else self.unknown(facts)
        if facts.record.state not in self.states:
            return Plan(against=(NOT_THAT_STATE.format(state=facts.record.state.value),))
        return self.plan(facts.record, facts)


def _event(record: InvoiceRecord, facts: Facts, kind: str, **data: str | int | bool | None) -> EventDraft:
    """Who, why and by what evidence. A reason is the person's own words, and no place for what a buyer is called."""
    if facts.asked is not None:
        held = facts.asked.held
        data |= {"held": held.content_digest.hex() if held else None, "ours": facts.asked.ours.hex()}
    return trail.changed(record, f"repair.{kind}", facts.now, reason=facts.reason, **data, **trail.by())


def _advance(record: InvoiceRecord, facts: Facts, kind: str, to: State, changes: Mapping[str, Value]) -> Advance:
    return Advance(record.taxpayer, record.id, record.version, to, dict(changes), _event(record, facts, kind))


def _closes(record: InvoiceRecord, facts: Facts) -> datetime:
    return record.made_at if facts.caps is None else upload_closes(record.made_at, facts.caps)


def _after(start: datetime | None, seconds: float) -> datetime | None:
    return None if start is None else start + timedelta(seconds=seconds)


def _settled(record: InvoiceRecord, facts: Facts, *, visible: bool) -> bool:
    """Whether a denial would count now: after the settle time, or all that the bureau may hide (R4)."""
    caps = facts.caps
    if caps is None:
        return False
    seconds = max(caps.settle, caps.visibility) if visible else caps.settle
    start = max(filter(None, (record.sent_at, record.accepted_at if visible else None)), default=record.made_at)
    return facts.now >= start + timedelta(seconds=seconds)


def resend(record: InvoiceRecord, facts: Facts) -> Plan:
    """The same number again, its cause mended outside of the invoice."""
    against = []
    if record.provenance == THEIRS:
        against.append(FROZEN)
    if facts.now >= _closes(record, facts):
        against.append(WINDOW_OVER)
    changes: dict[str, Value] = {
        "next_at": facts.now, "refused": False, "denials": 0, "late_denials": 0, "deadline": _closes(record, facts),
    }  # fmt: skip
    advance = _advance(record, facts, "resend", State.ISSUED, changes)
    return Plan((SENDS_SAME.format(number=record.number),), tuple(against), advance)


def succeed(record: InvoiceRecord, facts: Facts) -> Plan:
    """A successor with the same content. What must be asked first is asked by `Successors`."""
    against = () if facts.against_successor is None else (facts.against_successor,)
    return Plan((REPLACES.format(number=record.number, order=record.order),), against, replaces=True)


def settle_now(record: InvoiceRecord, facts: Facts) -> Plan:
    """Ask at once instead of at the appointed time; never before an answer would count."""
    against = []
    if not _settled(record, facts, visible=False):
        against.append(NOT_SETTLED)
    spacing = 0.0 if facts.caps is None else facts.caps.ask_spacing
    rests = _after(facts.last_asked, spacing)
    if rests is not None and facts.now < rests:
        against.append(JUST_ASKED)
    advance = _advance(record, facts, "settle_now", State.UNKNOWN, {"next_at": facts.now})
    return Plan((ASKS_NOW,), tuple(against), advance)


def _shown(facts: Facts) -> tuple[Text, ...]:
    """Why what the bureau said is no evidence that it holds something."""
    if facts.asked is None or facts.asked.silent is not None:
        return (SILENT,)
    return () if facts.asked.held is not None else (NOT_HELD,)


def accept_theirs(record: InvoiceRecord, facts: Facts) -> Plan:
    changes: dict[str, Value] = {
        "accepted_at": facts.now, "provenance": THEIRS, "next_at": None, "problem_code": None, "problem": None,
    }  # fmt: skip
    advance = _advance(record, facts, "accept_theirs", State.CONFIRMED, changes)
    return Plan((TAKES_THEIRS.format(number=record.number),), _shown(facts), advance)


def refuse_theirs(record: InvoiceRecord, facts: Facts) -> Plan:
    against = _shown(facts)
    if facts.asked is not None and facts.asked.same:
        against = (HOLDS_OURS,)
    advance = _advance(record, facts, "refuse_theirs", State.REJECTED, {"provenance": THEIRS, "next_at": None})
    return Plan((REFUSES_THEIRS.format(number=record.number),), against, advance)


def adopt(record: InvoiceRecord, facts: Facts) -> Plan:
    """The bureau holds it, our books do not have it as confirmed."""
    if against := _shown(facts):
        return Plan((ADOPTS.format(number=record.number),), against)
    if facts.asked is None or not facts.asked.same:
        conflict = _advance(record, facts, "adopt", State.CONFLICT, {"next_at": None})
        return Plan((CONFLICTS.format(number=record.number),), (), conflict)
    changes: dict[str, Value] = {
        "accepted_at": facts.now, "provenance": "asked", "next_at": None, "problem_code": None, "problem": None,
    }  # fmt: skip
    advance = _advance(record, facts, "adopt", State.CONFIRMED, changes)
    return Plan((ADOPTS.format(number=record.number),), (), advance)


def adopt_unknown(facts: Facts) -> Plan:
    """A number that no invoice of ours has. Never to be issued: should it be taken all the same, the bureau answers that it
    is there, and R6 makes a conflict of it."""
    data: dict[str, str | int | bool | None] = {"number": facts.number, "reason": facts.reason, **trail.by()}
    event = EventDraft("repair.foreign_number", facts.now, facts.taxpayer, None, data)
    return Plan((QUARANTINED.format(number=facts.number),), (), event=event)


def unconfirm(record: InvoiceRecord, facts: Facts) -> Plan:
    """We believe it confirmed and the bureau denies it, or holds other content."""
    asked = facts.asked
    if asked is None or asked.silent is not None:
        return Plan((BELIEVES_AGAIN,), (SILENT,))
    if asked.held is None:
        return _denied(record, facts)
    if asked.same or record.provenance == THEIRS:
        return Plan((BELIEVES_AGAIN,), (HOLDS_IT,))
    return Plan((DIFFERS_NOW.format(number=record.number),), (), _back(record, facts))


def _denied(record: InvoiceRecord, facts: Facts) -> Plan:
    """Believed when it was denied twice, both past the visibility time, some time between."""
    if not _settled(record, facts, visible=True):
        return Plan((BELIEVES_AGAIN,), (HIDDEN,))
    spacing = 0.0 if facts.caps is None else facts.caps.ask_spacing
    waited = _after(facts.denied_before, spacing)
    if waited is not None and facts.now >= waited:
        return Plan((BELIEVES_AGAIN,), (), _back(record, facts))
    first = _event(record, facts, "denied") if waited is None else None
    return Plan((DENIED_ONCE.format(seconds=int(spacing)),), () if waited is None else (JUST_ASKED,), event=first)


def _back(record: InvoiceRecord, facts: Facts) -> Advance:
    return _advance(record, facts, "unconfirm", State.UNKNOWN, _asked_anew(record, facts))


def _asked_anew(record: InvoiceRecord, facts: Facts) -> dict[str, Value]:
    return {
        "accepted_at": None, "provenance": None, "next_at": facts.now, "unknown_since": facts.now, "alarmed": 0,
        "doubt": True, "refused": False, "denials": 0, "late_denials": 0, "deadline": _closes(record, facts),
    }  # fmt: skip


def ask_replaced(record: InvoiceRecord, facts: Facts) -> Plan:
    """Of a replaced invoice of which a late copy may have arrived."""
    asked = facts.asked
    if record.problem_code not in (ALIVE.code, DOUBLED.code):
        return Plan(against=(NOTHING_TO_DO,))
    if asked is None or asked.silent is not None:
        return Plan((CLEARS,), (SILENT,))
    if asked.held is not None:
        held: dict[str, Value] = {"problem_code": DOUBLED.code, "problem": DOUBLED.text.both}
        advance = _advance(record, facts, "replaced_held", State.REPLACED, held)
        return Plan((BOTH_HELD.format(number=record.number),), (), advance)
    against = () if _settled(record, facts, visible=True) else (HIDDEN,)
    clear: dict[str, Value] = {"problem_code": None, "problem": None, "doubt": False}
    return Plan((CLEARS,), against, _advance(record, facts, "replaced_absent", State.REPLACED, clear))


def red_letter(record: InvoiceRecord, facts: Facts) -> Plan:
    """What would have to be made, to the cent. Red letters are not built yet: it says so and does no more."""
    if record.state is State.REPLACED and record.problem_code != DOUBLED.code:
        return Plan(against=(NOTHING_TO_DO,))
    letter = RED_LETTER.format(
        number=record.number, amount=f"{-record.amount:.2f}", tax=f"{-record.tax:.2f}", total=f"{-record.total:.2f}"
    )
    return Plan((letter,), (NO_RED,))


def free_number(record: InvoiceRecord, facts: Facts) -> Plan:
    del record, facts
    return Plan(against=(IS_USED,))


def free_unknown(facts: Facts) -> Plan:
    """An unused number stays free in our books: the bureau takes none back. There is nothing to change."""
    return Plan((IS_FREE.format(number=facts.number),), (NOTHING_TO_DO,))


def _tool(
    name: str,
    zh: str,
    en: str,
    states: set[State],
    plan: Callable[[InvoiceRecord, Facts], Plan],
    *,
    asks: bool = False,
    unknown: Callable[[Facts], Plan] | None = None,
) -> Tool:
    return Tool(name, Text(zh, en), frozenset(states), asks, plan, unknown)


_S = State
TOOLS = {
    tool.name: tool
    for tool in (
        _tool("resend-same-number", "被拒原因已在票外排除：同一号码再发送",
              "its cause is mended outside of the invoice: the same number again", {_S.REJECTED}, resend),
        _tool("succeed", "终局被拒或逾期：以新号码的后继发票替换",
              "finally refused or expired: a successor under a new number", {_S.REJECTED, _S.EXPIRED}, succeed),
        _tool("settle-now", "结果久悬未决：立即查询", "stuck unknown: ask at once", {_S.UNKNOWN}, settle_now),
        _tool("accept-theirs", "内容不一致：以税局持有的为准", "a conflict: what the bureau holds is this sale",
              {_S.CONFLICT}, accept_theirs, asks=True),
        _tool("refuse-theirs", "内容不一致：税局持有的是另一笔", "a conflict: what the bureau holds is another sale",
              {_S.CONFLICT}, refuse_theirs, asks=True),
        _tool("adopt", "税局持有，本账未确认：凭此刻的查询确认", "held there, not confirmed here: confirm by asking now",
              {_S.UNKNOWN, _S.REJECTED, _S.EXPIRED}, adopt, asks=True, unknown=adopt_unknown),
        _tool("unconfirm-believed", "本账已确认，税局却否认：重新查询", "confirmed here, denied there: ask again",
              {_S.CONFIRMED}, unconfirm, asks=True),
        _tool("ask-replaced", "已替换，却可能有一份迟到的副本：查询",
              "replaced, and a late copy of it may have arrived: ask", {_S.REPLACED}, ask_replaced, asks=True),
        _tool("red-letter", "重复入账：说明须开的红字发票", "filed twice: say which red letter is to be made",
              {_S.CONFIRMED, _S.REPLACED}, red_letter),
        _tool("free-number", "未用的号码：留在本账可用", "an unused number: it stays free in our books", set(_S),
              free_number, unknown=free_unknown),
    )
}  # fmt: skip

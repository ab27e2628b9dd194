"""What is repairable, what a tool would do, and doing it (R14). The tools themselves are in `repair_tools.py`.

Every run is an event with who, why and by what evidence, in the commit of its change. Any node may serve it: each change is
conditional on the invoice being as it was seen.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from kaipiao.clock import Clock
from kaipiao.errors import NotFound, RepairRefused
from kaipiao.invoice.lifecycle import State
from kaipiao.issuing import trail
from kaipiao.issuing.findings import Kind
from kaipiao.issuing.problems import ALIVE
from kaipiao.issuing.questions import Questions
from kaipiao.issuing.repair_tools import TOOLS, Facts, Plan, Tool
from kaipiao.issuing.repair_words import DOUBLED
from kaipiao.issuing.successor import Successors
from kaipiao.language import Text
from kaipiao.ledger.month_books import FindingRow
from kaipiao.ledger.port import EventDraft, InvoiceRecord, Ledger

PAGE = 500
MENDS = {  # what each finding of reconciliation is mended with
    Kind.MISSING_THERE: ("unconfirm-believed",),
    Kind.MISSING_HERE: ("adopt",),
    Kind.DIFFERENT: ("unconfirm-believed", "accept-theirs", "refuse-theirs"),
    Kind.STUCK: ("settle-now",),
    Kind.TOTAL_OFF: (),
}
_ASKED = frozenset({"denied", "ask.failed", "absent_send_same_again"})
_BELIEVED = frozenset({"confirmed", "repair.unconfirm", "repair.adopt", "repair.accept_theirs"})
CHANGED = Text("它刚刚变了：请重新查看", "It has just changed: look again")


@dataclass(frozen=True, slots=True)
class Repairable:
    """Something to mend now. `record` is None for a number that our books do not know, or a month as a whole; `finding` is of
    reconciliation. `tools`: those that are for it."""

    taxpayer: str
    record: InvoiceRecord | None
    finding: FindingRow | None
    tools: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was planned, and the invoice after it: as it was when nothing was done."""

    plan: Plan
    before: InvoiceRecord | None
    after: InvoiceRecord | None
    successor: InvoiceRecord | None
    done: bool


class Repairs:
    """The toolbox over one ledger."""

    def __init__(self, ledger: Ledger, successors: Successors, questions: Questions, clock: Clock) -> None:
        self._ledger = ledger
        self._successors = successors
        self._questions = questions
        self._clock = clock

    async def listed(self, taxpayer: str, limit: int) -> list[Repairable]:
        """What may be repairable now, at most `limit`, oldest first, then what reconciliation found."""
        found: list[Repairable] = []
        async for record in self._candidates(taxpayer):
            if len(found) == limit:
                return found
            found.append(Repairable(taxpayer, record, None, self.tools_for(record)))
        for row in await self._ledger.findings(taxpayer, limit=limit - len(found)) if len(found) < limit else ():
            records = await self._ledger.find(taxpayer, numbers=[row.number]) if row.number else []
            record_of = records[0] if records else None
            found.append(Repairable(taxpayer, record_of, row, _mending(row, record_of)))
        return found

    def tools_for(self, record: InvoiceRecord | None) -> tuple[str, ...]:
        if record is None:
            return tuple(tool.name for tool in TOOLS.values() if tool.unknown is not None)
        return tuple(tool.name for tool in TOOLS.values() if record.state in tool.states and tool.name != "free-number")

    async def thought(self, tool: Tool, taxpayer: str, number: str, reason: str) -> tuple[Facts, Plan]:
        """What it would do, or why not. It may ask the bureau, and changes nothing."""
        facts = await self._facts(tool, taxpayer, number, reason)
        return facts, tool.thought(facts)

    async def planned(self, tool: Tool, taxpayer: str, number: str, reason: str) -> Repaired:
        """A dry run."""
        facts, plan = await self.thought(tool, taxpayer, number, reason)
        return Repaired(plan, facts.record, facts.record, None, done=False)

    async def run(self, tool: Tool, taxpayer: str, number: str, reason: str) -> Repaired:
        """Do it. Raises `RepairRefused` with every reason against it, as `Successors.replace` where it makes a successor."""
        facts, plan = await self.thought(tool, taxpayer, number, reason)
        if plan.against:
            raise _refused(plan.against, tool, facts)
        successor = None
        if plan.replaces:
            successor = (await self._successors.replace(taxpayer, number)).issued.record
            told = _succeeded(facts, successor)
            await self._ledger.append_events([told])
        elif plan.advance is not None:
            if await self._ledger.advance([plan.advance]) != [True]:
                raise _refused((CHANGED,), tool, facts)
        elif plan.event is not None:
            await self._ledger.append_events([plan.event])
        await self._tell_reconciliation(facts)
        found = await self._ledger.find(taxpayer, numbers=[number])
        return Repaired(plan, facts.record, found[0] if found else None, successor, done=True)

    async def _candidates(self, taxpayer: str) -> AsyncIterator[InvoiceRecord]:
        now = self._clock.now()
        async for record in self._pages(taxpayer, (State.REJECTED, State.EXPIRED, State.CONFLICT)):
            yield record
        async for record in self._pages(taxpayer, (State.UNKNOWN,)):
            if record.alarmed or (record.deadline is not None and record.deadline <= now):
                yield record
        async for record in self._pages(taxpayer, (State.REPLACED,)):
            if record.problem_code in (ALIVE.code, DOUBLED.code):
                yield record

    async def _pages(self, taxpayer: str, states: Sequence[State]) -> AsyncIterator[InvoiceRecord]:
        after = 0
        while page := await self._ledger.page(taxpayer, states=states, after=after, limit=PAGE):
            for record in page:
                yield record
            after = page[-1].id

    async def _facts(self, tool: Tool, taxpayer: str, number: str, reason: str) -> Facts:
        found = await self._ledger.find(taxpayer, numbers=[number])
        facts = Facts(taxpayer, number, self._clock.now(), reason)
        if not found:
            return facts
        record = found[0]
        facts = replace(facts, record=record, caps=self._questions.capabilities(record))
        if record.state not in tool.states:
            return facts
        if tool.asks:
            facts = replace(facts, asked=await self._questions.ask(self._ledger, record))
        if tool.name == "succeed":
            facts = replace(facts, against_successor=(await self._successors.judged(record))[0])
        asked, denied = await self._told_of(record)
        return replace(facts, now=self._clock.now(), last_asked=asked, denied_before=denied)

    async def _told_of(self, record: InvoiceRecord) -> tuple[datetime | None, datetime | None]:
        """When the loops last asked about it, and since when a first denial of a confirmed invoice stands."""
        asked = denied = None
        async for event in self._successors.events(record):
            if event.data.get("number") != record.number:
                continue
            if event.kind in _ASKED:
                asked = event.at
            elif event.kind == "repair.denied":
                denied = event.at
            elif event.kind in _BELIEVED:
                denied = None
        return asked, denied

    async def _tell_reconciliation(self, facts: Facts) -> None:
        rows = [r for r in await self._ledger.findings(facts.taxpayer) if r.number == facts.number]
        events = [
            EventDraft("reconcile.repaired", facts.now, facts.taxpayer, row.order, _names(row) | trail.by())
            for row in rows
        ]
        if events:
            await self._ledger.append_events(events)


def tool_of(name: str) -> Tool:
    """Raises `NotFound`."""
    if name not in TOOLS:
        raise NotFound(Text("没有这个工具", "There is no such tool"), code="KP-FIND-01", tools=", ".join(TOOLS))
    return TOOLS[name]


def _names(row: FindingRow) -> dict[str, str | int | bool | None]:
    return {"finding": row.kind, "number": row.number or None, "channel": row.channel, "month": row.month}


def _mending(row: FindingRow, record: InvoiceRecord | None) -> tuple[str, ...]:
    """The tools for a finding, of those that are for the invoice as it stands."""
    tools = MENDS[Kind(row.kind)]
    if record is None:
        return tuple(name for name in tools if TOOLS[name].unknown is not None)
    return tuple(name for name in tools if record.state in TOOLS[name].states)


def _refused(against: tuple[Text, ...], tool: Tool, facts: Facts) -> RepairRefused:
    detail = Text("；".join(text.zh for text in against), "; ".join(text.en for text in against))
    state = facts.record.state.value if facts.record else None
    return RepairRefused(detail, tool=tool.name, number=facts.number, state=state)


def _succeeded(facts: Facts, successor: InvoiceRecord) -> EventDraft:
    data: dict[str, str | int | bool | None] = {
        "number": facts.number, "successor_number": successor.number, "reason": facts.reason, **trail.by(),
    }  # fmt: skip
    return EventDraft("repair.succeed", facts.now, facts.taxpayer, successor.order, data)

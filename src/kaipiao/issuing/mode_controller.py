"""Works out modes and ended budgets from the trail and the books, on every node, each second and when something happens.

What was worked out is a checkpoint in the ledger. Every node works it out; who writes it first writes its events in the same
commit, for the others nothing is left to write. A restart goes on from the checkpoint and the events after it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice, product
from typing import Any

from kaipiao.authority.channel import Capabilities
from kaipiao.clock import Clock, month_of, year_of
from kaipiao.errors import KaipiaoError, NotFound
from kaipiao.invoice.model import Kind
from kaipiao.issuing import mode_inputs, trail
from kaipiao.issuing.announcements import Announced, Announcement, standing
from kaipiao.issuing.budgets import Bound, Ended, Stock, ended
from kaipiao.issuing.cover import SETTLED, keep_hours
from kaipiao.issuing.deadlines import clocks, first_of
from kaipiao.issuing.gate import Gate, Known, Place
from kaipiao.issuing.mode_inputs import Inputs
from kaipiao.issuing.mode_rules import Key, Setup, derive, kept_since
from kaipiao.issuing.modes import Mode, ModeState
from kaipiao.issuing.verdicts import NoVerdicts, Verdicts
from kaipiao.ledger.continuity import Checkpoint, whole_hour
from kaipiao.ledger.port import EventDraft, Ledger

log = logging.getLogger(__name__)

NAME = "modes"
PAGE = 1000
REST, SOON = 1.0, 0.05  # real seconds between rounds; when another node was faster
MOST_AHEAD = timedelta(seconds=300)  # of another node's clock, that is believed
TRIES = 40  # until what was said here is seen in the trail
COUNTED_AT_ONCE = 20  # taxpayers whose hours are counted in one round: a second must not wait for all of them
STOCK_BOUNDS = frozenset({Bound.NUMBERS, Bound.QUOTA, Bound.MONTH_END, Bound.YEAR_END})
BudgetKey = tuple[str, str, str, str]  # taxpayer, channel, invoice kind, bound


@dataclass(slots=True)
class Worked:
    """What was worked out last. `budgets`: those that have ended, since when. `at`: the instant that it was worked out for."""

    inputs: Inputs = field(default_factory=Inputs)
    states: dict[Key, ModeState] = field(default_factory=dict)
    budgets: dict[BudgetKey, str] = field(default_factory=dict)
    at: datetime | None = None


class ModeController:
    """Of one node. `capabilities` and `endpoints`: by channel. `places`: every (taxpayer, channel). `holds`: whether this node
    works for a taxpayer. `quota_until`: as this node was told. `clock_fault`: a code when this node's clock may not issue."""

    def __init__(
        self,
        ledger: Ledger,
        gate: Gate,
        capabilities: Mapping[str, Capabilities],
        endpoints: Callable[[], Mapping[str, Collection[str]]],
        places: Sequence[Place],
        clock: Clock,
        *,
        holds: Callable[[str], bool],
        quota_until: Callable[[str, str], datetime | None],
        clock_fault: Callable[[], str | None] = lambda: None,
        verdicts: Verdicts | None = None,
    ) -> None:
        self._ledger = ledger
        self._gate = gate
        self._capabilities = capabilities
        self._endpoints = endpoints
        self.places = places
        self._served = frozenset(places)
        self._kept = {place for place in places if gate.keeps_stock(*place)}
        self._taxpayers = sorted({taxpayer for taxpayer, _ in places})
        self._clock = clock
        self._holds = holds
        self._quota_until = quota_until
        self._clock_fault = clock_fault
        self._verdicts = verdicts or NoVerdicts()
        self._busy = asyncio.Lock()
        self._hours_kept: dict[str, datetime] = {}
        self._ledger_fault: tuple[str, datetime] | None = None
        self.worked = Worked()
        self.debts: Mapping[Place, datetime] = {}

    async def open(self) -> None:
        """Before the first order. Raises what the ledger raises."""
        while await self._round() < REST:
            await asyncio.sleep(SOON)

    async def look(self) -> None:
        """What was worked out last, of a platform that only looks: nothing is written."""
        known = await self._ledger.checkpoint(NAME)
        self.worked = Worked() if known is None else worked_of(known)
        self.debts = await self._ledger.debts_of(self.places)

    async def round(self) -> float:
        """Returns the real seconds until the next. A ledger that fails is noted and raised."""
        try:
            rest = await self._round()
        except KaipiaoError as error:
            if self._ledger_fault is None:
                self._ledger_fault = (error.code, self._clock.now())
            raise
        self._ledger_fault = None
        return rest

    async def _round(self) -> float:
        async with self._busy:
            known = await self._ledger.checkpoint(NAME)
            before = Worked() if known is None else worked_of(known)
            now = self._instant(before)
            inputs = await self._read(before.inputs)
            holders = await self._ledger.shard_holders()
            stocks = await self._look(before, now)
            after = self._work_out(before, inputs, holders, stocks, now)
            events = [*self._of_modes(before, after, now), *self._of_budgets(before, after, stocks, now)]
            held = await self._save(known, before, after, events)
            if held:
                self._publish(after, stocks)
            await self._count_hours(self._clock.now())
            return REST if held else SOON

    def _instant(self, before: Worked) -> datetime:
        """Ours, or that of a node whose clock is ahead: what it found to have begun or ended by then is not taken back."""
        now = self._clock.now()
        return now if before.at is None else max(now, min(before.at, now + MOST_AHEAD))

    async def _read(self, before: Inputs) -> Inputs:
        """The inputs with all that happened since; the former ones stay as they are."""
        inputs = mode_inputs.of_json(mode_inputs.to_json(before))
        while True:
            page = await self._ledger.signals(mode_inputs.KINDS, after=inputs.position, limit=PAGE)
            inputs.take(page)
            if len(page) < PAGE:
                return inputs

    async def _look(self, before: Worked, now: datetime) -> dict[Place, Stock]:
        """What is known of each place. Numbers and quota are looked at where they ran out, or where some shall be kept."""
        self.debts = await self._ledger.debts_of(self.places)
        stocks = {
            place: Stock(debt=self.debts.get(place), quota_until=self._quota_until(*place)) for place in self.places
        }
        out = {(t, c) for t, c, _, bound in before.budgets if bound in STOCK_BOUNDS} | self._gate.short
        for place in (out | self._kept) & stocks.keys():
            counts = await self._ledger.number_counts(*place, year_of(now))
            account = await self._ledger.quota(*place, month_of(now))
            stocks[place] = replace(
                stocks[place],
                numbers=counts.free + counts.leased,
                pulled=counts.pulled > 0,
                quota=account.left,
                downloaded=account.downloaded > 0,
            )
        self._gate.short -= stocks.keys()
        return stocks

    def _work_out(
        self,
        before: Worked,
        inputs: Inputs,
        holders: Mapping[str, str],
        stocks: Mapping[Place, Stock],
        now: datetime,
    ) -> Worked:
        inputs.forget(now)
        budgets = self._budgets(before, stocks, now)
        workers: dict[str, set[str]] = {}
        for taxpayer, channel in self.places:
            if taxpayer in holders:
                workers.setdefault(channel, set()).add(holders[taxpayer])
        setup = Setup(self._endpoints(), workers, holders, self.places)
        found = derive(inputs, setup, now, self._verdicts.of(now), self._all_kinds(budgets))
        others = {k: s for k, s in before.states.items() if not self._ours(k)}  # of nodes with other settings
        return Worked(inputs, {**others, **kept_since(found, before.states)}, budgets, now)

    def _ours(self, key: Key) -> bool:
        taxpayer, channel = key
        return channel in self._capabilities if taxpayer is None else (taxpayer, channel) in self._served

    def _budgets(self, before: Worked, stocks: Mapping[Place, Stock], now: datetime) -> dict[BudgetKey, str]:
        """Clocks are judged by who works for the taxpayer, stock by whoever looked. Of those who are alike, and most are while
        nothing happens, it is found once."""
        after: dict[BudgetKey, str] = {}
        former = {key[:2] for key in before.budgets}
        found: dict[tuple[str | None, str, Stock], dict[Kind, set[Bound]]] = {}
        for place, stock in stocks.items():
            alike = (self._gate.table.own(place[0]), place[1], stock)
            if alike not in found:
                found[alike] = {kind: self._over(*place, kind, stock, now) for kind in Kind}
            if place not in former and not any(found[alike].values()):
                continue
            for kind, bound in product(Kind, Bound):
                key = (*place, kind.value, bound.value)
                judged = stock.numbers is not None if bound in STOCK_BOUNDS else self._holds(place[0])
                if (bound in found[alike][kind]) if judged else (key in before.budgets):
                    after[key] = before.budgets.get(key, now.isoformat())
        kept = {key: since for key, since in before.budgets.items() if key[:2] not in stocks}
        return {**kept, **after}

    def _over(self, taxpayer: str, channel: str, kind: Kind, stock: Stock, now: datetime) -> set[Bound]:
        return {end.budget.bound for end in self._ended(taxpayer, channel, kind, stock, now)}

    def _ended(self, taxpayer: str, channel: str, kind: Kind, stock: Stock, now: datetime) -> list[Ended]:
        return ended(self._gate.budgets_of(taxpayer, channel, kind.value), stock, now)

    def _all_kinds(self, budgets: Mapping[BudgetKey, str]) -> dict[Key, str]:
        """Where every kind of invoice is stopped, by which bound."""
        stopped: dict[tuple[str, str], dict[str, str]] = {}
        for taxpayer, channel, kind, bound in budgets:
            if (taxpayer, channel) in self._served and self._gate.stops(taxpayer, channel, kind, bound):
                stopped.setdefault((taxpayer, channel), {}).setdefault(kind, bound)
        return {
            place: min(bounds.values()) for place, bounds in stopped.items() if set(bounds) == {k.value for k in Kind}
        }

    async def _save(
        self, known: Checkpoint | None, before: Worked, after: Worked, events: Sequence[EventDraft]
    ) -> bool:
        """True when the checkpoint is what was worked out."""
        if known is not None and not events and text_of(before) == text_of(replace(after, at=before.at)):
            return True
        version = known.version if known else 0
        held = await self._ledger.save_checkpoint(NAME, version, text_of(after), events)
        for event in events if held else ():
            log.warning("%s", event.kind, extra={"channel": str(event.data.get("channel")), "code": _code(event)})
        return held

    def _publish(self, after: Worked, stocks: dict[Place, Stock]) -> None:
        reasons = {key: order.reason for key, order in after.inputs.orders.items()}
        self.worked = after
        self._gate.known = Known(stocks, after.states, reasons)

    def _of_modes(self, before: Worked, after: Worked, now: datetime) -> list[EventDraft]:
        """A change of each mode or cause; the first ONLINE of a channel is none."""
        events = []
        for key in sorted({*before.states, *after.states}, key=str):
            _, channel = key
            above = (None, channel)
            new = after.states.get(key) or after.states.get(above)
            old = before.states.get(key) or before.states.get(above)
            if new is None or (old is None and new.mode is Mode.ONLINE):
                continue
            if old is None or (old.mode, old.cause) != (new.mode, new.cause):
                events.append(self._changed(key, old, new, now))
        return events

    def _changed(self, key: Key, old: ModeState | None, new: ModeState, now: datetime) -> EventDraft:
        with_deadline = self.with_deadline(replace(new, taxpayer=key[0]), now)
        rule, deadline = with_deadline.rule, with_deadline.deadline
        return trail.platform(
            "mode.changed",
            now,
            key[0],
            channel=key[1],
            mode=new.mode.value,
            former=old.mode.value if old else None,
            cause=new.cause,
            rule=rule,
            deadline=deadline.isoformat() if deadline else None,
        )

    def _of_budgets(
        self, before: Worked, after: Worked, stocks: Mapping[Place, Stock], now: datetime
    ) -> list[EventDraft]:
        ends = [
            self._budget_event("budget.ended", key, now, stocks) for key in after.budgets.keys() - before.budgets.keys()
        ]
        renewed = [
            self._budget_event("budget.renewed", key, now, {}) for key in before.budgets.keys() - after.budgets.keys()
        ]
        return sorted([*ends, *renewed], key=lambda e: (e.kind, str(e.taxpayer), str(e.data)))

    def _budget_event(self, kind: str, key: BudgetKey, now: datetime, stocks: Mapping[Place, Stock]) -> EventDraft:
        taxpayer, channel, invoice, bound = key
        stock = stocks.get((taxpayer, channel), Stock())
        over = [e for e in self._ended(taxpayer, channel, Kind(invoice), stock, now) if e.budget.bound == bound]
        data: dict[str, str | int | bool | None] = {"channel": channel, "invoice_kind": invoice, "bound": bound}
        if over:
            at = over[0].unlocks_at
            data |= {
                "stops": over[0].budget.stops,
                "unlocks": over[0].unlocks,
                "unlocks_at": at.isoformat() if at else None,
            }
        return trail.platform(kind, now, taxpayer, **data)

    async def _count_hours(self, now: datetime) -> None:
        """Once an hour, of the taxpayers that this node works for, some each round; a long gap in steps."""
        hour = whole_hour(now - SETTLED)
        due = (t for t in self._taxpayers if self._hours_kept.get(t) != hour and self._holds(t))
        for taxpayer in islice(due, COUNTED_AT_ONCE):
            if await keep_hours(self._ledger, taxpayer, now):
                self._hours_kept[taxpayer] = hour

    # --- asked -----------------------------------------------------------------------------------------------------------

    def state(self, taxpayer: str | None, channel: str) -> ModeState:
        """The mode as this node sees it: what is wrong with this node alone stands before what all agree on."""
        now = self._clock.now()
        own = self._own_fault(channel)
        if own is not None:
            return replace(own, taxpayer=taxpayer)
        states = self.worked.states
        found = states.get((taxpayer, channel)) or states.get((None, channel))
        found = found or ModeState(channel, taxpayer, Mode.ONLINE, "reached", now)
        return self.with_deadline(replace(found, taxpayer=taxpayer), now)

    def by_channel(self) -> dict[str, Mode]:
        return {channel: self.state(None, channel).mode for channel in self._capabilities}

    def _own_fault(self, channel: str) -> ModeState | None:
        if self._ledger_fault is not None:
            return ModeState(channel, None, Mode.HALTED, "ledger.unwritable", self._ledger_fault[1])
        fault = self._clock_fault()
        return None if fault is None else ModeState(channel, None, Mode.HALTED, fault, self._clock.now())

    def with_deadline(self, state: ModeState, now: datetime) -> ModeState:
        """Until when issuing may go on without an answer, by its clocks; none while all is well or nothing is issued."""
        if state.mode in (Mode.ONLINE, Mode.HALTED):
            return state
        taxpayers = [state.taxpayer] if state.taxpayer else [t for t, c in self.places if c == state.channel]
        debts = [debt for t in taxpayers if (debt := self.debts.get((t, state.channel))) is not None]
        until = [q for t in taxpayers if (q := self._quota_until(t, state.channel)) is not None]
        ends = clocks(now, min(debts, default=None), min(until, default=None), self._capabilities[state.channel])
        rule, deadline = first_of(ends)
        return replace(state, rule=rule.value, deadline=deadline)

    def reason(self, taxpayer: str | None, channel: str) -> str | None:
        """What the operator said with the order that holds."""
        for key in ((taxpayer, channel), (None, channel)):
            order = self.worked.inputs.orders.get(key)
            if order is not None and order.mode != mode_inputs.AUTO:
                return order.reason
        return None

    def announcements(self) -> list[Announcement]:
        return standing(self.worked.inputs.said())

    def hours_ahead(self, channel: str) -> float:
        """Hours until the end of a planned maintenance that has begun or begins within a day; 0.0 without one. The stock must
        last so long."""
        now = self._clock.now()
        ends = [
            a.end
            for a in self.announcements()
            if a.channel == channel
            and a.kind is Announced.MAINTENANCE
            and a.end is not None
            and not a.over(now)
            and a.begin <= now + timedelta(days=1)
        ]
        return max(((end - now) / timedelta(hours=1) for end in ends), default=0.0)

    async def order(self, taxpayer: str | None, channels: Collection[str], mode: str, reason: str) -> None:
        """The operator's word, in force here when this returns, on other nodes within a second."""
        now, former = self._clock.now(), self.worked.inputs.orders
        data = {"taxpayer": taxpayer, "mode": mode, "reason": reason, **trail.by()}
        await self._say(
            [EventDraft("operator.mode", now, data={"channel": name, **data}) for name in channels],
            lambda: all(
                (known := self.worked.inputs.orders.get((taxpayer, name))) is not None
                and known != former.get((taxpayer, name))
                for name in channels
            ),
        )

    async def announce(self, announcements: Sequence[Announcement]) -> None:
        now = self._clock.now()
        await self._say(
            [EventDraft("authority.announced", now, data={**a.data(), **trail.by()}) for a in announcements],
            lambda: all(a.id in self.worked.inputs.announcements for a in announcements),
        )

    async def withdraw(self, identity: str) -> None:
        """Raises `NotFound`; again is the same."""
        found = self.worked.inputs.announcements.get(identity)
        if found is None:
            raise NotFound()
        if identity in self.worked.inputs.withdrawn:
            return
        now = self._clock.now()
        await self._say(
            [trail.platform("authority.withdrawn", now, channel=found.channel, id=identity, **trail.by())],
            lambda: identity in self.worked.inputs.withdrawn,
        )

    async def _say(self, events: Sequence[EventDraft], is_in_force: Callable[[], bool]) -> None:
        """Written, and in force here. Raises what the ledger raises; said, it holds on every node sooner or later."""
        await self._ledger.append_events(events)
        for _ in range(TRIES):
            await self.round()
            if is_in_force():
                return
            await asyncio.sleep(SOON)
        log.error("what was said is not in force yet", extra={"events": len(events)})


def _code(event: EventDraft) -> str:
    return str(event.data.get("cause") or event.data.get("bound"))


# --- the checkpoint ---------------------------------------------------------------------------------------------------


def text_of(worked: Worked) -> str:
    found = {
        "inputs": mode_inputs.to_json(worked.inputs),
        "states": [
            [taxpayer, channel, s.mode.value, s.cause, s.since.isoformat(), list(s.evidence)]
            for (taxpayer, channel), s in sorted(worked.states.items(), key=str)
        ],
        "budgets": [[*key, since] for key, since in sorted(worked.budgets.items())],
        "at": None if worked.at is None else worked.at.isoformat(),
    }
    return json.dumps(found, separators=(",", ":"))


def worked_of(checkpoint: Checkpoint) -> Worked:
    found: dict[str, Any] = json.loads(checkpoint.content)
    states = {
        (taxpayer, channel): ModeState(
            channel, taxpayer, Mode(mode), cause, datetime.fromisoformat(since), evidence=tuple(evidence)
        )
        for taxpayer, channel, mode, cause, since, evidence in found["states"]
    }
    budgets = {(t, c, kind, bound): since for t, c, kind, bound, since in found["budgets"]}
    at = found.get("at")
    return Worked(mode_inputs.of_json(found["inputs"]), states, budgets, at and datetime.fromisoformat(at))

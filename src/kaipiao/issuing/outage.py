"""An outage of a channel as it is derived from the trail (R10): begin, cause with its evidence, modes, counts, end. Pure.

It begins with the event `mode.changed` that takes a channel into contingency or offline, and is back when the mode is online
again. A mode that falls again before the outage is closed goes on with the same outage: flaps are one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from kaipiao.issuing.modes import Mode
from kaipiao.ledger.outages import OutageRow, OutageSums
from kaipiao.ledger.port import Event

T = TypeVar("T")
AWAY = frozenset({Mode.CONTINGENCY_PLANNED, Mode.CONTINGENCY_FAILURE, Mode.OFFLINE})
MODE_CHANGED = "mode.changed"
# What an outage may be due to, or what was done about it.
EVIDENCE = frozenset(
    {
        "breaker.opened", "breaker.closed", "endpoint.switched", "resolver.switched", "resolver.stale",
        "authority.announced", "operator.mode",
    }
)  # fmt: skip
CAUSES = ("breaker.opened", "resolver.stale", "authority.announced", "operator.mode")
PHASES = frozenset({"resolve", "connect", "handshake", "write", "wait", "answer"})
MOST_EVIDENCE, MOST_MODES, MOST_SAMPLES = 50, 200, 240
TEXT_LIMIT = 200  # characters of a word that came with an event


@dataclass(frozen=True, slots=True)
class Evidence:
    """An event of the trail, by its position. `code`: what it says is the cause. `phase`: of a wire call."""

    position: int
    kind: str
    at: str
    code: str | None = None
    endpoint: str | None = None
    phase: str | None = None


@dataclass(frozen=True, slots=True)
class ModeChange:
    position: int
    at: str
    mode: str
    cause: str | None = None
    rule: str | None = None
    deadline: str | None = None


@dataclass(frozen=True, slots=True)
class Outage:
    """`hypothesis`: the evidence that explains it best so far, None when there is none. `debt`: (instant, invoices that wait)
    over time, thinned out. `sums`: by taxpayer. `list_digest`: SM3 of the list of what was issued, once it is closed."""

    id: int
    channel: str
    begun_at: datetime
    back_at: datetime | None = None
    drained_at: datetime | None = None
    closed_at: datetime | None = None
    hypothesis: Evidence | None = None
    evidence: tuple[Evidence, ...] = ()
    modes: tuple[ModeChange, ...] = ()
    debt: tuple[tuple[str, int], ...] = ()
    sums: Mapping[str, OutageSums] = field(default_factory=dict)
    counted_at: datetime | None = None
    list_digest: str | None = None
    report: bytes = b""

    @property
    def total(self) -> OutageSums:
        return sum(self.sums.values(), OutageSums())


def begins(outage_id: int, event: Event, known: tuple[Evidence, ...]) -> Outage:
    """The outage that this change of mode begins. `known`: recent evidence about the channel."""
    change = _change(event)
    started = Outage(outage_id, str(event.data["channel"]), event.at, modes=(change,))
    for one in known:
        started = with_evidence(started, one)
    if started.hypothesis is None:
        started = replace(started, hypothesis=Evidence(event.position, event.kind, change.at, change.cause))
    return started


def goes_on(outage: Outage, event: Event) -> Outage:
    """After a further change of the channel's mode."""
    change = _change(event)
    after = replace(outage, modes=_bounded((*outage.modes, change), MOST_MODES))
    if change.mode == Mode.ONLINE:
        return replace(after, back_at=outage.back_at or event.at)
    return replace(after, back_at=None, drained_at=None)


def with_evidence(outage: Outage, one: Evidence) -> Outage:
    """The first cause that is seen stays the hypothesis: what comes later is often its consequence."""
    if any(known.position == one.position for known in outage.evidence):
        return outage
    supposed = outage.hypothesis is None or outage.hypothesis.kind == MODE_CHANGED
    hypothesis = one if supposed and one.kind in CAUSES else outage.hypothesis
    return replace(outage, hypothesis=hypothesis, evidence=_bounded((*outage.evidence, one), MOST_EVIDENCE))


def counted(outage: Outage, sums: Mapping[str, OutageSums], now: datetime) -> Outage:
    """What was counted now becomes a point of the line of debt; what is drained for the first time is noted."""
    after = replace(outage, sums=dict(sums), counted_at=now)
    waiting = after.total.waiting
    drained = outage.drained_at or now if outage.back_at is not None and waiting == 0 else None
    return replace(after, drained_at=drained, debt=_thinned((*outage.debt, (now.isoformat(), waiting))))


def evidence_of(event: Event) -> Evidence:
    """`connect.refused` names its phase by its first word."""
    cause = _word(event, "cause") or _word(event, "reason") or _word(event, "mode") or _word(event, "announcement")
    cause = cause or _word(event, "host") or _word(event, "kind")
    first = (cause or "").partition(".")[0]
    phase = first if first in PHASES else None
    return Evidence(event.position, event.kind, event.at.isoformat(), cause, _word(event, "endpoint"), phase)


def is_readable(event: Event) -> bool:
    """A change of a channel's mode whose data are what they should be."""
    mode, channel = event.data.get("mode"), event.data.get("channel")
    return isinstance(channel, str) and bool(channel) and isinstance(mode, str) and mode in set(Mode)


def row_of(outage: Outage) -> OutageRow:
    stamps = (outage.begun_at, outage.back_at, outage.drained_at, outage.closed_at)
    detail = {
        "hypothesis": asdict(outage.hypothesis) if outage.hypothesis else None,
        "evidence": [asdict(one) for one in outage.evidence],
        "modes": [asdict(one) for one in outage.modes],
        "debt": outage.debt,
        "sums": {taxpayer: asdict(sums) for taxpayer, sums in outage.sums.items()},
        "counted_at": outage.counted_at.isoformat() if outage.counted_at else None,
        "list_digest": outage.list_digest,
    }
    text = json.dumps(detail, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return OutageRow(outage.id, outage.channel, *stamps, text, outage.report)


def outage_of(row: OutageRow) -> Outage:
    detail: dict[str, Any] = json.loads(row.detail)
    hypothesis = detail["hypothesis"]
    counted_at = detail["counted_at"]
    return Outage(
        row.id,
        row.channel,
        row.begun_at,
        row.back_at,
        row.drained_at,
        row.closed_at,
        Evidence(**hypothesis) if hypothesis else None,
        tuple(Evidence(**one) for one in detail["evidence"]),
        tuple(ModeChange(**one) for one in detail["modes"]),
        tuple((at, count) for at, count in detail["debt"]),
        {taxpayer: OutageSums(**sums) for taxpayer, sums in detail["sums"].items()},
        datetime.fromisoformat(counted_at) if counted_at else None,
        detail["list_digest"],
        row.report,
    )


def _change(event: Event) -> ModeChange:
    words = (_word(event, name) for name in ("cause", "rule", "deadline"))
    return ModeChange(event.position, event.at.isoformat(), str(event.data["mode"]), *words)


def _word(event: Event, name: str) -> str | None:
    value = event.data.get(name)
    return value[:TEXT_LIMIT] if isinstance(value, str) else None


def _bounded(items: tuple[T, ...], most: int) -> tuple[T, ...]:
    """The first half stays, of the rest the latest: how it began and how it stands."""
    return items if len(items) <= most else items[: most // 2] + items[-(most - most // 2) :]


def _thinned(samples: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    """Every second one goes when they are too many; the first, the last and the highest stay."""
    if len(samples) <= MOST_SAMPLES:
        return samples
    highest = max(range(len(samples)), key=lambda place: samples[place][1])
    kept = {*range(0, len(samples), 2), highest, len(samples) - 1}
    return tuple(samples[place] for place in sorted(kept))

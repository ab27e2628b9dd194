"""Faults to order: which calls they hit is drawn from their seed, so that a run can be repeated."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator

from kaipiao.authority.sandbox.bureau import CHANGING
from kaipiao.authority.sandbox.store import transaction

Kind = Literal[
    "refuse", "delay", "drop_answer", "late", "lose", "http_error", "too_many", "soft_logout", "wrong_order",
    "half_answer", "hang",
]  # fmt: skip
Phase = Literal["handshake", "reading", "answering"]

# Faults that mean something to some services only; other calls are no turn of theirs.
_ONLY: dict[Kind, frozenset[str]] = {"late": CHANGING, "wrong_order": frozenset({"CXQDFPSCJG"})}
_SECONDS: dict[Kind, tuple[float, float]] = {"refuse": (5, 5), "delay": (1, 1), "late": (10, 300)}


class Fault(BaseModel):
    """What is to go wrong. `seconds` are from–to, of the sandbox's clock; `count` is how often at most.

    services: fwbm codes, empty for all. phase: for delay. status: for http_error. after_commit: http_error, too_many,
    soft_logout and hang strike after the books were changed instead of before. answered: late, after an answer. form:
    of soft_logout."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")] = ""
    kind: Kind
    probability: float = Field(default=1.0, gt=0, le=1)
    count: int | None = Field(default=None, ge=1)
    services: tuple[str, ...] = ()
    seed: int = 0
    seconds: tuple[float, float] | None = None
    phase: Phase = "answering"
    status: int = Field(default=503, ge=500, le=599)
    after_commit: bool = False
    answered: bool = False
    form: Literal["error", "page"] = "error"

    @model_validator(mode="after")
    def _sound(self) -> Self:
        low, high = self.span()
        if not 0 <= low <= high <= 86_400:
            raise ValueError("seconds must be from–to, at most a day")
        if self.services and self.kind == "delay" and self.phase == "handshake":
            raise ValueError("before the handshake no service is known")
        return self

    def span(self) -> tuple[float, float]:
        return self.seconds or _SECONDS.get(self.kind, (0.0, 0.0))

    def at_once(self) -> bool:
        """A certain refusal closes the listener when it is set, not at the next call."""
        return self.kind == "refuse" and self.probability == 1


@dataclass(slots=True)
class _Active:
    fault: Fault
    seen: int
    hits: int


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault that hits one call. `seconds` is what was drawn from its span."""

    fault: Fault
    seconds: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What will go wrong with one call: any number of delays, at most one other thing."""

    delays: dict[Phase, float] = field(default_factory=dict)
    strike: Strike | None = None

    def is_(self, *kinds: Kind) -> bool:
        return self.strike is not None and self.strike.fault.kind in kinds


def named(faults: Sequence[Fault]) -> tuple[Fault, ...]:
    """Faults without an id get one by their place: f1, f2, … Raises ValueError for an id that stands twice."""
    all_named = tuple(fault.model_copy(update={"id": fault.id or f"f{at}"}) for at, fault in enumerate(faults, 1))
    if len({fault.id for fault in all_named}) < len(all_named):
        raise ValueError("an id stands twice")
    return all_named


FAULTS: TypeAdapter[tuple[Fault, ...]] = TypeAdapter(Annotated[tuple[Fault, ...], AfterValidator(named)])


class FaultBook:
    """The faults that are set, kept in the books so that they survive a restart. For one thread."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        rows = db.execute("SELECT spec, seen, hits FROM fault ORDER BY position").fetchall()
        self._active = [_Active(Fault.model_validate_json(spec), seen, hits) for spec, seen, hits in rows]

    def set(self, faults: Sequence[Fault]) -> None:
        """Replace them all; see `named`."""
        following = named(faults)
        with transaction(self._db):
            self._db.execute("DELETE FROM fault")
            rows = [(fault.id, at, fault.model_dump_json()) for at, fault in enumerate(following)]
            self._db.executemany("INSERT INTO fault (id, position, spec) VALUES (?, ?, ?)", rows)
        self._active = [_Active(fault, 0, 0) for fault in following]

    def listed(self) -> list[dict[str, object]]:
        return [{**entry.fault.model_dump(), "seen": entry.seen, "hits": entry.hits} for entry in self._active]

    def strike_at_once(self) -> list[Strike]:
        """The certain refusals that have not struck yet."""
        due = [entry for entry in self._active if entry.fault.at_once() and not entry.hits]
        return [strike for entry in due if (strike := self._strike(entry)) is not None]

    def before_handshake(self) -> float:
        """Seconds to wait before the handshake of a new connection."""
        early = [e for e in self._active if e.fault.kind == "delay" and e.fault.phase == "handshake"]
        return sum(strike.seconds for strike in self._strikes(early))

    def plan(self, service: str) -> Plan:
        """Draw what will happen to a call of this service."""
        delays: dict[Phase, float] = {}
        for strike in self._strikes(e for e in self._applying(service) if e.fault.kind == "delay"):
            delays[strike.fault.phase] = delays.get(strike.fault.phase, 0.0) + strike.seconds
        others = self._strikes(e for e in self._applying(service) if e.fault.kind != "delay")
        return Plan(delays, next(iter(others), None))

    def _applying(self, service: str) -> list[_Active]:
        return [
            entry
            for entry in self._active
            if (not entry.fault.services or service in entry.fault.services)
            and service in _ONLY.get(entry.fault.kind, {service})
            and not entry.fault.at_once()
            and not (entry.fault.kind == "delay" and entry.fault.phase == "handshake")
        ]

    def _strikes(self, entries: Iterable[_Active]) -> Iterable[Strike]:
        for entry in entries:
            strike = self._strike(entry)
            if strike is not None:
                yield strike

    def _strike(self, entry: _Active) -> Strike | None:
        fault = entry.fault
        if fault.count is not None and entry.hits >= fault.count:
            return None
        entry.seen += 1
        if _draw(fault, entry.seen, "hit") >= fault.probability:
            return None
        entry.hits += 1
        self._db.execute("UPDATE fault SET seen = ?, hits = ? WHERE id = ?", (entry.seen, entry.hits, fault.id))
        low, high = fault.span()
        return Strike(fault, low + (high - low) * _draw(fault, entry.seen, "seconds"))


def _draw(fault: Fault, turn: int, purpose: str) -> float:
    """A number in [0, 1) that depends on seed, id and turn alone."""
    digest = hashlib.sha256(f"{fault.seed}:{fault.id}:{turn}:{purpose}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64

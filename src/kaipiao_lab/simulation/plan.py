"""What befalls a world, drawn from its seed before it begins: phases of calm trade, faults, outages, nights, turns of month."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from kaipiao.authority.channel import Capabilities
from kaipiao.issuing.policy import Policy
from kaipiao_lab.simulation.ledger_faults import Weather
from kaipiao_lab.simulation.rulebook import HOUR, Rulebook
from kaipiao_lab.simulation.wire_weather import LYING, STORMY, WireWeather

# Instants of the platform's clock at which a world may begin: an ordinary day, and shortly before each turn that counts.
STARTS = {
    "ordinary": datetime(2026, 11, 3, 2, 0, tzinfo=UTC),
    "month end": datetime(2026, 11, 30, 15, 50, tzinfo=UTC),
    "the 13th": datetime(2026, 11, 30, 4, 0, tzinfo=UTC),  # and a jump to the 12th in the evening
    "year end": datetime(2026, 12, 31, 15, 45, tzinfo=UTC),
}


HIDING = 5  # every so many-th world's bureau is one that hides and refuses


@dataclass(slots=True)
class Phase:
    """`seconds` of the machine's, at `speed`; `orders` placed meanwhile; `kills`, `pauses`, `jumps`: how many."""

    name: str
    seconds: float
    speed: float
    orders: int = 0
    kills: int = 0
    pauses: int = 0
    jumps: int = 0
    stops: int = 0  # clean restarts
    ledger: Weather = field(default_factory=Weather)
    wire: WireWeather = field(default_factory=WireWeather)
    no_standing: bool = False
    no_quota: bool = False


@dataclass(slots=True)
class Plan:
    seed: int
    start: str
    nodes: int
    sellers: int
    rules: Rulebook
    capabilities: Capabilities
    policy: Policy
    phases: list[Phase]


def plan_of(seed: int) -> Plan:
    chance = random.Random(f"plan {seed}")  # noqa: S311 — repeatable, no secret
    start = chance.choices(list(STARTS), [6, 2, 1, 2])[0]
    hiding = seed % HIDING == 0
    rules = Rulebook(
        hide=20 * HOUR if hiding else chance.choice([0.0, 900.0, 20 * HOUR]),
        quota_total=Decimal(chance.choice([1_000_000, 1_000_000, 12_000])),
        quota_days=chance.choice([None, None, None, 1.0]),
        refuses_first=hiding or chance.random() < 0.5,
    )
    capabilities = Capabilities(
        number_first=True,
        upload_batch=chance.choice([1, 5, 100]),
        segment_limit=rules.segment_limit,
        settle=600.0,
        visibility=24 * HOUR,
        upload_window=rules.upload_window,
        result_window=rules.result_window,
        first_poll=10.0,
        poll_max=600.0,
        ask_spacing=60.0,
        calls_per_second=rules.calls_per_second,
    )
    nodes = chance.choices([1, 2, 3], [5, 3, 2])[0]
    return Plan(
        seed,
        start,
        nodes,
        chance.choice([1, 2, 3]),
        rules,
        capabilities,
        _policy(chance),
        _phases(chance, start, hiding),
    )


def _policy(chance: random.Random) -> Policy:
    """Small blocks and short leases, so that all of it happens in a hundred orders."""
    return Policy(
        block_size=chance.choice([5, 10, 40]),
        block_low=4,
        lease_seconds=3.0,
        shard_seconds=4.0,
        segment_size=60,
        quota_step=Decimal(3000),
        commit_patience=1.0,
        errand_patience=0.1,
        abandoned_seconds=900.0,
        stop_grace=2.0,
        numbering_retry=600.0,
        numbering_rest=2.0,
        numbering_batch=chance.choice([4, 64]),
        loop_rest=2.0,
    )


def _phases(chance: random.Random, start: str, hiding: bool) -> list[Phase]:
    phases = [_trade(chance, orders=12)]
    if start == "the 13th":
        phases += [Phase("to the 12th", 6.0, 11.6 * 24 * HOUR / 6, ledger=Weather(), wire=WireWeather())]
    phases += [_denial(chance)] if hiding else []
    for _ in range(chance.randint(2, 4) if hiding else chance.randint(3, 5)):
        phases.append(chance.choices([_trade, _storm, _outage, _night], [3, 5, 2, 2])[0](chance))
    return phases


def _denial(chance: random.Random) -> Phase:
    """Answers are lost, and the bureau refuses what it holds and does not show: many denials that are none."""
    wire = WireWeather(unheard=0.3, refused=0.15)
    return Phase("denial", 14.0, 240.0, _orders(chance), pauses=chance.randint(0, 1), wire=wire)


def _orders(chance: random.Random) -> int:
    return chance.randint(22, 42)


def _trade(chance: random.Random, orders: int | None = None) -> Phase:
    return Phase("trade", 5.0, chance.choice([1.0, 10.0, 60.0]), orders or _orders(chance), stops=chance.randint(0, 1))


def _storm(chance: random.Random) -> Phase:
    """Faults of ledger and wire at once, kills, pauses, jumps of the clock."""
    share = chance.choice([0.3, 1.0, 2.0])
    return Phase(
        "storm", 8.0, chance.choice([5.0, 60.0, 300.0]), _orders(chance), kills=chance.randint(0, 3),
        pauses=chance.randint(0, 2), jumps=chance.randint(0, 1),
        ledger=Weather(fault=0.03 * share, doubt=0.05 * share, slow=0.3),
        wire=WireWeather(
            lost=0.04 * share, unheard=0.04 * share, words=STORMY, poll_words=LYING, late=0.1 * share,
            poisoned=0.02 * share, unreadable=0.02 * share, refused=chance.choice([0.0, 0.03, 0.1]),
            foreign=chance.choice([0.0, 0.05]),
        ),
    )  # fmt: skip


def _outage(chance: random.Random) -> Phase:
    """Of minutes to twenty hours, with trade going on."""
    seconds = 6.0
    length = chance.choice([600.0, HOUR, 3 * HOUR, 20 * HOUR])
    away = chance.random() < 0.15
    return Phase(
        "outage", seconds, length / seconds, _orders(chance), kills=chance.randint(0, 1), pauses=chance.randint(0, 1),
        ledger=Weather(slow=0.1, fault=0.02), no_standing=chance.random() < 0.15, no_quota=chance.random() < 0.15,
        wire=WireWeather(outage=chance.choice([None, "gone", "silent", "deaf", "busy"]) if not away else "gone"),
    )  # fmt: skip


def _night(chance: random.Random) -> Phase:
    """Over result windows and upload windows; sometimes the bureau is away, so that windows close."""
    hours = chance.choice([13.0, 25.0, 50.0])
    away = chance.random() < 0.5
    wire = WireWeather(outage=chance.choice(["gone", "silent", "deaf"]) if away else None, unheard=0.15,
        refused=chance.choice([0.0, 0.15]),
    )  # fmt: skip
    return Phase("night", 8.0, hours * HOUR / 8.0, 14, kills=chance.randint(0, 1), wire=wire)

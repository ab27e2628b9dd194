"""From what is known to the mode of each channel, and of each taxpayer on it (R9). Pure: the same inputs at the same instant
give the same answer on every node.

A worse mode counts at once. A better one counts when it has lasted: an endpoint that came back is distrusted for `HOLD`,
twice as long for each opening of the last ten minutes, five minutes at most.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from kaipiao.issuing.announcements import Announced, Announcement, standing
from kaipiao.issuing.mode_inputs import AUTO, FLAPPING, Inputs, Order, Seen, Stamp, Way
from kaipiao.issuing.modes import Mode, ModeState
from kaipiao.issuing.verdicts import Verdict

HOLD = timedelta(seconds=30)
LONGEST_HOLD = timedelta(seconds=300)
Key = tuple[str | None, str]  # taxpayer (None: of the channel), channel

# A failure that by itself says that it is ours: nothing out there was even asked.
OURS = frozenset({"connect.failed", "queue.timeout", "handshake.client_certificate_refused"})
# The far side, or what stands before it, answered: it is there, and the fault is not on our way to it.
THEIRS = frozenset({"connect.refused"})
OUR_PHASES = ("resolve.", "connect.")


@dataclass(frozen=True, slots=True)
class Setup:
    """What does not come from events. `endpoints`: of each channel. `workers`: the nodes that make calls for a channel's
    taxpayers. `holders`: which node works for a taxpayer. `places`: (taxpayer, channel) that are served."""

    endpoints: Mapping[str, Collection[str]]
    workers: Mapping[str, Collection[str]] = field(default_factory=dict)
    holders: Mapping[str, str] = field(default_factory=dict)
    places: Collection[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class _Down:
    """A way that is not to be trusted now."""

    since: datetime
    position: int
    cause: str


def derive(
    inputs: Inputs, setup: Setup, now: datetime, verdicts: Mapping[str, Verdict], budgets: Mapping[Key, str]
) -> dict[Key, ModeState]:
    """The states of all channels, and of the taxpayers whose mode is another. `budgets`: by (taxpayer, channel) the bound
    whose end stops all kinds of invoice."""
    down = {way: one for way, seen in inputs.ways.items() if (one := _down(way, seen, inputs, now)) is not None}
    channels = {name: _channel(name, inputs, setup, down, now, verdicts) for name in setup.endpoints}
    states: dict[Key, ModeState] = {(None, name): state for name, state in channels.items()}
    for taxpayer, name in setup.places:
        own = _of_taxpayer(taxpayer, channels[name], inputs, setup, down, now, budgets.get((taxpayer, name)))
        if own is not None and (own.mode, own.cause) != (channels[name].mode, channels[name].cause):
            states[(taxpayer, name)] = own
    return states


def _channel(
    name: str, inputs: Inputs, setup: Setup, down: Mapping[Way, _Down], now: datetime, verdicts: Mapping[str, Verdict]
) -> ModeState:
    order = inputs.orders.get((None, name))
    if order is not None and order.mode != AUTO:
        return _ordered(None, name, order)
    said = [a for a in standing(inputs.said()) if a.channel == name and a.holds(now)]
    planned = [a for a in said if a.kind is Announced.MAINTENANCE]
    if planned:
        return _announced(name, Mode.CONTINGENCY_PLANNED, "authority.maintenance", planned)
    failed = [a for a in said if a.kind is Announced.FAILURE]
    workers = setup.workers.get(name) or {way.node for way in down}
    ways = {way: one for way, one in down.items() if way.channel == name and way.node in workers}
    lost = _lost_nodes(name, setup, ways)
    if ways and all(node in lost for node in workers):
        return _away(name, ways, failed, setup, down, now, verdicts)
    if failed:
        return _announced(name, Mode.CONTINGENCY_FAILURE, "authority.failure", failed)
    if ways:
        cause = "own.node_unreachable" if any(node in lost for node in workers) else "breaker.partial"
        return _broken(name, None, Mode.DEGRADED, cause, ways.values())
    return _slow_or_well(name, inputs, now)


def _slow_or_well(name: str, inputs: Inputs, now: datetime) -> ModeState:
    slow = [
        seen.slow
        for way, seen in inputs.ways.items()
        if way.channel == name and seen.slow is not None and not _over(seen.slow, seen.quick, way, inputs)
    ]
    if slow:
        return ModeState(
            name,
            None,
            Mode.DEGRADED,
            "endpoint.slow",
            min(s.at for s in slow),
            evidence=tuple(s.position for s in slow),
        )
    return ModeState(name, None, Mode.ONLINE, "reached", now)


def _away(
    name: str,
    ways: Mapping[Way, _Down],
    failed: list[Announcement],
    setup: Setup,
    down: Mapping[Way, _Down],
    now: datetime,
    verdicts: Mapping[str, Verdict],
) -> ModeState:
    """No node that calls it reaches it."""
    verdict = verdicts.get(name)
    if verdict is not None and verdict.at <= now < verdict.until:
        return _broken(name, None, verdict.mode, verdict.cause, ways.values())
    if failed:
        return _announced(name, Mode.CONTINGENCY_FAILURE, "authority.failure", failed)
    causes = {one.cause for one in ways.values()}
    if causes <= OURS:
        return _broken(name, None, Mode.OFFLINE, "own.fault", ways.values())
    if not causes & THEIRS and all(c.startswith(OUR_PHASES) for c in causes) and _another_reached(name, setup, down):
        return _broken(name, None, Mode.OFFLINE, "own.unreachable", ways.values())
    return _broken(name, None, Mode.CONTINGENCY_FAILURE, "breaker.open", ways.values())


def _another_reached(name: str, setup: Setup, down: Mapping[Way, _Down]) -> bool:
    """Whether a node of ours reaches another channel with every endpoint of it: the network is there."""
    troubled = {way.channel for way in down}
    return any(other != name and other not in troubled and setup.workers.get(other) for other in setup.endpoints)


def _of_taxpayer(
    taxpayer: str,
    channel: ModeState,
    inputs: Inputs,
    setup: Setup,
    down: Mapping[Way, _Down],
    now: datetime,
    bound: str | None,
) -> ModeState | None:
    """Its own state; None: the channel's."""
    name = channel.channel
    if channel.mode is Mode.HALTED:
        return None  # nothing releases one taxpayer from a halted channel
    order = inputs.orders.get((taxpayer, name))
    if order is not None and order.mode != AUTO:
        return _ordered(taxpayer, name, order)
    if bound is not None:
        return ModeState(name, taxpayer, Mode.HALTED, f"budget.{bound}", now)
    holder = setup.holders.get(taxpayer)
    ways = {way: one for way, one in down.items() if way.channel == name and way.node == holder}
    if channel.mode is Mode.DEGRADED and holder in _lost_nodes(name, setup, ways):
        return _broken(name, taxpayer, Mode.OFFLINE, "own.node_unreachable", ways.values())
    return None


def _lost_nodes(name: str, setup: Setup, ways: Mapping[Way, _Down]) -> set[str]:
    """The nodes that trust no endpoint of the channel."""
    endpoints = set(setup.endpoints[name])
    nodes = {way.node for way in ways}
    return {node for node in nodes if endpoints <= {way.endpoint for way in ways if way.node == node}}


def _down(way: Way, seen: Seen, inputs: Inputs, now: datetime) -> _Down | None:
    if seen.opened is None:
        return None
    ends = [s for s in (seen.closed, inputs.nodes.get(way.node)) if s is not None and s > seen.opened]
    if ends and now >= min(ends).at + _hold(seen, min(ends).at):
        return None
    return _Down(seen.opened.at, seen.opened.position, seen.cause or "unknown")


def _hold(seen: Seen, closed: datetime) -> timedelta:
    openings = sum(closed - FLAPPING < at <= closed for at in seen.openings)
    return min(HOLD * float(2 ** max(0, openings - 1)), LONGEST_HOLD)


def _over(began: Stamp, ended: Stamp | None, way: Way, inputs: Inputs) -> bool:
    later = [s for s in (ended, inputs.nodes.get(way.node)) if s is not None]
    return any(s > began for s in later)


def _ordered(taxpayer: str | None, name: str, order: Order) -> ModeState:
    return ModeState(name, taxpayer, Mode(order.mode), "operator", order.stamp.at, evidence=(order.stamp.position,))


def _announced(name: str, mode: Mode, cause: str, said: list[Announcement]) -> ModeState:
    return ModeState(name, None, mode, cause, min(a.begin for a in said), evidence=tuple(a.position for a in said))


def _broken(name: str, taxpayer: str | None, mode: Mode, cause: str, ways: Iterable[_Down]) -> ModeState:
    every = sorted(ways, key=lambda one: one.position)
    since = max(one.since for one in every)
    return ModeState(name, taxpayer, mode, cause, since, evidence=tuple(one.position for one in every[:20]))


def kept_since(states: Mapping[Key, ModeState], before: Mapping[Key, ModeState]) -> dict[Key, ModeState]:
    """A state that goes on keeps its beginning; its evidence is what it is now."""
    return {
        key: replace(state, since=old.since)
        if (old := before.get(key)) is not None and (old.mode, old.cause) == (state.mode, state.cause)
        else state
        for key, state in states.items()
    }

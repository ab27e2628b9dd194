"""What modes are derived from: the events of the trail, folded. Pure.

The fold does not depend on the order in which events arrive: of each thing the one farthest on in the trail counts, never the
one with the later instant, for a clock may have been wrong. So nodes that read the same events know the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from kaipiao.clock import SHANGHAI
from kaipiao.issuing.announcements import KEPT, Announcement, of_data
from kaipiao.issuing.modes import Mode
from kaipiao.ledger.port import Event

AUTO = "auto"
OPENED, CLOSED, SLOW, QUICK = "breaker.opened", "breaker.closed", "endpoint.slow", "endpoint.quick"
STARTED, STOPPED = "node.started", "node.stopped"
ANNOUNCED, WITHDRAWN, ORDERED = "authority.announced", "authority.withdrawn", "operator.mode"
KINDS = frozenset({OPENED, CLOSED, SLOW, QUICK, STARTED, STOPPED, ANNOUNCED, WITHDRAWN, ORDERED})
FLAPPING = timedelta(seconds=600)  # openings so far back count for how long one is distrusted
MOST_OPENINGS = 8
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, order=True)
class Stamp:
    """When something was last so, in the order of the trail."""

    at: datetime = field(compare=False)
    position: int


@dataclass(frozen=True, slots=True)
class Way:
    """From one node to one endpoint of a channel."""

    channel: str
    endpoint: str
    node: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What a node's breaker said of a way. `openings`: the latest instants, ascending."""

    opened: Stamp | None = None
    closed: Stamp | None = None
    slow: Stamp | None = None
    quick: Stamp | None = None
    cause: str | None = None  # of the last opening
    openings: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """The operator's last word on a channel, or on one taxpayer on it. `mode`: a mode or `auto`."""

    mode: str
    reason: str
    actor: str | None
    stamp: Stamp


@dataclass(slots=True)
class Inputs:
    """`position`: all events up to it are in."""

    position: int = 0
    ways: dict[Way, Seen] = field(default_factory=dict)
    nodes: dict[str, Stamp] = field(default_factory=dict)  # started or stopped last: its breakers begin closed
    announcements: dict[str, Announcement] = field(default_factory=dict)
    withdrawn: dict[str, Stamp] = field(default_factory=dict)
    orders: dict[tuple[str | None, str], Order] = field(default_factory=dict)  # by taxpayer (None: all) and channel

    def take(self, events: Iterable[Event]) -> None:
        for event in events:
            _TAKE[event.kind](self, event, Stamp(event.at, event.position))
            self.position = max(self.position, event.position)

    def forget(self, now: datetime) -> None:
        """What says nothing any more."""
        for way in [w for w, s in self.ways.items() if _settled(s, self.nodes.get(w.node), now - DAY)]:
            del self.ways[way]
        for node in [
            n for n, stamp in self.nodes.items() if stamp.at < now - DAY and all(w.node != n for w in self.ways)
        ]:
            del self.nodes[node]
        old = [a.id for a in self.announcements.values() if (a.end or a.begin) + KEPT < now]
        for name in old:
            del self.announcements[name]
        for name in [n for n, stamp in self.withdrawn.items() if stamp.at + KEPT < now]:
            del self.withdrawn[name]
        for key in [k for k, order in self.orders.items() if order.mode == AUTO and order.stamp.at < now - DAY]:
            del self.orders[key]

    def said(self) -> list[Announcement]:
        """The announcements with what was withdrawn, by their beginning."""
        every = [replace(a, withdrawn=a.id in self.withdrawn) for a in self.announcements.values()]
        return sorted(every, key=lambda a: (a.begin, a.id))


def _settled(seen: Seen, node: Stamp | None, since: datetime) -> bool:
    """`node`: when its node started or stopped last."""
    stamps = [s for s in (seen.opened, seen.closed, seen.slow, seen.quick, node) if s is not None]
    lasts = _lasts(seen.opened, seen.closed, node) or _lasts(seen.slow, seen.quick, node)
    return not lasts and all(stamp.at < since for stamp in stamps)


def _lasts(began: Stamp | None, ended: Stamp | None, node: Stamp | None) -> bool:
    return began is not None and not any(end > began for end in (ended, node) if end is not None)


def _later(one: Stamp | None, other: Stamp) -> Stamp:
    return other if one is None else max(one, other)


def _take_way(inputs: Inputs, event: Event, stamp: Stamp) -> None:
    names = [event.data.get(name) for name in ("channel", "endpoint", "node")]
    if not all(isinstance(name, str) for name in names):
        return
    way = Way(*map(str, names))
    seen = inputs.ways.get(way, Seen())
    if event.kind == OPENED:
        latest = seen.opened is None or stamp > seen.opened
        openings = tuple(sorted({*seen.openings, event.at}))[-MOST_OPENINGS:]
        cause = event.data.get("cause")
        seen = replace(
            seen,
            opened=_later(seen.opened, stamp),
            openings=openings,
            cause=(cause if isinstance(cause, str) else None) if latest else seen.cause,
        )
    elif event.kind == CLOSED:
        seen = replace(seen, closed=_later(seen.closed, stamp))
    elif event.kind == SLOW:
        seen = replace(seen, slow=_later(seen.slow, stamp))
    else:
        seen = replace(seen, quick=_later(seen.quick, stamp))
    inputs.ways[way] = seen


def _take_node(inputs: Inputs, event: Event, stamp: Stamp) -> None:
    node = event.data.get("node")
    if isinstance(node, str):
        inputs.nodes[node] = _later(inputs.nodes.get(node), stamp)


def _take_announcement(inputs: Inputs, event: Event, stamp: Stamp) -> None:
    found = of_data(event.data, event.position)
    if found is not None:
        known = inputs.announcements.get(found.id)
        if known is None or known.position > found.position:  # an id is said once; the first counts
            inputs.announcements[found.id] = found


def _take_withdrawal(inputs: Inputs, event: Event, stamp: Stamp) -> None:
    name = event.data.get("id")
    if isinstance(name, str):
        inputs.withdrawn[name] = _later(inputs.withdrawn.get(name), stamp)


def _take_order(inputs: Inputs, event: Event, stamp: Stamp) -> None:
    channel, taxpayer, mode = (event.data.get(name) for name in ("channel", "taxpayer", "mode"))
    if not isinstance(channel, str) or mode not in (AUTO, *Mode):
        return
    key = (taxpayer if isinstance(taxpayer, str) else None, channel)
    known = inputs.orders.get(key)
    if known is None or stamp > known.stamp:
        actor = event.data.get("actor")
        reason = str(event.data.get("reason") or "")
        inputs.orders[key] = Order(str(mode), reason, actor if isinstance(actor, str) else None, stamp)


_TAKE = {
    OPENED: _take_way,
    CLOSED: _take_way,
    SLOW: _take_way,
    QUICK: _take_way,
    STARTED: _take_node,
    STOPPED: _take_node,
    ANNOUNCED: _take_announcement,
    WITHDRAWN: _take_withdrawal,
    ORDERED: _take_order,
}


# --- as a checkpoint --------------------------------------------------------------------------------------------------


def to_json(inputs: Inputs) -> dict[str, Any]:
    return {
        "position": inputs.position,
        "ways": [
            [w.channel, w.endpoint, w.node, *map(_stamp, (s.opened, s.closed, s.slow, s.quick)), s.cause,
             [at.isoformat() for at in s.openings]]
            for w, s in inputs.ways.items()
        ],
        "nodes": {node: _stamp(stamp) for node, stamp in inputs.nodes.items()},
        "announcements": [[a.position, a.data()] for a in inputs.announcements.values()],
        "withdrawn": {name: _stamp(stamp) for name, stamp in inputs.withdrawn.items()},
        "orders": [[*key, o.mode, o.reason, o.actor, _stamp(o.stamp)] for key, o in inputs.orders.items()],
    }  # fmt: skip


def of_json(found: dict[str, Any]) -> Inputs:
    inputs = Inputs(found["position"])
    for channel, endpoint, node, opened, closed, slow, quick, cause, openings in found["ways"]:
        times = tuple(map(datetime.fromisoformat, openings))
        seen = Seen(_stamp_of(opened), _stamp_of(closed), _stamp_of(slow), _stamp_of(quick), cause, times)
        inputs.ways[Way(channel, endpoint, node)] = seen
    inputs.nodes = {node: _there(stamp) for node, stamp in found["nodes"].items()}
    for position, data in found["announcements"]:
        known = of_data(data, position)
        if known is not None:
            inputs.announcements[known.id] = known
    inputs.withdrawn = {name: _there(stamp) for name, stamp in found["withdrawn"].items()}
    for taxpayer, channel, mode, reason, actor, stamp in found["orders"]:
        inputs.orders[(taxpayer, channel)] = Order(mode, reason, actor, _there(stamp))
    return inputs


def _stamp(stamp: Stamp | None) -> list[Any] | None:
    return None if stamp is None else [stamp.at.isoformat(), stamp.position]


def _stamp_of(found: list[Any] | None) -> Stamp | None:
    return None if found is None else _there(found)


def _there(found: list[Any]) -> Stamp:
    return Stamp(datetime.fromisoformat(found[0]), found[1])


def shown(instant: datetime) -> str:
    """As people read it."""
    return instant.astimezone(SHANGHAI).isoformat(timespec="seconds")

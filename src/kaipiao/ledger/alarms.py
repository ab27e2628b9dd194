"""Alarms, silences and the messages about them: what the desk of alarms keeps, the same on every node.

The desk is one row with a revision. Every change names the revision it was worked out from, and holds only while that is still
the present one: what was read, judged and told of an event happens once, whoever does it. Instants of alarms and silences are
of the platform's clock, those of messages real time; leases go by the ledger's own clock.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from kaipiao.ledger.port import Event, EventDraft

Value = str | int | bool | None


@dataclass(frozen=True, slots=True)
class AlarmDesk:
    """`position`: every event up to it was judged. `last_id`: of alarms, silences and messages, counted together."""

    revision: int
    position: int
    last_id: int


@dataclass(frozen=True, slots=True)
class Alarm:
    """What goes on of one sort for one group (`group`: the sort and the values that it is grouped by, as JSON). `count`: events;
    `first`, `last`: what these events said, with `kind_of_event`, `at` and `order`. `told_count`: the count when it was told last, `silenced`: how
    many came while a silence held."""

    id: int
    name: str
    group: str
    taxpayer: str | None
    severity: str
    opened_at: datetime
    last_at: datetime
    count: int
    first: Mapping[str, Value]
    last: Mapping[str, Value]
    silenced: int = 0
    told_at: datetime | None = None
    told_count: int = 0
    told_severity: str | None = None
    acked_at: datetime | None = None
    acked_by: str | None = None
    note: str | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None  # the kind of the event that ended it; "lapsed": nothing further came

    @property
    def is_open(self) -> bool:
        return self.closed_at is None


@dataclass(frozen=True, slots=True)
class Silence:
    """Alarms of this name (None: of any) and of this taxpayer (None: of any and of the platform) are not told until then.
    `hits`: events that fell under it."""

    id: int
    name: str | None
    taxpayer: str | None
    reason: str
    made_at: datetime
    made_by: str | None
    until: datetime
    hits: int = 0


class MessageState(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class Message:
    """In the books before it is sent. `key`: the same for every try, so that who gets it twice can tell. `route`: whose channels
    are tried in turn, `place` the present one's; `avoid`: channels that it is about. `epoch`: rises with every lease."""

    id: int
    key: str
    kind: str  # opened, repeated, recovered, test
    route: str
    made_at: datetime
    next_at: datetime
    title: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)
    avoid: tuple[str, ...] = ()
    state: MessageState = MessageState.WAITING
    place: int = 0
    tries: int = 0
    epoch: int = 0
    channel: str | None = None  # the last that was tried
    cause: str | None = None  # of the last failure
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AlarmChange:
    """All of it or nothing. `alarms` and `silences` are new or take the place of the ones of their id; `messages` are new."""

    revision: int  # that it was worked out from
    position: int
    last_id: int
    alarms: Sequence[Alarm] = ()
    silences: Sequence[Silence] = ()
    messages: Sequence[Message] = ()
    events: Sequence[EventDraft] = ()


@dataclass(frozen=True, slots=True)
class Outbox:
    """Messages that wait, and when the oldest of them was made."""

    waiting: int
    oldest: datetime | None


class AlarmBooks(Protocol):
    """The part of the ledger that is about alarms."""

    async def begin_alarms(self, position: int) -> None:
        """Make the desk, if there is none: what happened up to this position is no news."""
        ...

    async def hold_alarms(self, node: str, seconds: float) -> AlarmDesk | None:
        """The desk, if this node holds it now or takes it, for so long; None: another node has it."""
        ...

    async def release_alarms(self, node: str) -> None:
        """Let the desk go (clean shutdown)."""
        ...

    async def alarm_desk(self) -> AlarmDesk:
        """Whoever holds it. Before `begin_alarms`: at its beginning."""
        ...

    async def alarm_events(self, kinds: Collection[str], after: int, until: int, limit: int) -> list[Event]:
        """Events of these kinds with after < position ≤ until, in order; `until` not beyond `last_position`."""
        ...

    async def change_alarms(self, change: AlarmChange) -> bool:
        """False, and nothing is stored, when the revision is another by now."""
        ...

    async def alarms(
        self,
        *,
        taxpayers: Collection[str] | None = None,
        open_only: bool = False,
        after: int = 0,
        limit: int = 100,
    ) -> list[Alarm]:
        """By id, ids > after. `taxpayers`: only theirs, and none of the platform's own; None: all."""
        ...

    async def alarm(self, identity: int) -> Alarm | None: ...

    async def silences(self, ending_after: datetime) -> list[Silence]:
        """Those that end after this instant, by id."""
        ...

    async def lease_messages(self, node: str, now: datetime, seconds: float, limit: int) -> list[Message]:
        """Messages that wait and whose `next_at` has come, by id: leased to this node for so long, their epoch raised. One that
        is leased already comes again when its lease is over."""
        ...

    async def save_message(self, message: Message) -> bool:
        """What became of a leased one; its lease is over. False, and nothing is stored, when its epoch is another by now."""
        ...

    async def outbox(self) -> Outbox: ...

    async def forget_messages(self, ended_before: datetime) -> None: ...


# --- as text, for ledgers that store rows --------------------------------------------------------------------------------

T = TypeVar("T", Alarm, Silence, Message)
_INSTANTS = frozenset(
    {
        "opened_at",
        "last_at",
        "told_at",
        "acked_at",
        "closed_at",
        "made_at",
        "until",
        "next_at",
        "ended_at",
    }
)


def text_of(row: Alarm | Silence | Message) -> str:
    """JSON in ASCII: any text, also U+0000 and halves of surrogate pairs, can be stored everywhere."""
    values = {name: _plain(value) for name, value in asdict(row).items()}
    return json.dumps(values, ensure_ascii=True, separators=(",", ":"))


def row_of(kind: type[T], text: str, **newer: object) -> T:
    """What `text_of` wrote down; `newer`: columns that count more."""
    values: dict[str, Any] = json.loads(text)
    for name in _INSTANTS & values.keys():
        values[name] = None if values[name] is None else datetime.fromisoformat(values[name])
    if kind is Message:
        values["avoid"], values["state"] = tuple(values["avoid"]), MessageState(values["state"])
    known = {one.name for one in fields(kind)}
    return kind(**{name: value for name, value in {**values, **newer}.items() if name in known})


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value

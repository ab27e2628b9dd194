"""What the memory ledger holds of alarms."""

from __future__ import annotations

from dataclasses import dataclass, field

from kaipiao.ledger.alarms import Alarm, AlarmDesk, Message, Silence


@dataclass(slots=True)
class AlarmTables:
    """`holder`: who has the desk, and until when by the lease clock. `leases`: of messages, by id."""

    desk: AlarmDesk | None = None
    holder: tuple[str, float] | None = None
    alarms: dict[int, Alarm] = field(default_factory=dict)
    silences: dict[int, Silence] = field(default_factory=dict)
    messages: dict[int, Message] = field(default_factory=dict)
    leases: dict[int, float] = field(default_factory=dict)

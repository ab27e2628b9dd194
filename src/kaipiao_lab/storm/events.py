"""What happens in a storm: each event is one thing that goes wrong, drawn from the seed."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping

from kaipiao_lab.chaos import faults
from kaipiao_lab.postgresql import Server
from kaipiao_lab.powercut.platform import FailingPower
from kaipiao_lab.powercut.restore import Remainder
from kaipiao_lab.processes import put, wait_ready
from kaipiao_lab.storm.stand import Stand
from kaipiao_lab.storm.wire import Wire

# How often each happens, of 100. `database` and `power` each where they can.
WEIGHTS: Mapping[str, int] = {
    "kill platform": 12,
    "kill bureau": 10,
    "kill database": 12,
    "power cut": 14,
    "wire to bureau cut": 8,
    "wire to platform cut": 6,
    "wire to bureau held": 6,
    "half answer of bureau": 6,
    "half answer of platform": 6,
    "late commit": 8,
    "answer lost": 6,
    "failed after commit": 5,
    "request lost": 5,
    "hang": 4,
    "clock jump": 8,
}
_ONCE: Mapping[str, dict[str, object]] = {
    "late commit": {"kind": "late", "seconds": [10, 300], "services": ["QDFPSC"]},
    "answer lost": {"kind": "drop_answer", "services": ["QDFPSC"]},
    "failed after commit": {"kind": "http_error", "status": 502, "after_commit": True, "services": ["QDFPSC"]},
    "request lost": {"kind": "lose", "services": ["QDFPSC"]},
    "hang": {"kind": "hang", "services": ["QDFPSC", "CXQDFPSCJG"]},
}
KILLS = frozenset({"kill platform", "kill bureau", "kill database", "power cut"})


class Weather:
    """Makes events happen to one stand. With a server it may kill the database, with a failing platform cut its power."""

    def __init__(self, stand: Stand, seed: int, server: Server | None) -> None:
        self._stand = stand
        self._server = server
        self._seed = seed
        self._chance = random.Random(seed)  # noqa: S311 — repeatable, no secret
        self.happened: Counter[str] = Counter()
        self._ways: dict[str, Callable[[], None]] = {
            "kill platform": self._kill_platform,
            "kill bureau": self._kill_bureau,
            "kill database": self._kill_database,
            "power cut": self._cut_power,
            "wire to bureau cut": lambda: self._note_cut(stand.to_bureau.cut()),
            "wire to platform cut": lambda: self._note_cut(self._a_wire().cut()),
            "wire to bureau held": lambda: stand.to_bureau.hold(self._chance.uniform(0.2, 2.0)),
            "half answer of bureau": stand.to_bureau.halve,
            "half answer of platform": lambda: self._a_wire().halve(),
            "clock jump": self._jump,
        }
        powered = isinstance(stand.platform, FailingPower)
        absent = ({"kill database"} if server is None else set()) | (set() if powered else {"power cut"})
        self._kinds = [kind for kind in WEIGHTS if kind not in absent]
        self.cut_connections = 0

    @property
    def kills(self) -> int:
        return sum(self.happened[kind] for kind in KILLS)

    def blow(self, events: int, pause: tuple[float, float], end: float) -> None:
        """So many events, or until time is up. Each kind once at least, when there are as many events as kinds."""
        for kind in self._drawn(events):
            if time.monotonic() > end:
                return
            time.sleep(self._chance.uniform(*pause))
            if kind in _ONCE:
                self._once(kind)
            else:
                self._ways[kind]()
            self.happened[kind] += 1

    def _drawn(self, events: int) -> list[str]:
        more = max(0, events - len(self._kinds))
        drawn = self._kinds + self._chance.choices(self._kinds, [WEIGHTS[kind] for kind in self._kinds], k=more)
        self._chance.shuffle(drawn)
        return drawn[:events]

    def _kill_platform(self) -> None:
        node = self._chance.choice(self._stand.nodes)
        node.kill()
        time.sleep(self._chance.uniform(0.0, 0.5))
        node.start()

    def _cut_power(self) -> None:
        platform = self._stand.platform
        assert isinstance(platform, FailingPower)
        platform.cut(self._chance.choice(list(Remainder)), self._chance)
        wait_ready(str(platform.start()["url"]))

    def _kill_bureau(self) -> None:
        self._stand.bureau.kill()
        time.sleep(self._chance.uniform(0.0, 1.0))
        self._stand.restart_bureau()

    def _kill_database(self) -> None:
        assert self._server is not None
        self._server.kill()
        time.sleep(self._chance.uniform(0.0, 0.5))
        self._server.start()

    def _once(self, kind: str) -> None:
        """Besides the faults that are always on, this one hits the next call that it can."""
        self._stand.set_faults([*faults(self._seed), {**_ONCE[kind], "count": 1, "id": f"once{self.happened.total()}"}])

    def _jump(self) -> None:
        """Forward up to half an hour, or back a little."""
        step = self._chance.choice([self._chance.uniform(5, 1800), -self._chance.uniform(0.5, 30)])
        admin = self._stand.bureau.info["admin"]
        put(f"{admin['url']}/clock", admin["credential"], json.dumps({"advance": round(step, 3)}).encode())

    def _a_wire(self) -> Wire:
        return self._chance.choice(self._stand.to_platforms)

    def _note_cut(self, connections: int) -> None:
        self.cut_connections += connections

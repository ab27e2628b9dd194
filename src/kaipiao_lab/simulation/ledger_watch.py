"""What the judge sees of the ledger's operations: numbers offered twice, taxpayers let go in the middle of a call, calls of
nodes that are still there ended by others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from kaipiao.ledger.memory import MemoryStore
from kaipiao.ledger.port import Admission, AdmitOutcome

NEVER = float("-inf")
AHEAD = 250.0  # a clock may be ahead by nearly so much
OVERSLEPT = 25.0  # machine's seconds: a node that slept since it looked may take one that is back for gone
Breaks = Callable[[str, str, str | None], None]


class LedgerWatch:
    """`time`: the machine's seconds; `now`: the true time of the platform's kind. `lease`: of shards, by the former;
    `abandoned`: after so many seconds of the latter anybody may end a call. `breaks` is told promise, fact, and what it is
    about."""

    def __init__(
        self,
        store: MemoryStore,
        breaks: Breaks,
        time: Callable[[], float],
        now: Callable[[], datetime],
        lease: float,
        abandoned: float,
    ) -> None:
        self._store = store
        self._breaks = breaks
        self._time = time
        self._now = now
        self._lease = lease
        self._abandoned = abandoned
        self._seen: dict[str, tuple[float, float]] = {}  # node → when it renewed last, and since when without a gap
        self.calls: Counter[tuple[str, str]] = Counter()  # (run of a node, taxpayer) → calls on the wire

    def doing(self, run: str, name: str, values: tuple[Any, ...]) -> None:
        """Before it is carried out."""
        if name == "release_shards" and len(values) > 1:
            self._lets_go(run, values[1])
        elif name == "end_upload":
            self._ends(run.split(".", maxsplit=1)[0], values[0])

    def done(self, run: str, name: str, values: tuple[Any, ...], result: Any) -> None:
        if name == "admit":
            for admission, each in zip(values[0], result, strict=True):
                self._was_admitted(admission, each.outcome)
        elif name == "hold_shards":
            node = run.split(".", maxsplit=1)[0]
            time = self._time()
            last, since = self._seen.get(node, (time, NEVER))
            self._seen[node] = (time, since if time < last + 2 * self._lease else time)
        elif name == "release_shards" and len(values) == 1:
            self._seen[run.split(".", maxsplit=1)[0]] = (NEVER, NEVER)

    def _was_admitted(self, admission: Admission, outcome: AdmitOutcome) -> None:
        if outcome is AdmitOutcome.NUMBER_USED:
            fact = f"{admission.order} came with {admission.number}, which is another's"
            self._breaks("a number in hand is bound to one order", fact, admission.number)
        block = self._store.blocks.get((admission.taxpayer, admission.block or 0))
        if outcome is AdmitOutcome.ADMITTED and block is not None and block.epoch != admission.epoch:
            fact = f"{admission.order} {admission.number} of epoch {admission.epoch}, now {block.epoch}"
            self._breaks("a number counts only while the epoch of its block holds", fact, admission.order)

    def _lets_go(self, run: str, taxpayers: Sequence[str]) -> None:
        for taxpayer in taxpayers:
            if self.calls[(run, taxpayer)] > 0:
                self._breaks("a taxpayer with a call under way is not let go", f"{run} lets {taxpayer} go", run)

    def _ends(self, node: str, end: Any) -> None:
        upload = self._store.uploads.get((end.taxpayer, end.id))
        if upload is None or upload.end is not None or upload.node == node or upload.node not in self._seen:
            return
        last, since = self._seen[upload.node]
        old = (self._now() - upload.begun_at).total_seconds() >= self._abandoned - AHEAD
        back = self._time() < since + OVERSLEPT
        if not old and not back and self._time() < last + 2 * self._lease:
            fact = f"{node} ends a call of {upload.node}, which was there {self._time() - last:.1f} s ago"
            self._breaks("only calls of nodes that are gone are ended by others", fact, upload.node)

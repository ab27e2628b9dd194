"""What this node does less of under load, as the settings have it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from kaipiao.api.door.admission import Admission, Priority
from kaipiao.issuing.cover import Cover
from kaipiao.ledger.port import Ledger
from kaipiao.operations.degradation.ladder import LadderRules, Level
from kaipiao.operations.degradation.state import Degradation, Lighter
from kaipiao.settings import DegradeSettings


def degradation_of(settings: DegradeSettings, admission: Admission, ledger: Ledger, node: str) -> Degradation:
    """Its rate is that of the orders which had their turn."""
    after = (settings.l1_after_s, settings.l2_after_s, settings.l3_after_s)
    return Degradation(
        LadderRules(settings.design_rate, settings.trigger, settings.release, after, settings.calm_s),
        Lighter(settings.keepalive_s, settings.look_s, settings.reads_per_second, settings.hot_days),
        lambda: admission.ended,
        lambda: sum(admission.waiting(priority) for priority in Priority),
        ledger.append_events,
        node,
    )


class CoverLookedAt:
    """From L2 on a cover that was worked out a moment ago is good enough: each costs the ledger several questions."""

    def __init__(self, work_out: Callable[[str], Awaitable[Cover]], degradation: Degradation) -> None:
        self._work_out = work_out
        self._degradation = degradation
        self._known: dict[str, tuple[float, Cover]] = {}

    async def of(self, taxpayer: str) -> Cover:
        if not self._degradation.at_least(Level.L2):
            return await self._work_out(taxpayer)
        at, cover = self._known.get(taxpayer, (0.0, None))
        if cover is None or time.monotonic() - at >= self._degradation.lighter.look_s:
            cover = await self._work_out(taxpayer)
            self._known[taxpayer] = (time.monotonic(), cover)
        return cover

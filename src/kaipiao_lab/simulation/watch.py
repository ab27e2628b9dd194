"""What must happen in time: alarms, and the work that is due, while the node that has to do it is well."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kaipiao.invoice.lifecycle import State
from kaipiao_lab.simulation.judge import step_of

if TYPE_CHECKING:
    from kaipiao_lab.simulation.world import World

LOOKS = 0.7  # machine's seconds between two
ALARM_WITHIN = 6.0  # machine's seconds of a well node


class Watch:
    """Counts how long something is owed, only while whoever owes it could do it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._well_since: dict[str, float] = {}
        self._owed: dict[tuple[str, int, int], float] = {}

    def began(self, node: str) -> None:
        """It started, or it woke up."""
        self._well_since[node] = self._world.loop.time()

    async def look_on(self) -> None:
        while True:
            await asyncio.sleep(LOOKS)
            self._look()

    def _look(self) -> None:
        world, owed = self._world, dict[tuple[str, int, int], float]()
        weather = world.ledger_weather
        if weather.fault or weather.doubt or weather.away:
            self._owed = {}
            return
        for record in world.store.in_state(State.UNKNOWN):
            if not self._is_cared_for(record.taxpayer):
                continue
            step = step_of(record, world.time.now())
            if step > record.alarmed:
                key = (record.taxpayer, record.id, step)
                owed[key] = self._owed.get(key, 0.0) + LOOKS
                if owed[key] > ALARM_WITHIN:
                    world.judge.breaks("R5: an alarm is raised in time", f"{record.order} {step} %", record.order)
        self._owed = owed

    def _is_cared_for(self, taxpayer: str) -> bool:
        """Whether the node that holds it is well since some seconds."""
        shard = self._world.store.shards.get(taxpayer)
        plant = self._world.plants.get(shard.node or "") if shard else None
        if shard is None or plant is None or not plant.process.alive or plant.process.paused:
            return False
        return self._world.loop.time() > self._well_since.get(plant.node.name, 0.0) + 3.0

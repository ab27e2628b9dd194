"""One seed from beginning to end."""

from __future__ import annotations

import gc
import random
from collections import Counter
from dataclasses import dataclass, field

from kaipiao_lab.simulation.log_watch import LogWatch
from kaipiao_lab.simulation.loop import VirtualLoop
from kaipiao_lab.simulation.plan import plan_of
from kaipiao_lab.simulation.recording import Recording
from kaipiao_lab.simulation.story import Broken
from kaipiao_lab.simulation.world import World


@dataclass(slots=True)
class Result:
    """`broken`: the promise, the fact and the last lines about it; None when all were kept."""

    seed: int
    digest: str
    invoices: int
    counts: Counter[str]
    promise: str | None = None
    fact: str = ""
    lines: list[str] = field(default_factory=list)


def run(seed: int, recording: Recording | None = None) -> tuple[Result, World]:
    """Live through a seed. Never raises for a broken promise."""
    gc.disable()  # cycles are many; they are collected between seeds
    try:
        loop = VirtualLoop(random.Random(f"order {seed}"))  # noqa: S311 — repeatable, no secret
        world = World(plan_of(seed), loop, recording)
        result = Result(seed, "", 0, world.story.counts)
        try:
            with LogWatch(world.story, world.judge):
                loop.run(world.live())
        except (
            Exception
        ) as error:  # of every kind: what is neither a verdict nor a stuck world is a defect that got out
            result.promise = error.promise if isinstance(error, Broken) else f"no world ends by {type(error).__name__}"
            result.fact = str(error)
            about = getattr(error, "about", None)
            result.lines = world.story.about((f" {about} ",) if about else ("",), 60)
        result.digest = world.story.digest()
        result.invoices = len(world.store.numbers)
        return result, world
    finally:
        gc.enable()

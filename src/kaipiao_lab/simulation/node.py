"""One node, wired as `app.platform` wires it. The only place here that knows how a node is made."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from kaipiao.authority.channel import Channel
from kaipiao.issuing.breakers import Breakers
from kaipiao.issuing.issuer import Desk, Issuer
from kaipiao.issuing.node import Node
from kaipiao.issuing.notices import Notices
from kaipiao.issuing.numbers import NumberDesk
from kaipiao.issuing.pace import Pace
from kaipiao.issuing.policy import Policy
from kaipiao.issuing.ports import Inline
from kaipiao.issuing.settler import Settler
from kaipiao.issuing.shards import Shards
from kaipiao.issuing.supply import Supply
from kaipiao.issuing.uploader import Uploader
from kaipiao.ledger.ids import IdMaker
from kaipiao.ledger.port import Ledger
from kaipiao_lab.simulation.ledger_faults import Unsound
from kaipiao_lab.simulation.line import Line
from kaipiao_lab.simulation.processes import Process
from kaipiao_lab.simulation.sales import StubSealer, seller_of
from kaipiao_lab.simulation.times import LoopClock, NodeClock


@dataclass(eq=False)
class Plant:
    """A running node and what the world needs of it. `run`: which run of this machine, from 1."""

    process: Process
    clock: NodeClock
    node: Node
    issuer: Issuer
    numbers: NumberDesk
    shards: Shards
    policy: Policy
    run: int


def plant(
    process: Process,
    run: int,
    unsound: Unsound,
    line: Line,
    clock: NodeClock,
    pauses: LoopClock,
    doubts: LoopClock,
    sellers: Sequence[str],
    policy: Policy,
    chance: random.Random,
) -> Plant:
    """Wire a node; it is not started yet. `pauses`: of its loops; `doubts`: of commits in doubt, which are tried again. The line has the services that issuing calls, and no others."""
    ledger, channel, name = cast(Ledger, unsound), cast(Channel, line), process.name.split(".")[0]
    channels = {line.name: channel}
    paces = {line.name: Pace(clock, line.capabilities.calls_per_second)}
    shards = Shards(ledger, name, sellers, policy, asyncio.get_running_loop().time)
    breakers = Breakers(channels, clock, policy, Notices(ledger, name), chance=random.Random(chance.random()))  # noqa: S311 — repeatable
    line.breaker_is_open = lambda: breakers.is_open(line.name)
    pairs = [(seller, line.name) for seller in sellers]
    supply = Supply(ledger, channels, paces, shards, breakers, pairs, clock, policy)
    numbers = NumberDesk(ledger, name, policy, lambda key: node.fetch_stock(key[0]))
    ids = IdMaker(clock.now, random.Random(chance.random()))  # noqa: S311 — repeatable, no secret
    issuer = Issuer(
        ledger,
        {seller: Desk(seller_of(seller), line.name, line.capabilities, StubSealer()) for seller in sellers},
        numbers,
        doubts,
        Inline(),
        ids,
        policy,
        refuse_reason=supply.refuse_reason,
        quota_ended=supply.quota_ended,
        on_quota_short=lambda taxpayer, _channel: node.fetch_stock(taxpayer),
    )
    far = (ledger, channels, paces, shards, breakers, clock)
    uploader = Uploader(*far, ids, name, policy)
    settler = Settler(*far, policy)
    node = Node(name, ledger, issuer, numbers, shards, uploader, settler, supply, pauses, policy, breakers)
    return Plant(process, clock, node, issuer, numbers, shards, policy, run)

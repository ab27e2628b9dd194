"""The loop that watches for outages, made from what a platform has."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kaipiao.authority.channel import Channel
from kaipiao.clock import Clock, SystemClock
from kaipiao.issuing.node import Loop
from kaipiao.issuing.outage_watch import OutageKeeper, OutagePolicy
from kaipiao.issuing.ports import Workers
from kaipiao.ledger.ids import IdMaker
from kaipiao.ledger.port import Ledger
from kaipiao.seal.detached import SealFile, seal_file
from kaipiao.seal.port import Sealer
from kaipiao.seal.sm2 import Sm2PublicKey
from kaipiao.settings import OutageSettings


def outage_loop(
    settings: OutageSettings,
    ledger: Ledger,
    channels: Mapping[str, Channel],
    leads: Callable[[], bool],
    sealer: Sealer,
    key_of: Callable[[str], Sm2PublicKey],
    workers: Workers,
    clock: Clock,
) -> Loop:
    """By real time, whatever the platform's clock does. `sealer`: the audit key; `key_of`: public keys by id."""

    def sealing(data: bytes) -> SealFile:
        seal = sealer.seal(data)
        return seal_file(data, seal, key_of(seal.key_id))

    policy = OutagePolicy(settings.flap_seconds, settings.sample_seconds)
    keeper = OutageKeeper(ledger, channels, leads, sealing, workers, clock, IdMaker(clock.now), policy)
    return Loop("outages", keeper.round, SystemClock(), real=SystemClock())

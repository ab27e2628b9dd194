"""Outages as a ledger has them, for tests of the API."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from bench import OTHER, SELLER, START, Point

from kaipiao.issuing.outage import Evidence, ModeChange, Outage, row_of
from kaipiao.issuing.outage_report import sealed_report
from kaipiao.ledger.outages import OutageSums, OutageWatch
from kaipiao.seal.detached import seal_file
from kaipiao.seal.sm2 import Sm2PrivateKey, Sm2Sealer

PRIVATE = Sm2PrivateKey.generate()
AUDIT = Sm2Sealer("audit", PRIVATE)


def an_outage(identity: int = 7, **changes: Any) -> Outage:
    begun = START.isoformat()
    back = START + timedelta(hours=3)
    one = Outage(
        identity,
        "pretend",
        START,
        hypothesis=Evidence(1, "breaker.opened", begun, "connect.refused", "https://h:1", "connect"),
        evidence=(Evidence(1, "breaker.opened", begun, "connect.refused", "https://h:1", "connect"),),
        modes=(
            ModeChange(2, begun, "contingency_failure", "breaker.open", "upload_window", begun),
            ModeChange(9, back.isoformat(), "online", "breaker.closed"),
        ),
        debt=((begun, 0), (back.isoformat(), 907)),
        sums={SELLER: OutageSums(900, 890, 7, 2), OTHER: OutageSums(7, 7, 0, 0)},
        counted_at=back,
    )
    return replace(one, **changes)


def closed(identity: int = 7) -> Outage:
    at = START + timedelta(hours=4)
    one = an_outage(identity, back_at=at, drained_at=at, closed_at=at, list_digest="ab" * 32)
    return replace(one, report=sealed_report(one, lambda d: seal_file(d, AUDIT.seal(d), AUDIT.public_key)))


async def keep(p: Point, *outages: Outage) -> None:
    before = await p.ledger.outage_watch()
    assert await p.ledger.save_outages(OutageWatch(before.revision + 1), [row_of(one) for one in outages], [])

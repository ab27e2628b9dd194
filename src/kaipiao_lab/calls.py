"""Wire calls as the nodes' own logs tell them: which node called for which taxpayer, from when to when."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Call:
    """`began`, `ended`: seconds since 1970."""

    node: str
    taxpayer: str
    service: str
    began: float
    ended: float


def calls(logs: Sequence[Path]) -> list[Call]:
    """Of all nodes, by their beginning. Each log is that of one node; a call that was cut by a kill is in none."""
    found = [call for log in logs for call in _calls(log)]
    return sorted(found, key=lambda call: call.began)


def at_once(found: Sequence[Call]) -> list[tuple[Call, Call]]:
    """Pairs of one service and taxpayer, of two nodes, of which the second began before the first had ended."""
    pairs = []
    for _, some in groupby(sorted(found, key=_same), key=_same):
        under_way: list[Call] = []
        for call in some:
            under_way = [other for other in under_way if other.ended > call.began]
            pairs += [(other, call) for other in under_way if other.node != call.node]
            under_way.append(call)
    return pairs


def _same(call: Call) -> tuple[str, str]:
    return call.taxpayer, call.service


def _calls(log: Path) -> Iterator[Call]:
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            told = json.loads(line)
        except ValueError:  # half written when its node was killed
            continue
        if isinstance(told, dict) and told.get("message") == "wire call" and told.get("taxpayer"):
            ended = datetime.fromisoformat(told["at"]).timestamp()
            yield Call(log.stem, told["taxpayer"], told["service"], ended - told["ms"] / 1000, ended)
